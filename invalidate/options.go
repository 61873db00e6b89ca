package invalidate

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"slices"
	"time"
)

// Listener is the node's own cache. Its methods are quick, do not touch the network, are idempotent
// and may be called concurrently. They may call Fresh, but neither Announce nor a done function.
type Listener interface {
	// Changing says that a peer is about to write key: nothing fetched before now may be
	// inserted or shared with a caller who comes later.
	Changing(key string)
	// Changed says that the write is over: drop what is held of key, and do not insert what was
	// fetched before now. It may come without a Changing.
	Changed(key string)
	// Suspect says that anything held or being fetched may be old: confirm each entry with S3
	// once before it is used again.
	Suspect()
}

// Identity is who a node is and where it listens. A node without peers needs none of it.
type Identity struct {
	// Name is a DNS name of Certificate, and the name the other nodes know this one by.
	Name string
	// Certificate has extended key usage for both server and client authentication.
	Certificate tls.Certificate
	// Roots is the private CA of the cluster. There is no default: with the system's pool, any
	// public CA could make somebody a member.
	Roots *x509.CertPool
	// Addr is the TCP address to listen on, such as ":7443". Ignored if Socket is set.
	Addr string
	// Socket, if set, is listened on instead of Addr. TLS is put on top of it. Close closes it.
	Socket net.Listener
}

// Peer is another node.
type Peer struct {
	Name string // the DNS name in its certificate
	URL  string // https://host:port; host need not be Name
}

// Options may be left zero.
type Options struct {
	// Lease is how long a node that nobody can reach may go on serving unconfirmed, and so the
	// longest an unreachable peer delays a write. Default 5 s.
	Lease time.Duration
	// Heartbeat is the interval of lease renewals. Default Lease/5; at most Lease/2.
	Heartbeat time.Duration
	// RequestTimeout bounds one message to one peer and back. Default Lease/5.
	RequestTimeout time.Duration
	// LandingTime is the longest an S3 request can still land after its sender died. Default 60 s.
	// It is also how long a node confirms everything after its start, and its peers after its crash
	// and restart. A store that gives up on its requests sooner than this does not make it shorter:
	// what counts is when S3 can still complete one.
	LandingTime time.Duration
	// Logger receives changes of state and refused peers, never the name of an object. Default none.
	Logger *slog.Logger
}

// withDefaults fills what was left zero and refuses what cannot work.
func (o Options) withDefaults() (Options, error) {
	if min(o.Lease, o.Heartbeat, o.RequestTimeout, o.LandingTime) < 0 {
		return o, errors.New("invalidate: a duration in Options is negative; leave it zero for the default")
	}
	setDefault(&o.Lease, 5*time.Second)
	setDefault(&o.Heartbeat, o.Lease/5)
	setDefault(&o.RequestTimeout, o.Lease/5)
	setDefault(&o.LandingTime, time.Minute)
	if o.Lease < time.Millisecond || o.Heartbeat > o.Lease/2 {
		return o, fmt.Errorf("invalidate: lease %v and heartbeat %v: the lease must be at least 1ms and twice the heartbeat",
			o.Lease, o.Heartbeat)
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return o, nil
}

func setDefault(d *time.Duration, value time.Duration) {
	if *d == 0 {
		*d = value
	}
}

// check refuses an identity that its peers would refuse: better at start than as a node that is never fresh.
func (id Identity) check() error {
	if id.Name == "" || id.Roots == nil || len(id.Certificate.Certificate) == 0 {
		return errors.New("invalidate: with peers, Identity needs Name, Certificate and Roots")
	}
	if id.Addr == "" && id.Socket == nil {
		return errors.New("invalidate: with peers, Identity needs Addr or Socket to listen on")
	}
	leaf, err := x509.ParseCertificate(id.Certificate.Certificate[0])
	if err != nil {
		return fmt.Errorf("invalidate: own certificate: %w", err)
	}
	if !slices.Contains(leaf.DNSNames, id.Name) {
		return fmt.Errorf("invalidate: own certificate does not carry the DNS name %q", id.Name)
	}
	return nil
}

func checkPeers(self string, peers []Peer) error {
	seen := map[string]bool{self: true}
	for _, p := range peers {
		if p.Name == "" || seen[p.Name] {
			return fmt.Errorf("invalidate: peer name %q is empty, this node's own, or listed twice", p.Name)
		}
		seen[p.Name] = true
		u, err := url.Parse(p.URL)
		// The error of url.Parse repeats its input, which may hold a password.
		if err != nil || u.Scheme != "https" || u.Host == "" || u.User != nil || u.RawQuery != "" || (u.Path != "" && u.Path != "/") {
			return fmt.Errorf("invalidate: the URL of peer %q must have the form https://host:port", p.Name)
		}
	}
	return nil
}
