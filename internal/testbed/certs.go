package testbed

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"testing"
	"time"
)

// CA is a certificate authority that exists for one test. Its key never leaves
// the process. Safe for concurrent use.
type CA struct {
	// PEM is the CA's certificate.
	PEM []byte

	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

// NewCA makes an ECDSA P-256 authority, valid from an hour ago to a day ahead of
// the test's clock (which is the fake one inside a synctest bubble).
func NewCA(t testing.TB) *CA {
	t.Helper()
	key := newKey(t)
	tmpl := template(t, "testbed CA", time.Now().Add(24*time.Hour))
	tmpl.IsCA, tmpl.BasicConstraintsValid = true, true
	tmpl.KeyUsage = x509.KeyUsageCertSign
	cert, der := sign(t, tmpl, tmpl, key, key)
	return &CA{PEM: encode("CERTIFICATE", der), cert: cert, key: key}
}

// Pool returns a fresh pool that trusts this authority alone.
func (ca *CA) Pool() *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(ca.cert)
	return pool
}

// ClientTLS returns a client configuration that trusts this authority alone.
func (ca *CA) ClientTLS() *tls.Config {
	return &tls.Config{RootCAs: ca.Pool(), MinVersion: tls.VersionTLS12}
}

// Leaf issues a certificate for servers and clients that carries names, each a
// DNS name or an IP address.
func (ca *CA) Leaf(t testing.TB, names ...string) *Leaf {
	t.Helper()
	return ca.leaf(t, time.Now().Add(24*time.Hour), names)
}

// ExpiredLeaf is [CA.Leaf] with a certificate that ended a minute ago.
func (ca *CA) ExpiredLeaf(t testing.TB, names ...string) *Leaf {
	t.Helper()
	return ca.leaf(t, time.Now().Add(-time.Minute), names)
}

func (ca *CA) leaf(t testing.TB, until time.Time, names []string) *Leaf {
	t.Helper()
	tmpl := template(t, "testbed leaf", until)
	tmpl.KeyUsage = x509.KeyUsageDigitalSignature
	tmpl.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}
	for _, name := range names {
		if ip := net.ParseIP(name); ip != nil {
			tmpl.IPAddresses = append(tmpl.IPAddresses, ip)
		} else {
			tmpl.DNSNames = append(tmpl.DNSNames, name)
		}
	}
	key := newKey(t)
	cert, der := sign(t, tmpl, ca.cert, key, ca.key)
	// PKCS #8 because every server reads it; SEC 1 keys are refused by some.
	pkcs8, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatalf("encode a test key: %v", err)
	}
	return &Leaf{
		CertPEM: encode("CERTIFICATE", der),
		KeyPEM:  encode("PRIVATE KEY", pkcs8),
		TLS:     tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: cert},
	}
}

// Leaf is one certificate with its key, in the two shapes that servers want.
type Leaf struct {
	CertPEM, KeyPEM []byte
	TLS             tls.Certificate
}

// ServerTLS returns a configuration for a Go server that shows this certificate.
func (l *Leaf) ServerTLS() *tls.Config {
	return &tls.Config{Certificates: []tls.Certificate{l.TLS}, MinVersion: tls.VersionTLS12}
}

func template(t testing.TB, name string, until time.Time) *x509.Certificate {
	t.Helper()
	// 62 random bits: two certificates of one issuer with the same serial number
	// are refused by some servers as a replay.
	serial, err := rand.Int(rand.Reader, big.NewInt(1<<62))
	if err != nil {
		t.Fatalf("draw a serial number: %v", err)
	}
	return &x509.Certificate{
		SerialNumber: serial,
		Subject:      pkix.Name{CommonName: name},
		NotBefore:    time.Now().Add(-time.Hour),
		NotAfter:     until,
	}
}

func sign(t testing.TB, tmpl, parent *x509.Certificate, key, signer *ecdsa.PrivateKey) (*x509.Certificate, []byte) {
	t.Helper()
	der, err := x509.CreateCertificate(rand.Reader, tmpl, parent, key.Public(), signer)
	if err != nil {
		t.Fatalf("sign a test certificate: %v", err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatalf("parse a test certificate: %v", err)
	}
	return cert, der
}

func newKey(t testing.TB) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatalf("make a test key: %v", err)
	}
	return key
}

func encode(kind string, der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
}
