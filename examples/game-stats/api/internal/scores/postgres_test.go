package scores

import (
	"os"
	"sync"
	"testing"
)

// These run where a PostgreSQL is at hand: TEST_DATABASE_URL names an empty database.
func open(t *testing.T) *Postgres {
	t.Helper()
	url := os.Getenv("TEST_DATABASE_URL")
	if url == "" {
		t.Skip("TEST_DATABASE_URL is not set")
	}
	store, err := Open(url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { store.Close() })
	return store
}

func TestReplicasThatStartTogetherAllPrepare(t *testing.T) {
	stores := []*Postgres{open(t), open(t), open(t), open(t)}
	if _, err := stores[0].db.ExecContext(t.Context(), "DROP TABLE IF EXISTS scores"); err != nil {
		t.Fatal(err)
	}
	var group sync.WaitGroup
	for _, store := range stores {
		group.Add(1)
		go func() {
			defer group.Done()
			if err := store.Prepare(t.Context()); err != nil {
				t.Error(err)
			}
		}()
	}
	group.Wait()
}

func TestWhatIsAddedIsListedBestFirst(t *testing.T) {
	store := open(t)
	ctx := t.Context()
	if err := store.Prepare(ctx); err != nil {
		t.Fatal(err)
	}
	if _, err := store.db.ExecContext(ctx, "TRUNCATE scores"); err != nil {
		t.Fatal(err)
	}
	for _, score := range []Score{{Player: "it's", Points: 1}, {Player: "ünï", Points: 3}} {
		if _, err := store.Add(ctx, score); err != nil {
			t.Fatal(err)
		}
	}
	found, err := store.Top(ctx)
	if err != nil || len(found) != 2 || found[0].Player != "ünï" || found[1].Player != "it's" {
		t.Errorf("got %+v, %v", found, err)
	}
}
