package invalidate

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// recorder is a cache that writes down what it is told, and may look around while it is told.
type recorder struct {
	mu     sync.Mutex
	events []string
	during func(event string)
}

func (r *recorder) Changing(key string) { r.note("changing " + key) }
func (r *recorder) Changed(key string)  { r.note("changed " + key) }
func (r *recorder) Suspect()            { r.note("suspect") }

func (r *recorder) note(event string) {
	r.mu.Lock()
	r.events = append(r.events, event)
	during := r.during
	r.mu.Unlock()
	if during != nil {
		during(event)
	}
}

func (r *recorder) saw(event string) bool { return r.count(event) > 0 }

func (r *recorder) count(event string) (n int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, e := range r.events {
		if e == event {
			n++
		}
	}
	return n
}

// rig is a few nodes on a network without faults of its own, in a bubble where time is ours.
type rig struct {
	t      *testing.T
	net    *simNet
	nodes  map[string]*Node
	caches map[string]*recorder
	boots  int
}

// inBubble runs f with the named nodes started and fresh.
func inBubble(t *testing.T, f func(t *testing.T, r *rig), names ...string) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		r := &rig{t: t, nodes: map[string]*Node{}, caches: map[string]*recorder{}}
		r.net = &simNet{rand: newRand(), nodes: map[string]*Node{}, cut: map[[2]string]bool{}, calm: true}
		for _, name := range names {
			r.start(name, names)
		}
		// Not on a heartbeat, so that no message is under way when f begins.
		time.Sleep(simLanding + simLease + simLease/10)
		for _, name := range names {
			if !r.nodes[name].Fresh("anything") {
				t.Fatalf("%s is not fresh at the start", name)
			}
		}
		f(t, r)
		for name, n := range r.nodes {
			if err := n.Close(t.Context()); err != nil {
				t.Errorf("closing %s: %v", name, err)
			}
		}
		r.net.wg.Wait()
	})
}

func (r *rig) start(name string, names []string) {
	var peers []Peer
	for _, other := range names {
		if other != name {
			peers = append(peers, Peer{Name: other})
		}
	}
	o, err := Options{Lease: simLease, LandingTime: simLanding}.withDefaults()
	if err != nil {
		r.t.Fatal(err)
	}
	r.boots++
	n, cache := newNode(Identity{Name: name}, peers, o, simCarrier{r.net, name}, fmt.Sprint(r.boots)), &recorder{}
	r.nodes[name], r.caches[name] = n, cache
	r.net.plug(name, n)
	n.mu.Lock()
	defer n.mu.Unlock()
	n.begin(cache)
}

// kill ends a process so that nobody hears of it.
func (r *rig) kill(name string) {
	r.net.plug(name, nil)
	gone, cancel := context.WithCancel(r.t.Context())
	cancel()
	r.nodes[name].Close(gone)
	delete(r.nodes, name)
}

func (r *rig) announce(name, key string) (done func()) {
	r.t.Helper()
	done, err := r.nodes[name].Announce(r.t.Context(), key)
	if err != nil {
		r.t.Fatalf("%s announcing %s: %v", name, key, err)
	}
	return done
}

func (r *rig) peer(n *Node, name string) PeerStatus {
	s := n.Status()
	i := slices.IndexFunc(s.Peers, func(p PeerStatus) bool { return p.Name == name })
	return s.Peers[i]
}

// deaf is a carrier that reaches nobody.
type deaf struct{}

func (deaf) post(context.Context, Peer, string, []byte) ([]byte, error) { return nil, errSimNet }
func (deaf) close()                                                     {}
