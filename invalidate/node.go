package invalidate

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"slices"
	"sync"
	"time"
)

var (
	// ErrNotStarted is returned by Announce before Start.
	ErrNotStarted = errors.New("invalidate: node is not started")
	// ErrStarted is returned by a second Start.
	ErrStarted = errors.New("invalidate: node is already started")
	// ErrClosed is returned by Start and Announce once Close was called.
	ErrClosed = errors.New("invalidate: node is closed")
)

// carrier takes one message to one peer and brings back the answer.
type carrier interface {
	post(ctx context.Context, to Peer, path string, body []byte) ([]byte, error)
	close()
}

// Node is one member of the cluster. Its methods are safe for concurrent use.
type Node struct {
	id    Identity
	peers []Peer
	o     Options

	grants *grantor
	leases *holder
	net    carrier

	run  context.Context // ends when Close begins; parent of everything sent
	stop context.CancelFunc
	wg   sync.WaitGroup // every goroutine but the server's

	mu     sync.Mutex
	state  state
	server *server
	closed chan struct{} // closed when Close has finished
}

type state int

const (
	created state = iota
	started
	closing
)

// New checks the configuration and makes a node that is not fresh yet and cannot announce. Without
// peers identity may be zero, and nothing is listened on.
func New(id Identity, peers []Peer, o Options) (*Node, error) {
	if len(peers) > 0 {
		if err := errors.Join(id.check(), checkPeers(id.Name, peers)); err != nil {
			return nil, err
		}
	}
	o, err := o.withDefaults()
	if err != nil {
		return nil, err
	}
	return newNode(id, peers, o, newHTTPCarrier(id, peers), rand.Text()), nil
}

func newNode(id Identity, peers []Peer, o Options, c carrier, boot string) *Node {
	now := time.Now()
	n := &Node{id: id, peers: slices.Clone(peers), o: o, net: c, closed: make(chan struct{})}
	n.grants = newGrantor(boot, peers, o.Lease, now)
	n.leases = newHolder(peers, o, now)
	n.run, n.stop = context.WithCancel(context.Background())
	return n
}

// Start listens, tells cache from now on what peers announce, and begins to ask for leases. The
// context bounds the start only; the node runs until Close.
func (n *Node) Start(ctx context.Context, cache Listener) error {
	if cache == nil {
		return errors.New("invalidate: Start needs the cache that is to be told")
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if err := n.startable(); err != nil {
		return err
	}
	if len(n.peers) == 0 {
		n.begin(cache)
		return nil
	}
	socket, err := n.listen(ctx)
	if err != nil {
		return fmt.Errorf("invalidate: listening: %w", err)
	}
	// In this order: a message that is served needs a cache to be told.
	n.begin(cache)
	n.server = serve(n, socket)
	return nil
}

func (n *Node) startable() error {
	switch n.state {
	case created:
		return nil
	case started:
		return ErrStarted
	default:
		return ErrClosed
	}
}

func (n *Node) listen(ctx context.Context) (net.Listener, error) {
	if n.id.Socket != nil {
		return n.id.Socket, nil
	}
	var lc net.ListenConfig
	return lc.Listen(ctx, "tcp", n.id.Addr)
}

// begin starts what does not need a socket. Called with mu held.
func (n *Node) begin(cache Listener) {
	n.state = started
	n.leases.start(cache)
	n.wg.Go(n.awaitLanding)
	for _, p := range n.peers {
		n.wg.Go(func() { n.keepLease(p) })
	}
}

// awaitLanding vouches for this node when nothing of its earlier processes can be under way any more.
func (n *Node) awaitLanding() {
	n.pause(n.o.LandingTime)
	if n.run.Err() == nil {
		n.leases.vouch()
	}
}

// spawn runs f in a goroutine that Close waits for; after Close began it runs nothing.
func (n *Node) spawn(f func()) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.state == started {
		n.wg.Go(f)
	}
}

// Fresh reports whether a cached entry of key may be served without asking S3: all leases hold, and
// no peer has announced a write of key that is not over. Ask it before looking at the cache, not
// after (see the package comment). It is false before Start and after Close; without peers it is true
// in between. It allocates nothing and takes no lock unless some key is in doubt.
func (n *Node) Fresh(key string) bool { return n.leases.fresh.holds(key) }

// send is one message and its answer, bounded in time.
func (n *Node) send(ctx context.Context, to Peer, path string, body []byte) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, n.o.RequestTimeout)
	defer cancel()
	return n.net.post(ctx, to, path, body)
}
