// Package teav1 stands in for the terminal UI toolkit's adapter: it has the names, and draws nothing.
package teav1

import (
	tea "github.com/charmbracelet/bubbletea"
	"github.com/vito/tuist"
)

type Wrap struct{ tuist.Compo }

func New(tea.Model) *Wrap          { return &Wrap{} }
func (*Wrap) Render(tuist.Context) {}
func (*Wrap) OnQuit(func())        {}
