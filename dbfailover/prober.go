package dbfailover

import (
	"context"
	"database/sql/driver"
	"fmt"
	"math/rand/v2"
	"net"
	"sync/atomic"
	"time"
)

const (
	// probeQuery is one round trip that needs no table and no right.
	probeQuery = "SELECT @@global.read_only"
	// minGap keeps a thousand failing connections from becoming a thousand checks.
	minGap = 5 * time.Millisecond
)

// prober checks one server from one goroutine, on connections of its own: the
// application's may all be busy, and database/sql must not see these.
type prober struct {
	end    *endpoint
	timing timing
	wake   chan struct{} // holds one request to check now
	// report takes in a result and answers how long to wait.
	report func(result) time.Duration
	// look asks the server on a connection that is logged in.
	look func(context.Context, driverConn) (sight, error)

	started atomic.Uint64 // checks begun so far

	line // in use, or none

	held // credentials
}

// poke asks for a check now. It never blocks.
func (p *prober) poke() {
	select {
	case p.wake <- struct{}{}:
	default: // one is already waiting to be served
	}
}

// run checks until ctx ends.
func (p *prober) run(ctx context.Context) {
	defer p.drop()
	defer p.asks.Wait()
	for {
		r := p.check(ctx)
		if ctx.Err() != nil {
			return
		}
		if !p.sleep(ctx, p.report(r)) {
			return
		}
	}
}

// sleep waits about d, less if poked, and says whether to go on. A fifth of jitter
// in either direction keeps web nodes from checking in step.
func (p *prober) sleep(ctx context.Context, d time.Duration) bool {
	const jitter = 0.2
	d = time.Duration(float64(d) * (1 - jitter + 2*jitter*rand.Float64()))
	timer := time.NewTimer(d)
	defer timer.Stop()
	gap := time.NewTimer(min(minGap, d))
	defer gap.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-gap.C:
	}
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
	case <-p.wake:
	}
	return true
}

// check asks the server once, within the profile's timeout, login included.
func (p *prober) check(ctx context.Context) result {
	r := result{role: p.end.role, number: p.started.Add(1)}
	credErr := p.refresh(ctx)
	r.began = time.Now()
	if credErr != nil {
		r.health, r.reason = judge(credErr)
		r.ended = r.began
		return r
	}
	limited, cancel := context.WithTimeout(ctx, p.timing.timeout)
	defer cancel()
	seen, err := p.ask(limited)
	r.ended = time.Now()
	r.sight = seen
	r.health, r.reason = judge(err)
	if r.health == HealthDead && paused(r.ended.Sub(r.began), p.timing.timeout) {
		r.health, r.reason = HealthUnknown, reasonPaused
	}
	return r
}

// paused tells a server's silence from our own: a check that took far longer than
// its timeout allows was not run in time (a stopped process, a migrating virtual
// machine) and proves nothing. A pause that ends just so can look like one failed
// check; two in a row cannot come of it.
func paused(took, timeout time.Duration) bool { return took > 2*timeout }

// ask queries the server. When the connection at hand is broken it tries a new
// one at once: an administrator killing connections is no failure of the server,
// and a server that is gone refuses the new one just as fast.
func (p *prober) ask(ctx context.Context) (seen sight, err error) {
	if p.conn != nil && p.used < p.timing.fresh {
		p.used++
		if seen, err = p.look(ctx, p.conn); err == nil {
			return seen, nil
		}
		p.drop()
		if ctx.Err() != nil {
			return sight{}, err
		}
	}
	// Old connections hide that nobody new is let in (1040, 1129); so would giving
	// the old one's place to the new one.
	old := p.line
	defer old.close()
	p.line = line{}
	if err = p.open(ctx); err != nil {
		return sight{}, err
	}
	if seen, err = p.look(ctx, p.conn); err != nil {
		p.drop()
	}
	return seen, err
}

func (p *prober) open(ctx context.Context) error {
	login := func() (err error) {
		p.conn, err = p.end.login(ctx, p.creds, func(c net.Conn) (net.Conn, error) {
			p.raw = c
			return c, nil
		})
		return err
	}
	err := login()
	if serverSaid(err, errAccessDenied) {
		old := p.creds
		if p.askNow(ctx) == nil && !p.creds.equal(old) {
			err = login()
		}
	}
	p.used = 1
	return err
}

func (p *prober) drop() {
	p.line.close()
	p.line = line{}
}

// line is a connection of the checks.
type line struct {
	conn driverConn
	raw  net.Conn
	used int // checks on it
}

// close says goodbye, so that the server does not log an aborted connection, but
// never waits for a server that does not listen.
func (l line) close() {
	if l.conn == nil {
		return
	}
	_ = l.raw.SetWriteDeadline(time.Now().Add(minGap))
	_ = l.conn.Close()
}

// glance runs the probe that needs no script, on the driver's connection itself; a
// pool between us and the server would retry what we want to see.
func glance(ctx context.Context, conn driverConn) (sight, error) {
	t, err := ask(ctx, conn, probeQuery)
	if err != nil {
		return sight{}, err
	}
	if len(t.rows) != 1 || len(t.rows[0]) != 1 {
		return sight{}, fmt.Errorf("dbfailover: the check's query returned %d rows", len(t.rows))
	}
	return sight{readOnly: t.rows[0][0] != "0"}, nil
}

func text(v driver.Value) string {
	if b, ok := v.([]byte); ok {
		return string(b)
	}
	return fmt.Sprint(v)
}
