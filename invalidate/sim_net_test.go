package invalidate

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"time"
)

// simNet carries messages between nodes in memory, badly: it drops, delays, doubles and reorders them
// and cuts links in one direction. A message outlives the timeout and the process of its sender.
type simNet struct {
	mu    sync.Mutex
	rand  *rand.Rand
	nodes map[string]*Node // running processes
	cut   map[[2]string]bool
	lost  string // path of the messages that are all lost
	calm  bool   // no faults
	lie   wireLie
	wg    sync.WaitGroup // messages under way
}

// wireLie changes messages, to break one part of the protocol at a time. Nil fields change nothing.
type wireLie struct {
	swallow func(notice) bool // acknowledge without delivering
	request func(to *Node, q *leaseRequest)
	answer  func(a *leaseAnswer)
	notice  func(m *notice)
}

// simCarrier is the end of one process. A killed process neither sends nor hears.
type simCarrier struct {
	net  *simNet
	from string
}

func (c simCarrier) close() {}

var errSimNet = errors.New("message lost")

func (c simCarrier) post(ctx context.Context, to Peer, path string, body []byte) ([]byte, error) {
	answer := make(chan []byte, 2)
	f := c.net.fate(c.from, to.Name, path)
	if f.sent {
		c.net.carry(c, to.Name, path, body, f, answer)
	}
	if f.doubled {
		again := c.net.fate(c.from, to.Name, path)
		again.answered = false
		c.net.carry(c, to.Name, path, body, again, answer)
	}
	select {
	case b := <-answer:
		if b == nil {
			return nil, errSimNet
		}
		return b, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// fate is drawn when a message is sent.
type fate struct {
	sent, answered, doubled bool
	there, back             time.Duration
}

func (s *simNet) fate(from, to, path string) fate {
	s.mu.Lock()
	defer s.mu.Unlock()
	f := fate{sent: !s.cut[[2]string{from, to}] && s.nodes[from] != nil && path != s.lost, answered: true}
	f.there, f.back = upTo(s.rand, 5*time.Millisecond), upTo(s.rand, 5*time.Millisecond)
	if s.calm {
		return f
	}
	f.sent = f.sent && !oneIn(s.rand, 12)
	f.answered = !oneIn(s.rand, 12)
	f.doubled = oneIn(s.rand, 8)
	for _, d := range []*time.Duration{&f.there, &f.back} {
		if oneIn(s.rand, 15) {
			*d = upTo(s.rand, 2*simLease)
		}
	}
	return f
}

func (s *simNet) carry(c simCarrier, to, path string, body []byte, f fate, answer chan<- []byte) {
	s.wg.Go(func() {
		time.Sleep(f.there)
		s.mu.Lock()
		n := s.nodes[to]
		s.mu.Unlock()
		if n == nil {
			answer <- nil
			return
		}
		b, err := s.deliver(n, c.from, path, body)
		s.mu.Lock()
		back := f.answered && !s.cut[[2]string{to, c.from}]
		s.mu.Unlock()
		time.Sleep(f.back)
		if err != nil {
			b = nil
		}
		if back {
			answer <- b
		}
	})
}

// deliver passes the message through the lie, if there is one.
func (s *simNet) deliver(n *Node, from, path string, body []byte) ([]byte, error) {
	switch path {
	case pathAnnounce:
		body = twist(body, s.lie.notice)
		var m notice
		if err := decode(body, &m); err != nil || s.lie.swallow != nil && s.lie.swallow(m) {
			return encode(struct{}{}), err
		}
	case pathLease:
		if s.lie.request != nil {
			body = twist(body, func(q *leaseRequest) { s.lie.request(n, q) })
		}
	}
	b, err := n.receive([]string{from}, path, body)
	if path == pathLease && err == nil {
		b = twist(b, s.lie.answer)
	}
	return b, err
}

func twist[M any](body []byte, change func(*M)) []byte {
	var m M
	if change == nil || decode(body, &m) != nil {
		return body
	}
	change(&m)
	return encode(m)
}

func (s *simNet) setCut(from, to string, cut bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.cut[[2]string{from, to}] = cut
}

func (s *simNet) lose(path string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lost = path
}

func (s *simNet) plug(name string, n *Node) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.nodes[name] = n
}
