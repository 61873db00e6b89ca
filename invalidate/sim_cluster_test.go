package invalidate

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

const (
	simLease   = time.Second
	simLanding = 2 * time.Second
	simTime    = 15 * time.Second
)

var simKeys = []string{"a", "b", "c", "d", "e"}

// lies switches off one part of the mechanism.
type lies struct {
	wire       wireLie
	wrap       func(*Node) coherence
	looksFirst bool
	unshaken   bool
}

func (l lies) honest() bool {
	w := l.wire
	return l.wrap == nil && !l.looksFirst && !l.unshaken &&
		w.swallow == nil && w.request == nil && w.answer == nil && w.notice == nil
}

// cluster is a few nodes, each with a store and clients, and somebody who breaks things.
type cluster struct {
	seed  uint64
	rand  *rand.Rand
	net   *simNet
	world *world
	lies  lies
	procs []*process
	wg    sync.WaitGroup // clients and repairs
	over  chan struct{}  // closed when the clients shall stop
}

// process is one name; it is killed and started again, and its store starts empty each time.
type process struct {
	c     *cluster
	name  string
	peers []Peer
	node  *Node
	store *simStore
	kill  context.CancelFunc
	work  *sync.WaitGroup

	mu     sync.Mutex
	paused chan struct{} // closed when the pause ends; nil: running
}

// simulate runs one schedule in a bubble and returns what it saw.
func simulate(t *testing.T, seed uint64, l lies) (w *world) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(seed, l)
		w = c.world
		for _, p := range c.procs {
			p.start()
		}
		c.breakThings()
		c.calmDown()
		if l.honest() {
			c.checkRecovered(t)
		}
		close(c.over)
		for _, p := range c.procs {
			p.stop(false)
		}
		c.wg.Wait()
		c.net.wg.Wait()
		w.wg.Wait()
	})
	return w
}

func newCluster(seed uint64, l lies) *cluster {
	r := rand.New(rand.NewPCG(seed, 1))
	c := &cluster{seed: seed, rand: r, world: newWorld(), lies: l, over: make(chan struct{})}
	c.net = &simNet{rand: rand.New(rand.NewPCG(seed, 2)), nodes: map[string]*Node{}, cut: map[[2]string]bool{}, lie: l.wire}
	names := []string{"n1", "n2", "n3"}[:2+r.IntN(2)]
	for _, name := range names {
		p := &process{c: c, name: name}
		for _, other := range names {
			if other != name {
				p.peers = append(p.peers, Peer{Name: other})
			}
		}
		c.procs = append(c.procs, p)
	}
	return c
}

func (p *process) start() {
	o, _ := Options{Lease: simLease, LandingTime: simLanding}.withDefaults()
	p.node = newNode(Identity{Name: p.name}, p.peers, o, simCarrier{p.c.net, p.name}, fmt.Sprint(p.name, p.c.rand.Uint64()))
	alive, kill := context.WithCancel(context.Background())
	p.kill, p.work = kill, &sync.WaitGroup{}
	p.store = &simStore{name: p.name, node: p.node, world: p.c.world, alive: alive, gate: p.gate,
		gen: map[string]int{}, writing: map[string]int{}, entries: map[string]simEntry{},
		looksFirst: p.c.lies.looksFirst, unshaken: p.c.lies.unshaken}
	if p.c.lies.wrap != nil {
		p.store.node = p.c.lies.wrap(p.node)
	}
	p.c.net.plug(p.name, p.node)
	p.node.mu.Lock()
	p.node.begin(p.store)
	p.node.mu.Unlock()
	for range 2 {
		p.work.Go(p.client(p.store, p.c.rand.Uint64()))
	}
}

// client reads and writes until its process is killed.
func (p *process) client(s *simStore, seed uint64) func() {
	r := rand.New(rand.NewPCG(p.c.seed, seed))
	return func() {
		for s.alive.Err() == nil {
			key := simKeys[r.IntN(len(simKeys))]
			if oneIn(r, 12) {
				s.put(key, r)
			} else {
				s.get(key, r)
			}
			select {
			case <-p.c.over:
				return
			case <-time.After(upTo(r, 40*time.Millisecond)):
			}
		}
	}
}

// stop kills the process, or closes it as a deployment would.
func (p *process) stop(killed bool) {
	p.resume()
	ctx := context.Background()
	if killed {
		p.c.net.plug(p.name, nil)
		gone, cancel := context.WithCancel(ctx)
		cancel()
		ctx = gone
	}
	p.kill()
	if !killed {
		p.work.Wait()
	}
	p.node.Close(ctx)
	p.work.Wait()
	p.c.net.plug(p.name, nil)
}

// gate stands for a process that gets no processor: before each step of its clients it waits.
func (p *process) gate() {
	p.mu.Lock()
	paused := p.paused
	p.mu.Unlock()
	if paused != nil {
		<-paused
	}
}

func (p *process) pause() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.paused == nil {
		p.paused = make(chan struct{})
	}
}

func (p *process) resume() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.paused != nil {
		close(p.paused)
		p.paused = nil
	}
}

// breakThings is the schedule: a random fault every so often, each for a random time. In every second
// schedule no process is restarted: what a restart makes suspect hides what a cut should have.
func (c *cluster) breakThings() {
	for start := time.Now(); time.Since(start) < simTime; {
		time.Sleep(upTo(c.rand, 1500*time.Millisecond))
		p, q := c.procs[c.rand.IntN(len(c.procs))], c.procs[c.rand.IntN(len(c.procs))]
		lasts := upTo(c.rand, 3*simLease)
		fault := c.rand.IntN(6)
		if c.seed%2 == 1 {
			fault = max(fault, 3)
		}
		switch fault {
		case 0, 1:
			p.stop(true)
			time.Sleep(upTo(c.rand, simLease) / 2)
			p.start()
		case 2:
			p.stop(false)
			time.Sleep(upTo(c.rand, simLease))
			p.start()
		case 3:
			p.pause()
			c.wg.Go(func() { time.Sleep(lasts); p.resume() })
		default:
			c.net.setCut(p.name, q.name, true)
			c.wg.Go(func() { time.Sleep(lasts); c.net.setCut(p.name, q.name, false) })
		}
	}
}

// calmDown repairs everything and waits until the clocks of the mechanism have run out.
func (c *cluster) calmDown() {
	c.wg.Wait()
	c.net.mu.Lock()
	c.net.calm = true
	c.net.mu.Unlock()
	time.Sleep(simLanding + 5*simLease)
}

// checkRecovered demands that the caches are of use again: the mechanism may be slow, not stuck.
func (c *cluster) checkRecovered(t *testing.T) {
	for _, p := range c.procs {
		if s := p.node.Status(); !s.Fresh {
			t.Errorf("seed %d: %s is not fresh after the repair: %+v", c.seed, p.name, s)
		}
	}
}
