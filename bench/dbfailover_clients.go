package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/hipaakit/hipaakit/dbfailover"
)

// client asks which server answers, again and again.
type client struct {
	name string
	db   *sql.DB
	// ours is nil for the driver through haproxy, which returns by itself.
	ours *dbfailover.Connector
}

const (
	haproxyTuned = "haproxy, tuned"
	haproxyUsual = "haproxy, defaults"
	// giveUp is how long a client waits for one answer. Without it a client of haproxy
	// would hang for as long as its session on the dead server is kept open.
	giveUp = 250 * time.Millisecond
)

// clients are ours by profile, and the driver through both ways into haproxy.
func (f *failoverBench) clients() (all []client, err error) {
	for _, p := range profiles {
		c, db, err := f.connect(p.timers, f.path.Addr)
		if db != nil {
			all = append(all, client{p.name, db, c})
		}
		if err != nil {
			return all, err
		}
	}
	if f.haproxy == nil {
		return all, nil
	}
	for name, addr := range map[string]string{haproxyTuned: f.haproxy.tuned, haproxyUsual: f.haproxy.usual} {
		db, err := f.bare(addr, "localhost")
		if db != nil {
			all = append(all, client{name: name, db: db})
		}
		if err != nil {
			return all, err
		}
	}
	return all, nil
}

// arrival is when a client got to the other server.
type arrival struct {
	at  time.Time
	err error
}

// moved asks until the second server answers; it calls under way after a few answers.
func (c client) moved(underWay func()) arrival {
	for asked, limit := 0, time.Now().Add(90*time.Second); ; asked++ { // against hanging
		id, err := c.ask()
		if err == nil && id == 2 {
			return arrival{at: time.Now()}
		}
		if asked == 20 {
			underWay()
		}
		if time.Now().After(limit) {
			return arrival{time.Now(), fmt.Errorf("%s never reached the second server: %w", c.name, err)}
		}
		time.Sleep(time.Millisecond)
	}
}

// ask returns which server answers.
func (c client) ask() (id int, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), giveUp)
	defer cancel()
	err = c.db.QueryRowContext(ctx, "SELECT @@server_id").Scan(&id)
	return id, err
}

// home brings a client back to the first server.
func (c client) home() error {
	if c.ours != nil {
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		defer cancel()
		if err := c.ours.Switch(ctx, dbfailover.Primary); err != nil {
			return err
		}
		for _, s := range c.ours.Status().Servers {
			if s.Health != dbfailover.HealthOK || s.Replication == nil || !s.Replication.Receiving || !s.Replication.Applying || s.Replication.Quarantined {
				return errors.New("replication is not back yet")
			}
		}
	}
	if c.ours == nil {
		// haproxy leaves sessions on the backup when the primary returns: a pool would be
		// on both from then on.
		c.db.SetMaxIdleConns(0)
		c.db.SetMaxIdleConns(1)
	}
	id, err := c.ask()
	if err == nil && id != 1 {
		err = errors.New("still on the second server")
	}
	return err
}
