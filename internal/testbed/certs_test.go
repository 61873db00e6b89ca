package testbed

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"testing"
)

func TestLeafIsTrustedForItsNamesAloneByItsAuthorityAlone(t *testing.T) {
	ca, other := NewCA(t), NewCA(t)
	leaf := ca.Leaf(t, "db1.test", "127.0.0.1")

	for _, name := range []string{"db1.test", "127.0.0.1"} {
		if err := handshake(t, leaf, ca.ClientTLS(), name); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	var wrongName x509.HostnameError
	for _, name := range []string{"db2.test", "127.0.0.2"} {
		if err := handshake(t, leaf, ca.ClientTLS(), name); !errors.As(err, &wrongName) {
			t.Errorf("%s: got %v, want a wrong-name error", name, err)
		}
	}
	var unknown x509.UnknownAuthorityError
	if err := handshake(t, leaf, other.ClientTLS(), "db1.test"); !errors.As(err, &unknown) {
		t.Errorf("foreign authority: got %v, want unknown authority", err)
	}
}

func TestExpiredLeafIsRefused(t *testing.T) {
	ca := NewCA(t)
	err := handshake(t, ca.ExpiredLeaf(t, "db1.test"), ca.ClientTLS(), "db1.test")
	var invalid x509.CertificateInvalidError
	if !errors.As(err, &invalid) || invalid.Reason != x509.Expired {
		t.Fatalf("got %v, want expired", err)
	}
}

func TestLeafServesAsClientCertificate(t *testing.T) {
	ca := NewCA(t)
	server := ca.Leaf(t, "db1.test").ServerTLS()
	server.ClientAuth, server.ClientCAs = tls.RequireAndVerifyClientCert, ca.Pool()

	client := ca.ClientTLS()
	if err := exchange(t, server, client, "db1.test"); err == nil {
		t.Error("a client without a certificate was let in")
	}
	client.Certificates = []tls.Certificate{ca.Leaf(t, "web1.test").TLS}
	if err := exchange(t, server, client, "db1.test"); err != nil {
		t.Errorf("a client with a certificate: %v", err)
	}
}

func TestPEMIsWhatServersLoad(t *testing.T) {
	ca := NewCA(t)
	leaf := ca.Leaf(t, "db1.test")
	if _, err := tls.X509KeyPair(leaf.CertPEM, leaf.KeyPEM); err != nil {
		t.Fatal(err)
	}
	if !x509.NewCertPool().AppendCertsFromPEM(ca.PEM) {
		t.Fatal("the CA's PEM holds no certificate")
	}
}

func handshake(t *testing.T, leaf *Leaf, client *tls.Config, name string) error {
	t.Helper()
	return exchange(t, leaf.ServerTLS(), client, name)
}

// exchange moves one byte through TLS in each direction: in TLS 1.3 a client
// learns only by reading that its certificate was refused. Not over net.Pipe,
// which has no buffer: both ends would wait for the other to read an alert.
func exchange(t *testing.T, server, client *tls.Config, name string) error {
	t.Helper()
	l, err := tls.Listen("tcp", "127.0.0.1:0", server)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() {
		far, err := l.Accept()
		if err != nil {
			return
		}
		defer far.Close()
		_, _ = io.CopyN(far, far, 1)
	}()
	client = client.Clone()
	client.ServerName = name
	conn, err := tls.Dial("tcp", l.Addr().String(), client)
	if err != nil {
		return err
	}
	defer conn.Close()
	if _, err := conn.Write([]byte{1}); err != nil {
		return err
	}
	_, err = conn.Read(make([]byte, 1))
	return err
}
