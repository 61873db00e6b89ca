package dbfailover

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"net"
	"time"
)

// attempts bounds how often one Connect tries a server that the checks find well
// and that it cannot enter.
const attempts = 3

// ticket says where a new connection goes.
type ticket struct {
	role Role
	turn uint64
	era  context.Context // ends with the turn
	// impatient: nothing is decided, but it is time to hear it from the server.
	impatient bool
}

// Connect opens a connection to the active server. While nothing is decided
// (INIT, SUSPECT) it waits instead of failing, within ctx and some seconds; when
// it meets a failure itself, it has the server checked and waits for the verdict,
// so that the query which finds the primary dead is answered by the secondary.
// In DOWN it fails at once with [ErrDown], after Close with [ErrClosed].
func (c *Connector) Connect(ctx context.Context) (driver.Conn, error) {
	if c.life.Err() != nil { // bound would end too, but only in a moment
		return nil, ErrClosed
	}
	bound, release := bind(ctx, c.life)
	defer release()
	conn, err := c.connect(bound)
	if err == nil {
		return conn, nil
	}
	if c.life.Err() != nil {
		return nil, ErrClosed
	}
	return nil, err
}

// bind returns ctx so that it also ends with other.
func bind(ctx, other context.Context) (context.Context, func()) {
	bound, cancel := context.WithCancel(ctx)
	stop := context.AfterFunc(other, cancel)
	return bound, func() {
		stop()
		cancel()
	}
}

func (c *Connector) connect(ctx context.Context) (driver.Conn, error) {
	failed, began := 0, time.Now()
	for {
		t, err := c.await(ctx)
		if err != nil {
			return nil, err
		}
		conn, err := c.open(ctx, t)
		if err == nil {
			return conn, nil
		}
		if c.turn.Load() != t.turn && ctx.Err() == nil {
			continue // a switch came in between and cut it
		}
		if c.locked(err) && time.Since(began) < c.timing.patience && c.recheck(ctx, t.role, t.turn) == nil {
			continue
		}
		if failed++; ctx.Err() != nil || t.impatient || failed == attempts || final(err) {
			return nil, named(t.role, err)
		}
		// A check that does not come in time leaves it to the next attempt.
		if err := c.recheck(ctx, t.role, t.turn); err != nil && !errors.Is(err, errNoCheck) {
			return nil, err
		}
	}
}

// final reports whether a failed login would fail in the same way again.
func final(err error) bool {
	var credentials *credentialsError
	health, _ := judge(err)
	return health == HealthRefusing || errors.As(err, &credentials)
}

// locked reports whether a server turned us away because it is another's turn now:
// somebody has moved the application, and the checks are about to see it.
func (c *Connector) locked(err error) bool {
	return c.replicated != nil && serverSaid(err, errAccountLocked, errAccountLockedMySQL)
}

// await returns where to connect to, once that is known.
func (c *Connector) await(ctx context.Context) (ticket, error) {
	patience := time.NewTimer(c.timing.patience)
	defer patience.Stop()
	for {
		c.mu.Lock()
		m := c.decider.stands()
		state, reason, news := m.state, m.reason, c.news
		t := ticket{role: m.active, turn: m.turn, era: c.era}
		c.mu.Unlock()
		switch {
		case state.serving():
			return t, nil
		case state == StateDown:
			return t, fmt.Errorf("%w (%s)", ErrDown, reason)
		case state == StateFrozen:
			return t, fmt.Errorf("%w (%s)", ErrFrozen, reason)
		}
		select {
		case <-news:
		case <-ctx.Done():
			return t, fmt.Errorf("dbfailover: waiting in state %v: %w", state, ctx.Err())
		case <-patience.C:
			if c.replicated != nil {
				// Whoever tries on his own may meet the server that must not be met.
				return t, fmt.Errorf("%w: still %v (%s)", ErrDown, state, reason)
			}
			// The checks cannot decide, for instance because the credentials
			// callback fails. What the server itself says is the better error.
			t.impatient = true
			return t, nil
		}
	}
}

// recheck has a server checked and returns when a check that began after the call
// is in, or the turn is no longer the given one (0: whatever it is).
func (c *Connector) recheck(ctx context.Context, role Role, turn uint64) error {
	// By number, not by the clock: two clock readings can be equal.
	asked := c.probers[role].started.Load()
	patience := time.NewTimer(c.timing.patience)
	defer patience.Stop()
	c.probers[role].poke()
	for {
		c.mu.Lock()
		news := c.news
		m := c.decider.stands()
		known := m.servers[role].number > asked
		switched := turn != 0 && m.turn != turn
		c.mu.Unlock()
		if known || switched {
			return nil
		}
		select {
		case <-news:
		case <-patience.C:
			return fmt.Errorf("%w: %v", errNoCheck, role)
		case <-ctx.Done():
			return fmt.Errorf("dbfailover: waiting for a check of the %v server: %w", role, ctx.Err())
		}
	}
}

// open logs in to the server of t and ties the connection to t's turn. It gives
// up when that turn ends: a switch can cut a connection but not a dial, and to a
// host that is switched off a dial takes all the time it has.
func (c *Connector) open(ctx context.Context, t ticket) (driver.Conn, error) {
	ctx, release := bind(ctx, t.era)
	defer release()
	end := c.endpoints[t.role]
	var line *tracked
	keep := func(raw net.Conn) (net.Conn, error) {
		var err error
		if line, err = c.sockets.add(raw, t.role, t.turn); err != nil {
			return nil, err
		}
		return line.wrap(), nil
	}
	inner, err := end.relogin(ctx, func(creds Credentials) (driverConn, error) {
		limited, cancel := context.WithTimeout(ctx, c.timing.login)
		defer cancel()
		return end.login(limited, creds, keep)
	})
	if err != nil {
		return nil, err
	}
	return &conn{driverConn: inner, line: line, current: &c.turn}, nil
}

// named adds which server an error is about. ErrBadConn is kept from the pool:
// it would take it as "try again", and we have tried.
func named(r Role, err error) error {
	if errors.Is(err, driver.ErrBadConn) {
		return fmt.Errorf("dbfailover: %v: connection closed while logging in", r)
	}
	return fmt.Errorf("dbfailover: %v: %w", r, err)
}
