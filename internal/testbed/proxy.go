package testbed

import (
	"net"
	"sync"
	"testing"
	"time"
)

// Proxy passes TCP on to one address and can lose, delay and cut what it passes, in
// one direction or both, without root. Safe for concurrent use.
type Proxy struct {
	// Addr is where it listens, on loopback.
	Addr string

	target string
	listen net.Listener
	work   sync.WaitGroup

	mu      sync.Mutex
	changed *sync.Cond
	closed  bool
	refuse  bool
	hold    [2]bool // by Direction: bytes stay where they are
	delay   time.Duration
	conns   map[net.Conn]struct{}
}

// Direction is one way through a [Proxy].
type Direction int

// The two ways.
const (
	ToServer Direction = iota
	ToClient
)

// NewProxy starts a proxy for target, host:port. It ends with the test.
func NewProxy(t testing.TB, target string) *Proxy {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatalf("listen: %v", err)
	}
	p := &Proxy{Addr: l.Addr().String(), target: target, listen: l, conns: map[net.Conn]struct{}{}}
	p.changed = sync.NewCond(&p.mu)
	p.work.Go(p.accept)
	t.Cleanup(p.close)
	return p
}

func (p *Proxy) close() {
	p.set(func() {
		p.closed = true
		_ = p.listen.Close()
		for c := range p.conns {
			_ = c.Close()
		}
	})
	p.work.Wait()
}

func (p *Proxy) set(change func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	change()
	p.changed.Broadcast()
}

// Blackhole loses nothing for good and lets nothing through in the given directions
// (none: both), as a cable that is pulled: what was sent arrives after [Proxy.Heal],
// if the connection is still there.
func (p *Proxy) Blackhole(ways ...Direction) {
	if len(ways) == 0 {
		ways = []Direction{ToServer, ToClient}
	}
	p.set(func() {
		for _, way := range ways {
			p.hold[way] = true
		}
	})
}

// Delay holds every piece that passes for this long.
func (p *Proxy) Delay(d time.Duration) { p.set(func() { p.delay = d }) }

// Cut closes all connections and, until [Proxy.Heal], every new one.
func (p *Proxy) Cut() {
	p.set(func() {
		p.refuse = true
		for c := range p.conns {
			_ = c.Close()
		}
	})
}

// Heal ends everything that was done to the traffic.
func (p *Proxy) Heal() {
	p.set(func() { p.refuse, p.hold, p.delay = false, [2]bool{}, 0 })
}

func (p *Proxy) accept() {
	for {
		near, err := p.listen.Accept()
		if err != nil {
			return
		}
		far, err := net.Dial("tcp", p.target)
		if err != nil {
			reset(near)
			continue
		}
		if !p.keep(near, far) {
			reset(near)
			_ = far.Close()
			continue
		}
		p.work.Go(func() { p.pass(near, far, ToServer) })
		p.work.Go(func() { p.pass(far, near, ToClient) })
	}
}

// reset refuses as a closed port does, more or less: the client sees a reset.
func reset(c net.Conn) {
	if tcp, ok := c.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
	_ = c.Close()
}

func (p *Proxy) keep(both ...net.Conn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed || p.refuse {
		return false
	}
	for _, c := range both {
		p.conns[c] = struct{}{}
	}
	return true
}

// pass copies one way until either side ends, and then ends both. An end is held back
// like data: the server of a dead network hears of nothing.
func (p *Proxy) pass(from, to net.Conn, way Direction) {
	buffer := make([]byte, 64<<10)
	for {
		n, err := from.Read(buffer)
		p.wait(way)
		if n > 0 {
			if _, writeErr := to.Write(buffer[:n]); writeErr != nil {
				break
			}
		}
		if err != nil {
			break
		}
	}
	p.mu.Lock()
	delete(p.conns, from)
	p.mu.Unlock()
	_ = from.Close()
	_ = to.Close()
}

func (p *Proxy) wait(way Direction) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for p.hold[way] && !p.closed && !p.refuse {
		p.changed.Wait()
	}
	if d := p.delay; d > 0 && !p.closed {
		p.mu.Unlock()
		time.Sleep(d)
		p.mu.Lock()
	}
}
