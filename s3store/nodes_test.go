package s3store

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/hipaakit/hipaakit/diskcache"
	"github.com/hipaakit/hipaakit/envelope"
	"github.com/hipaakit/hipaakit/envelope/keyring"
	"github.com/hipaakit/hipaakit/invalidate"
)

// node is one of two machines, joined as an application joins them: a keyring in the
// bucket, a cache on disk, a store, and a peer over mutual TLS.
type node struct {
	dir   string
	keys  *keyring.Keyring
	cache *diskcache.Cache
	store *Store
	peers *invalidate.Node
}

// clusterOptions let two nodes be fresh within a moment.
var clusterOptions = invalidate.Options{Lease: time.Second, Heartbeat: 20 * time.Millisecond, LandingTime: 20 * time.Millisecond}

// cluster starts nodes a and b over one bucket. There is a tenant's key, beside the
// default one.
func cluster(t *testing.T, f *fakeS3) (a, b *node) {
	t.Helper()
	ring := KeyringObject(f.client(), "bucket", "ring", ServerSideEncryption{})
	first, err := keyring.Create(t.Context(), ring, rawProtector(t))
	if err != nil {
		t.Fatal(err)
	}
	defer first.Close()
	if _, err := first.Rotate(t.Context(), "tenant"); err != nil {
		t.Fatal(err)
	}
	ca := newCA(t)
	socketA, socketB := listen(t), listen(t)
	a = &node{dir: t.TempDir(), peers: ca.member(t, "a", socketA, "b", socketB)}
	b = &node{dir: t.TempDir(), peers: ca.member(t, "b", socketB, "a", socketA)}
	for _, n := range []*node{a, b} {
		n.open(t, f, n.peers)
		if err := n.peers.Start(t.Context(), n.store); err != nil {
			t.Fatal(err)
		}
	}
	await(t, "both nodes are fresh", func() bool { return a.peers.Fresh("k") && b.peers.Fresh("k") })
	return a, b
}

// open opens keyring, cache and store, as a process does at its start.
func (n *node) open(t *testing.T, f *fakeS3, c Coherence) {
	t.Helper()
	var err error
	n.keys, err = keyring.Open(t.Context(), KeyringObject(f.client(), "bucket", "ring", ServerSideEncryption{}), rawProtector(t))
	if err != nil {
		t.Fatal(err)
	}
	n.cache = openCache(t, n.dir, n.keys)
	n.store = newStore(t, f.client(), n.keys, Options{Cache: n.cache, Coherence: c})
	<-n.cache.Loaded()
}

// stop ends the process in good order.
func (n *node) stop(t *testing.T) {
	t.Helper()
	if err := n.store.Close(); err != nil {
		t.Error(err)
	}
	n.peers.Close(t.Context())
	if err := n.cache.Close(); err != nil {
		t.Error(err)
	}
	if err := n.keys.Close(); err != nil {
		t.Error(err)
	}
}

// image copies the cache's folder: what a thief, or a snapshot of the disk, has.
func (n *node) image(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "image")
	if err := os.CopyFS(dir, os.DirFS(n.dir)); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	return dir
}

// entries opens the cache in a folder and returns which of the keys it has on disk.
func entries(t *testing.T, dir string, kr envelope.Keyring, keys ...string) (found map[string]bool) {
	t.Helper()
	c := openCache(t, dir, kr)
	defer c.Close()
	<-c.Loaded()
	found = map[string]bool{}
	for _, key := range keys {
		if e, err := c.Get(key); err == nil && e.Data.Len() > 0 {
			found[key] = true
		}
	}
	return found
}

func await(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for range 6000 { // only against a test that hangs
		if ok() {
			return
		}
		time.Sleep(5 * time.Millisecond)
	}
	t.Fatalf("never happened: %s", what)
}

func listen(t *testing.T) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// testCA is a private authority for one test.
type testCA struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func newCA(t *testing.T) *testCA {
	t.Helper()
	key, template := newCertificate(t, "ca")
	template.IsCA, template.BasicConstraintsValid, template.KeyUsage = true, true, x509.KeyUsageCertSign
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return &testCA{cert, key}
}

func newCertificate(t *testing.T, name string) (*ecdsa.PrivateKey, *x509.Certificate) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key, &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: name}, DNSNames: []string{name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), KeyUsage: x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
}

func (ca *testCA) member(t *testing.T, name string, socket net.Listener, peer string, at net.Listener) *invalidate.Node {
	t.Helper()
	key, template := newCertificate(t, name)
	der, err := x509.CreateCertificate(rand.Reader, template, ca.cert, key.Public(), ca.key)
	if err != nil {
		t.Fatal(err)
	}
	id := invalidate.Identity{Name: name, Socket: socket, Roots: x509.NewCertPool(),
		Certificate: tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}}
	id.Roots.AddCert(ca.cert)
	n, err := invalidate.New(id, []invalidate.Peer{{Name: peer, URL: "https://" + at.Addr().String()}}, clusterOptions)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { n.Close(context.Background()) })
	return n
}
