package scores

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"
)

func TestValidate(t *testing.T) {
	for _, tc := range []struct {
		name  string
		score Score
		want  string
	}{
		{"least", Score{Player: "a"}, ""},
		{"most", Score{Player: strings.Repeat("ü", 64), Points: 1_000_000_000}, ""},
		{"no player", Score{Points: 1}, "player"},
		{"long player", Score{Player: strings.Repeat("a", 65)}, "player"},
		{"broken text", Score{Player: "\xff"}, "player"},
		{"negative", Score{Player: "a", Points: -1}, "points"},
		{"too many", Score{Player: "a", Points: 1_000_000_001}, "points"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			err := tc.score.Validate()
			if tc.want == "" && err != nil || tc.want != "" && (err == nil || !strings.HasPrefix(err.Error(), tc.want)) {
				t.Errorf("got %v, want %q", err, tc.want)
			}
		})
	}
}

// lateStore is ready at its third try.
type lateStore struct {
	Store
	tries int
	ready int
}

func (s *lateStore) Prepare(context.Context) error {
	if s.tries++; s.tries < s.ready {
		return errors.New("starting up")
	}
	return nil
}

func TestPrepareWaitsForALateDatabase(t *testing.T) {
	store := &lateStore{ready: 3}
	if err := Prepare(t.Context(), store, slog.New(slog.DiscardHandler), time.Minute); err != nil {
		t.Fatal(err)
	}
	if store.tries != 3 {
		t.Errorf("%d tries", store.tries)
	}
}

func TestPrepareGivesUpWithTheLastReason(t *testing.T) {
	store := &lateStore{ready: 1_000}
	err := Prepare(t.Context(), store, slog.New(slog.DiscardHandler), 50*time.Millisecond)
	if err == nil || !strings.Contains(err.Error(), "starting up") {
		t.Errorf("got %v", err)
	}
}
