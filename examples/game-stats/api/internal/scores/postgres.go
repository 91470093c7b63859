package scores

import (
	"context"
	"database/sql"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib" // the driver "pgx"
)

const (
	// prepareLock is any number that nobody else takes in this database.
	prepareLock = 40_00_01

	createTable = `CREATE TABLE IF NOT EXISTS scores (
	id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	player text NOT NULL,
	points bigint NOT NULL,
	created_at timestamptz NOT NULL DEFAULT now()
)`
)

// Postgres is a Store in PostgreSQL.
type Postgres struct{ db *sql.DB }

// Open returns a Store that connects on first use.
func Open(url string) (*Postgres, error) {
	db, err := sql.Open("pgx", url)
	if err != nil {
		return nil, err
	}
	// Small on purpose: every replica holds this many connections of one shared server.
	db.SetMaxOpenConns(5)
	db.SetConnMaxIdleTime(time.Minute)
	return &Postgres{db}, nil
}

// Close ends the connections.
func (p *Postgres) Close() error { return p.db.Close() }

// Prepare creates the table. Two replicas that start together would race even with IF NOT EXISTS, hence the lock.
func (p *Postgres) Prepare(ctx context.Context) error {
	tx, err := p.db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback() //nolint:errcheck // after Commit it has nothing left to say
	if _, err := tx.ExecContext(ctx, "SELECT pg_advisory_xact_lock($1)", prepareLock); err != nil {
		return err
	}
	if _, err := tx.ExecContext(ctx, createTable); err != nil {
		return err
	}
	return tx.Commit()
}

// Ping says whether the server answers.
func (p *Postgres) Ping(ctx context.Context) error { return p.db.PingContext(ctx) }

// Add keeps one score.
func (p *Postgres) Add(ctx context.Context, score Score) (Score, error) {
	const insert = "INSERT INTO scores (player, points) VALUES ($1, $2) RETURNING id"
	err := p.db.QueryRowContext(ctx, insert, score.Player, score.Points).Scan(&score.ID)
	return score, err
}

// Top returns the best scores first.
func (p *Postgres) Top(ctx context.Context) ([]Score, error) {
	const list = "SELECT id, player, points FROM scores ORDER BY points DESC, id LIMIT $1"
	rows, err := p.db.QueryContext(ctx, list, Limit)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	found := []Score{}
	for rows.Next() {
		var score Score
		if err := rows.Scan(&score.ID, &score.Player, &score.Points); err != nil {
			return nil, err
		}
		found = append(found, score)
	}
	return found, rows.Err()
}
