package main

import (
	"context"
	"crypto/tls"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/hipaakit/hipaakit/dbfailover"
)

// database is the database part of the tour.
type database struct {
	*report
	pair *databasePair
}

// open is all that an application does: a connector, and sql.OpenDB.
func (d *database) open(password string) (*sql.DB, *dbfailover.Connector, error) {
	c, err := dbfailover.New(dbfailover.Config{
		Primary: d.pair.servers[0], Secondary: d.pair.servers[1], Database: d.pair.database,
		TLS: &tls.Config{RootCAs: d.pair.roots},
		Credentials: func(context.Context, dbfailover.Server) (dbfailover.Credentials, error) {
			return dbfailover.Credentials{User: d.pair.user, Password: dbfailover.NewPassword(password)}, nil
		},
		Topology: dbfailover.Independent, // neither server knows of the other
		Timers:   dbfailover.Fast,
		Logger:   slog.New(slog.DiscardHandler), // the tour itself says what happens
	})
	if err != nil {
		return nil, nil, err
	}
	return sql.OpenDB(c), c, nil
}

func (d *database) run(ctx context.Context) (err error) {
	d.heading("Two database servers over verified TLS; the primary is killed")
	db, connector, err := d.open(d.pair.password)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close(), connector.Close()) }()
	if err := d.prepare(ctx, db, connector); err != nil {
		return err
	}
	before, err := whoAnswers(ctx, db, 200)
	d.check(err == nil && before["primary"] == 200, "200 queries through dbfailover, answered by: %s", counts(before))
	return d.killPrimary(ctx, db, connector)
}

// prepare leaves a name on each server, so that a query can tell which answered.
func (d *database) prepare(ctx context.Context, db *sql.DB, c *dbfailover.Connector) error {
	for _, role := range []dbfailover.Role{dbfailover.Secondary, dbfailover.Primary} {
		if err := c.Switch(ctx, role); err != nil {
			return err
		}
		for _, q := range []string{
			"CREATE TABLE IF NOT EXISTS whoami (name VARCHAR(20) PRIMARY KEY)",
			fmt.Sprintf("INSERT INTO whoami VALUES ('%v')", role),
		} {
			if _, err := db.ExecContext(ctx, q); err != nil {
				return fmt.Errorf("preparing the %v: %w", role, err)
			}
		}
	}
	return nil
}

func (d *database) killPrimary(ctx context.Context, db *sql.DB, c *dbfailover.Connector) error {
	stop, failed := d.queryMeanwhile(ctx, db)
	if err := d.pair.kill(0); err != nil {
		return err
	}
	killed := time.Now()
	answered, err := whoAnswers(ctx, db, 1)
	took := time.Since(killed)
	stop()
	d.check(err == nil && answered["secondary"] == 1, "SIGKILL of the primary: the next query was answered by: %s", counts(answered))
	d.note("after %s; %d queries that were under way failed, as they must: nobody knows how far they got", timeText(took), failed())
	after, err := whoAnswers(ctx, db, 200)
	d.check(err == nil && after["secondary"] == 200, "200 queries more, answered by: %s", counts(after))
	s := c.Status()
	d.check(s.State == dbfailover.StateSecondary, "the connector says: %v, because %s", s.State, s.Reason)
	return nil
}

// queryMeanwhile runs queries until stop, so that the kill meets some in flight.
func (d *database) queryMeanwhile(ctx context.Context, db *sql.DB) (stop func(), failed func() int) {
	ended, finished, count := make(chan struct{}), make(chan struct{}), 0
	go func() {
		defer close(finished)
		for {
			select {
			case <-ended:
				return
			default:
			}
			if _, err := whoAnswers(ctx, db, 1); err != nil {
				count++
			}
		}
	}()
	return func() { close(ended); <-finished }, func() int { return count }
}

// whoAnswers asks n times for the name of the server.
func whoAnswers(ctx context.Context, db *sql.DB, n int) (map[string]int, error) {
	names := map[string]int{}
	for range n {
		var name string
		if err := db.QueryRowContext(ctx, "SELECT name FROM whoami").Scan(&name); err != nil {
			return names, err
		}
		names[name]++
	}
	return names, nil
}

func counts(m map[string]int) string {
	switch {
	case len(m) == 0:
		return "nobody"
	case len(m) > 1:
		return fmt.Sprint(m)
	}
	for name := range m {
		return "the " + name
	}
	return ""
}
