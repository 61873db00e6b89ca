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
	work sync.WaitGroup // all goroutines

	replicated *replicated // nil for Independent

	// turn repeats the decider's for connections to compare with, at the price of
	// one load for each use.
	turn atomic.Uint64

	mu      sync.Mutex
	decider decider
	news    chan struct{} // closed, and replaced, after every check and order
	era     context.Context
	endEra  context.CancelFunc
	entered map[State]uint64
	last    []Transition
	pending []entry // not yet logged

	logging sync.Mutex // held while logging, so that lines come in order
}

// New checks cfg and starts checking both servers. It does not wait for them: a
// Connect that comes early waits for the first verdict. Only with [Replicated] it asks
// both, for 3 s at most, whether the account can be fenced; a server that does not
// answer is asked later, and an alarm takes the place of the error. The caller must Close the
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
		news: make(chan struct{}), entered: map[State]uint64{StateInit: 1},
	}
	if err := c.prepare(&cfg); err != nil {
		return nil, err
	}
	c.turn.Store(c.decider.stands().turn)
	c.start()
	return c, nil
}

// prepare makes the parts that differ with the topology.
func (c *Connector) prepare(cfg *Config) (err error) {
	if cfg.Topology == Replicated {
		if c.replicated, err = newReplicated(cfg, c.timing, time.Now()); err != nil {
			return err
		}
		c.decider = c.replicated.pair
	} else {
		c.decider = newMachine(c.timing, time.Now())
	}
	for _, role := range []Role{Primary, Secondary} {
		if c.endpoints[role], err = newEndpoint(cfg, role); err != nil {
			return err
		}
		p := &prober{end: c.endpoints[role], timing: c.timing, wake: make(chan struct{}, 1), report: c.report, look: glance}
		if c.replicated != nil {
			if p.end, err = newMonitor(cfg, role); err != nil {
				return err
			}
			p.look = (&looker{app: cfg.App.Name, node: cfg.App.Node, schemas: cfg.App.Schemas, end: p.end}).look
		}
		c.probers[role] = p
	}
	c.sockets = newSockets(func(r Role) { c.probers[r].poke() })
	if c.replicated != nil {
		if err := c.replicated.inspect(c.timing.act); err != nil {
			c.replicated.leave()
			return err
		}
	}
	return nil
}

func (c *Connector) start() {
	if c.replicated == nil {
		c.log.Warn("dbfailover: independent servers: a switch compares no positions, fences nobody and agrees with no other process",
			"timers", c.timers.String())
	}
	c.life, c.end = context.WithCancel(context.Background())
	c.era, c.endEra = context.WithCancel(context.Background())
	for _, p := range c.probers {
		c.work.Go(func() { p.run(c.life) })
	}
	if c.replicated != nil {
		c.work.Go(func() { c.handle(c.life) })
		for _, role := range []Role{Primary, Secondary} {
			c.work.Go(func() { c.sing(c.life, role) })
		}
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
	m := c.decider.stands()
	before := m.servers[r.role]
	c.apply(c.decider.observe(r))
	after := m.servers[r.role]
	// Not each time a dead server is refused in another way: behind a proxy that goes on
	// for as long as it is dead.
	if before.health != after.health || after.health == HealthRefusing && before.reason != after.reason {
		c.pending = append(c.pending, healthEntry(r.role, after))
	}
	pause := c.timing.pause(m.state, after)
	c.mu.Unlock()
	c.remember()
	c.flush()
	return pause
}

// apply makes changes of the machine take effect; c.mu is held. The old server's
// connections are cut before anybody who waits can get one to the new server.
func (c *Connector) apply(changes []Transition) {
	if turn := c.decider.stands().turn; turn != c.turn.Load() {
		c.turn.Store(turn)
		c.sockets.cutBefore(turn)
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
