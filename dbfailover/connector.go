package dbfailover

import (
	"context"
	"database/sql/driver"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-sql-driver/mysql"
)

// recent is how many transitions Status shows.
const recent = 16

// Connector is a driver.Connector for sql.OpenDB that knows which of the two
// servers is in use. It is safe for concurrent use. sql.DB.Close closes it too,
// so give each Connector to one sql.DB.
type Connector struct {
	timing    timing
	log       *slog.Logger
	topology  Topology
	timers    Timers
	endpoints [2]*endpoint
	probers   [2]*prober
	sockets   *sockets

	life context.Context // ends with Close
	end  context.CancelFunc
	work sync.WaitGroup // the two probers

	// epoch repeats machine.epoch for connections to compare with, at the price
	// of one load for each use.
	epoch atomic.Uint64

	mu      sync.Mutex
	machine *machine
	news    chan struct{} // closed, and replaced, after every check and order
	era     context.Context
	endEra  context.CancelFunc
	entered map[State]uint64
	last    []Transition
	pending []entry // not yet logged

	logging sync.Mutex // held while logging, so that lines come in order
}

// New checks cfg and starts checking both servers. It does not wait for them: a
// Connect that comes early waits for the first verdict. The caller must Close the
// Connector, directly or through sql.DB.Close.
func New(cfg Config) (*Connector, error) {
	cfg, err := cfg.normal()
	if err != nil {
		return nil, err
	}
	times, err := cfg.Timers.timing()
	if err != nil {
		return nil, err
	}
	c := &Connector{
		timing: times, log: cfg.Logger, topology: cfg.Topology, timers: cfg.Timers,
		machine: newMachine(times, time.Now()), news: make(chan struct{}),
		entered: map[State]uint64{StateInit: 1},
	}
	for _, role := range []Role{Primary, Secondary} {
		if c.endpoints[role], err = newEndpoint(&cfg, role); err != nil {
			return nil, err
		}
		c.probers[role] = &prober{
			end: c.endpoints[role], timing: times,
			wake: make(chan struct{}, 1), report: c.report,
		}
	}
	c.sockets = newSockets(func(r Role) { c.probers[r].poke() })
	c.epoch.Store(c.machine.epoch)
	c.start()
	return c, nil
}

func (c *Connector) start() {
	c.log.Warn("dbfailover: independent servers: a switch compares no positions, fences nobody and agrees with no other process",
		"timers", c.timers.String())
	c.life, c.end = context.WithCancel(context.Background())
	c.era, c.endEra = context.WithCancel(context.Background())
	for _, p := range c.probers {
		c.work.Go(func() { p.run(c.life) })
	}
}

// Close stops the checks, ends the Connects that are waiting with [ErrClosed] and
// waits until all goroutines have ended and their connections are closed. It is
// idempotent. Connections in use belong to sql.DB and stay, as with the bare
// driver, until it closes them: their statements may finish, and a server that
// hangs is no longer noticed.
func (c *Connector) Close() error {
	c.end()
	c.work.Wait()
	return nil
}

// Driver returns the underlying driver, so that libraries that look at its type
// go on working. Its Open knows nothing of this Connector.
func (c *Connector) Driver() driver.Driver { return &mysql.MySQLDriver{} }

// report takes in a check and answers how long to wait before the next.
func (c *Connector) report(r result) time.Duration {
	c.mu.Lock()
	before := c.machine.servers[r.role]
	c.apply(c.machine.observe(r))
	after := c.machine.servers[r.role]
	if before.health != after.health || before.reason != after.reason {
		c.pending = append(c.pending, healthEntry(r.role, after))
	}
	pause := c.timing.pause(c.machine.state, after)
	c.mu.Unlock()
	c.flush()
	return pause
}

// apply makes changes of the machine take effect; c.mu is held. The old server's
// connections are cut before anybody who waits can get one to the new server.
func (c *Connector) apply(changes []Transition) {
	if epoch := c.machine.epoch; epoch != c.epoch.Load() {
		c.epoch.Store(epoch)
		c.sockets.cutBefore(epoch)
		c.endEra()
		c.era, c.endEra = context.WithCancel(context.Background())
	}
	for _, t := range changes {
		c.entered[t.To]++
		c.last = append(c.last, t)
		c.pending = append(c.pending, transitionEntry(t))
	}
	c.last = c.last[max(0, len(c.last)-recent):]
	if len(changes) > 0 {
		for _, p := range c.probers {
			p.poke()
		}
	}
	close(c.news)
	c.news = make(chan struct{})
}
