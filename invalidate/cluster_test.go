package invalidate_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"io"
	"math/big"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/hipaakit/hipaakit/invalidate"
)

// authority is a private CA for one test.
type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	pool *x509.CertPool
}

func newAuthority() *authority {
	key := must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "cluster CA"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	der := must(x509.CreateCertificate(rand.Reader, template, template, key.Public(), key))
	a := &authority{cert: must(x509.ParseCertificate(der)), key: key, pool: x509.NewCertPool()}
	a.pool.AddCert(a.cert)
	return a
}

// issue makes a certificate; change may spoil the template.
func (a *authority) issue(name string, change ...func(*x509.Certificate)) tls.Certificate {
	key := must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
	template := &x509.Certificate{
		SerialNumber: big.NewInt(2), DNSNames: []string{name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		KeyUsage:    x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	for _, c := range change {
		c(template)
	}
	der := must(x509.CreateCertificate(rand.Reader, template, a.cert, key.Public(), a.key))
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

func (a *authority) identity(name string, socket net.Listener) invalidate.Identity {
	return invalidate.Identity{Name: name, Certificate: a.issue(name), Roots: a.pool, Socket: socket}
}

func listen() net.Listener { return must(net.Listen("tcp", "127.0.0.1:0")) }

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// memory is a cache that remembers what it was told.
type memory struct {
	mu    sync.Mutex
	heard []string

	broken error // what Shred answers
}

func (m *memory) Changing(key string) { m.hear("changing " + key) }
func (m *memory) Changed(key string)  { m.hear("changed " + key) }
func (m *memory) Suspect()            { m.hear("suspect") }

func (m *memory) Shred(_ context.Context, keys []string) error {
	m.hear(fmt.Sprint("shred ", keys))
	return m.broken
}

func (m *memory) hear(event string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.heard = append(m.heard, event)
}

func (m *memory) has(event string) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, e := range m.heard {
		if e == event {
			return true
		}
	}
	return false
}

// wire is a TCP forwarder that can be cut, as a network or a machine is.
type wire struct {
	net.Listener
	mu    sync.Mutex
	conns []net.Conn
	dead  bool
	wg    sync.WaitGroup
}

func newWire(t *testing.T, to net.Addr) *wire {
	w := &wire{Listener: listen()}
	w.wg.Go(func() {
		for {
			c, err := w.Accept()
			if err != nil {
				return
			}
			d, err := net.Dial(to.Network(), to.String())
			if err != nil || !w.keep(c, d) {
				c.Close()
				continue
			}
			w.wg.Go(func() { io.Copy(c, d); c.Close() })
			w.wg.Go(func() { io.Copy(d, c); d.Close() })
		}
	})
	t.Cleanup(w.cut)
	return w
}

func (w *wire) keep(conns ...net.Conn) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.conns = append(w.conns, conns...)
	return !w.dead
}

func (w *wire) cut() {
	w.Close()
	w.mu.Lock()
	w.dead = true
	for _, c := range w.conns {
		c.Close()
	}
	w.mu.Unlock()
	w.wg.Wait()
}

func (w *wire) url() string { return "https://" + w.Addr().String() }

// pair is two nodes on loopback, each reaching the other over a wire of its own.
type pair struct {
	a, b           *invalidate.Node
	cacheA, cacheB *memory
	toA, toB       *wire
}

func startPair(t *testing.T, o invalidate.Options, changeB ...func(*x509.Certificate)) *pair {
	t.Helper()
	ca, socketA, socketB := newAuthority(), listen(), listen()
	p := &pair{cacheA: &memory{}, cacheB: &memory{}}
	p.toA, p.toB = newWire(t, socketA.Addr()), newWire(t, socketB.Addr())
	p.a = must(invalidate.New(ca.identity("a", socketA), []invalidate.Peer{{Name: "b", URL: p.toB.url()}}, o))
	identityB := ca.identity("b", socketB)
	identityB.Certificate = ca.issue("b", changeB...)
	p.b = must(invalidate.New(identityB, []invalidate.Peer{{Name: "a", URL: p.toA.url()}}, o))
	for n, cache := range map[*invalidate.Node]*memory{p.a: p.cacheA, p.b: p.cacheB} {
		if err := n.Start(t.Context(), cache); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { n.Close(context.Background()) })
	}
	eventually(t, "both fresh", func() bool { return p.a.Fresh("k") && p.b.Fresh("k") })
	return p
}

// eventually polls; the deadline only keeps a hanging test from hanging.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for range 3000 {
		if ok() {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatalf("never happened: %s", what)
}
