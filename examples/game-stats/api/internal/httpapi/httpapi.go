// Package httpapi answers the service's HTTP requests.
package httpapi

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"example.com/game-stats/api/internal/scores"
	"example.com/game-stats/api/internal/token"
)

const (
	maxBody     = 4 << 10
	pingTimeout = 2 * time.Second
)

// State says whether the service wants requests; its zero value means: still starting.
type State struct{ now atomic.Int32 }

const (
	starting = iota
	ready
	draining
)

// Ready says that requests are welcome, unless the service drains already.
func (s *State) Ready() { s.now.CompareAndSwap(starting, ready) }

// Drain says that requests are answered and no new ones are wanted.
func (s *State) Drain() { s.now.Store(draining) }

// Options is what the handlers work with.
type Options struct {
	Store    scores.Store
	State    *State
	Secret   []byte
	Revision string
	Log      *slog.Logger
}

type api struct {
	Options
	answers *answers
}

// New returns the service's handler.
func New(options Options) http.Handler {
	a := api{Options: options, answers: &answers{}}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /health", a.health)
	mux.HandleFunc("GET /version", a.version)
	mux.HandleFunc("GET /metrics", a.answers.metrics)
	mux.HandleFunc("GET /scores", a.list)
	mux.HandleFunc("POST /scores", a.add)
	return a.closeWhileDraining(a.answers.counted(mux))
}

// closeWhileDraining ends each kept-alive connection with its next answer. Closing idle ones at shutdown instead would
// fail a request that is just on its way.
func (a api) closeWhileDraining(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if a.State.now.Load() == draining {
			w.Header().Set("Connection", "close")
		}
		next.ServeHTTP(w, r)
	})
}

func (a api) health(w http.ResponseWriter, r *http.Request) {
	status := "ok"
	switch a.State.now.Load() {
	case starting:
		status = "starting"
	case draining:
		status = "draining"
	default:
		ctx, cancel := context.WithTimeout(r.Context(), pingTimeout)
		defer cancel()
		if err := a.Store.Ping(ctx); err != nil {
			a.Log.Warn("database does not answer", "error", err.Error())
			status = "database unavailable"
		}
	}
	code := http.StatusOK
	if status != "ok" {
		code = http.StatusServiceUnavailable
	}
	a.write(w, code, map[string]string{"status": status, "version": a.Revision})
}

func (a api) version(w http.ResponseWriter, _ *http.Request) {
	a.write(w, http.StatusOK, map[string]string{"version": a.Revision})
}

func (a api) list(w http.ResponseWriter, r *http.Request) {
	found, err := a.Store.Top(r.Context())
	if err != nil {
		a.unavailable(w, err)
		return
	}
	// Scores are public: pages of any origin, like those of game-stats-ui, may show them.
	w.Header().Set("Access-Control-Allow-Origin", "*")
	a.write(w, http.StatusOK, map[string]any{"scores": found})
}

func (a api) add(w http.ResponseWriter, r *http.Request) {
	bearer, isBearer := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	if _, err := token.Check(a.Secret, bearer, time.Now()); !isBearer || err != nil {
		w.Header().Set("WWW-Authenticate", "Bearer")
		a.fail(w, http.StatusUnauthorized, "a valid bearer token is required")
		return
	}
	score, code, err := decode(w, r)
	if err != nil {
		a.fail(w, code, err.Error())
		return
	}
	score, err = a.Store.Add(r.Context(), score)
	if err != nil {
		a.unavailable(w, err)
		return
	}
	a.write(w, http.StatusCreated, score)
}

// decode returns a valid score, or the status and the reason to answer with.
func decode(w http.ResponseWriter, r *http.Request) (scores.Score, int, error) {
	var body struct {
		Player *string `json:"player"`
		Points *int64  `json:"points"`
	}
	decoder := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxBody))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&body); err != nil {
		var tooLarge *http.MaxBytesError
		if errors.As(err, &tooLarge) {
			return scores.Score{}, http.StatusRequestEntityTooLarge, err
		}
		return scores.Score{}, http.StatusBadRequest, err
	}
	if body.Player == nil || body.Points == nil {
		return scores.Score{}, http.StatusBadRequest, errors.New("player and points are required")
	}
	score := scores.Score{Player: *body.Player, Points: *body.Points}
	return score, http.StatusBadRequest, score.Validate()
}

// unavailable keeps the database's own words out of the answer: they may name hosts and users.
func (a api) unavailable(w http.ResponseWriter, err error) {
	a.Log.Error("database failed", "error", err.Error())
	w.Header().Set("Retry-After", "1")
	a.fail(w, http.StatusServiceUnavailable, "database unavailable")
}

func (a api) fail(w http.ResponseWriter, code int, reason string) {
	a.write(w, code, map[string]string{"error": reason})
}

func (a api) write(w http.ResponseWriter, code int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(code)
	if err := json.NewEncoder(w).Encode(body); err != nil {
		a.Log.Warn("answer not written", "error", err.Error())
	}
}
