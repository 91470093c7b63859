// Package scores keeps what players reached.
package scores

import (
	"context"
	"fmt"
	"log/slog"
	"time"
	"unicode/utf8"
)

const (
	maxPlayer = 64
	maxPoints = 1_000_000_000
	// Limit is how many scores a list holds at most.
	Limit = 100
)

// Score is what one player reached once.
type Score struct {
	ID     int64  `json:"id"`
	Player string `json:"player"`
	Points int64  `json:"points"`
}

// Validate says what is wrong with a score that somebody sent.
func (s Score) Validate() error {
	if n := utf8.RuneCountInString(s.Player); n < 1 || n > maxPlayer || !utf8.ValidString(s.Player) {
		return fmt.Errorf("player: want 1 to %d characters", maxPlayer)
	}
	if s.Points < 0 || s.Points > maxPoints {
		return fmt.Errorf("points: want 0 to %d", maxPoints)
	}
	return nil
}

// Store keeps scores.
type Store interface {
	// Prepare makes the store usable; doing it again changes nothing.
	Prepare(ctx context.Context) error
	// Ping says whether the store answers.
	Ping(ctx context.Context) error
	// Add keeps one score and returns it with its ID.
	Add(ctx context.Context, score Score) (Score, error)
	// Top returns the best scores first, at most Limit of them.
	Top(ctx context.Context) ([]Score, error)
}

// Prepare tries until the store is usable: a database often starts at the same time as its users.
func Prepare(ctx context.Context, store Store, log *slog.Logger, timeout time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	for wait := 200 * time.Millisecond; ; wait = min(2*wait, 5*time.Second) {
		err := store.Prepare(ctx)
		if err == nil {
			return nil
		}
		log.Warn("database is not ready", "error", err.Error(), "retry_in", wait.String())
		select {
		case <-ctx.Done():
			return fmt.Errorf("not ready within %s: %w", timeout, err)
		case <-time.After(wait):
		}
	}
}
