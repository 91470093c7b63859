package httpapi

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"example.com/game-stats/api/internal/scores"
	"example.com/game-stats/api/internal/token"
)

var secret = []byte("0123456789abcdef")

// memory is a Store in memory; `down` makes it answer like a database that is gone.
type memory struct {
	mu   sync.Mutex
	all  []scores.Score
	down bool
}

func (m *memory) Prepare(ctx context.Context) error { return m.Ping(ctx) }

func (m *memory) Ping(context.Context) error {
	if m.down {
		return errors.New("dial tcp db.internal:5432: refused")
	}
	return nil
}

func (m *memory) Add(ctx context.Context, score scores.Score) (scores.Score, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	score.ID = int64(len(m.all) + 1)
	if err := m.Ping(ctx); err != nil {
		return score, err
	}
	m.all = append(m.all, score)
	return score, nil
}

func (m *memory) Top(ctx context.Context) ([]scores.Score, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	found := slices.Clone(m.all)
	slices.SortStableFunc(found, func(a, b scores.Score) int { return cmp.Compare(b.Points, a.Points) })
	return found, m.Ping(ctx)
}

func service(store *memory) (http.Handler, *State) {
	state := &State{}
	state.Ready()
	return New(Options{
		Store: store, State: state, Secret: secret, Revision: "cafe1234", Log: slog.New(slog.DiscardHandler),
	}), state
}

func send(handler http.Handler, method, path, bearer, body string) *httptest.ResponseRecorder {
	request := httptest.NewRequest(method, path, strings.NewReader(body))
	if bearer != "" {
		request.Header.Set("Authorization", bearer)
	}
	recorder := httptest.NewRecorder()
	handler.ServeHTTP(recorder, request)
	return recorder
}

func bearer() string { return "Bearer " + token.Sign(secret, "test", time.Now().Add(time.Minute)) }

func TestHealthFollowsStateAndDatabase(t *testing.T) {
	for _, tc := range []struct {
		name   string
		change func(*memory, *State)
		code   int
		status string
	}{
		{"serving", func(*memory, *State) {}, 200, "ok"},
		{"starting", func(_ *memory, s *State) { s.now.Store(starting) }, 503, "starting"},
		{"draining", func(_ *memory, s *State) { s.Drain() }, 503, "draining"},
		{"no way back from draining", func(_ *memory, s *State) { s.Drain(); s.Ready() }, 503, "draining"},
		{"database gone", func(m *memory, _ *State) { m.down = true }, 503, "database unavailable"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			store := &memory{}
			handler, state := service(store)
			tc.change(store, state)
			answer := send(handler, "GET", "/health", "", "")
			var body map[string]string
			if err := json.Unmarshal(answer.Body.Bytes(), &body); err != nil {
				t.Fatal(err)
			}
			if answer.Code != tc.code || body["status"] != tc.status || body["version"] != "cafe1234" {
				t.Errorf("%d %v", answer.Code, body)
			}
		})
	}
}

func TestVersionIsTheBuiltRevision(t *testing.T) {
	handler, _ := service(&memory{})
	if answer := send(handler, "GET", "/version", "", ""); strings.TrimSpace(answer.Body.String()) != `{"version":"cafe1234"}` {
		t.Error(answer.Body)
	}
}

func TestAddRefusesWhatItCannotKeep(t *testing.T) {
	const good = `{"player":"ada","points":7}`
	other := "Bearer " + token.Sign([]byte("another secret!!"), "test", time.Now().Add(time.Minute))
	for _, tc := range []struct {
		name, bearer, body string
		code               int
	}{
		{"good", bearer(), good, 201},
		{"zero points", bearer(), `{"player":"ada","points":0}`, 201},
		{"no token", "", good, 401},
		{"token without Bearer", strings.TrimPrefix(bearer(), "Bearer "), good, 401},
		{"token of another secret", other, good, 401},
		{"not JSON", bearer(), `player=ada`, 400},
		{"no points", bearer(), `{"player":"ada"}`, 400},
		{"no player", bearer(), `{"points":7}`, 400},
		{"negative points", bearer(), `{"player":"ada","points":-1}`, 400},
		{"points as text", bearer(), `{"player":"ada","points":"7"}`, 400},
		{"unknown key", bearer(), `{"player":"ada","points":7,"id":1}`, 400},
		{"too long", bearer(), `{"player":"` + strings.Repeat("a", 5000) + `"}`, 413},
	} {
		t.Run(tc.name, func(t *testing.T) {
			store := &memory{}
			handler, _ := service(store)
			answer := send(handler, "POST", "/scores", tc.bearer, tc.body)
			if answer.Code != tc.code {
				t.Errorf("%d %s", answer.Code, answer.Body)
			}
			if kept := len(store.all) == 1; kept != (tc.code == 201) {
				t.Errorf("kept: %v", store.all)
			}
		})
	}
}

func TestListIsAnArrayEvenWhenEmpty(t *testing.T) {
	handler, _ := service(&memory{all: []scores.Score{}})
	if answer := send(handler, "GET", "/scores", "", ""); strings.TrimSpace(answer.Body.String()) != `{"scores":[]}` {
		t.Error(answer.Body)
	}
}

func TestScoresMayBeShownByPagesOfAnyOrigin(t *testing.T) {
	handler, _ := service(&memory{})
	if got := send(handler, "GET", "/scores", "", "").Header().Get("Access-Control-Allow-Origin"); got != "*" {
		t.Error(got)
	}
}

func TestADeadDatabaseIs503WithoutItsWords(t *testing.T) {
	for _, method := range []string{"GET", "POST"} {
		handler, _ := service(&memory{down: true})
		answer := send(handler, method, "/scores", bearer(), `{"player":"ada","points":7}`)
		if answer.Code != 503 || strings.Contains(answer.Body.String(), "db.internal") {
			t.Errorf("%s: %d %s", method, answer.Code, answer.Body)
		}
	}
}

func TestOtherMethodsAndPathsAreRefused(t *testing.T) {
	handler, _ := service(&memory{})
	if code := send(handler, "DELETE", "/scores", bearer(), "").Code; code != 405 {
		t.Error(code)
	}
	if code := send(handler, "GET", "/", "", "").Code; code != 404 {
		t.Error(code)
	}
}

func TestConnectionsEndOnlyWhileDraining(t *testing.T) {
	handler, state := service(&memory{})
	if got := send(handler, "GET", "/scores", "", "").Header().Get("Connection"); got != "" {
		t.Error(got)
	}
	state.Drain()
	answer := send(handler, "GET", "/scores", "", "")
	if answer.Code != 200 || answer.Header().Get("Connection") != "close" {
		t.Errorf("%d %v", answer.Code, answer.Header())
	}
}
