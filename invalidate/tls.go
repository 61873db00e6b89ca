package invalidate

import (
	"crypto/tls"
	"errors"
	"fmt"
	"slices"
	"time"
)

// base is what both ends share. Sessions are not resumed: every connection verifies in full.
func (id Identity) base() *tls.Config {
	return &tls.Config{
		MinVersion:             tls.VersionTLS13,
		Certificates:           []tls.Certificate{id.Certificate},
		NextProtos:             []string{"http/1.1"},
		SessionTicketsDisabled: true,
	}
}

func (id Identity) serverTLS() *tls.Config {
	c := id.base()
	c.ClientAuth = tls.RequireAndVerifyClientCert
	c.ClientCAs = id.Roots
	return c
}

// clientTLS demands the peer's name letter for letter. Go's own check accepts a wildcard, with which
// one machine's certificate would do for all of them.
func (id Identity) clientTLS(peer string) *tls.Config {
	c := id.base()
	c.RootCAs = id.Roots
	c.ServerName = peer
	c.VerifyConnection = func(s tls.ConnectionState) error {
		names, err := provenNames(&s)
		if err != nil || !slices.Contains(names, peer) {
			return fmt.Errorf("the certificate of peer %q does not carry exactly that name, or has expired", peer)
		}
		return nil
	}
	return c
}

var errExpired = errors.New("certificate has expired")

// provenNames returns the DNS names of the other end. Heartbeats keep connections open for ever, so
// the expiry that the handshake checked is checked again for each message.
func provenNames(s *tls.ConnectionState) ([]string, error) {
	if s == nil || len(s.VerifiedChains) == 0 {
		return nil, errors.New("no verified certificate")
	}
	leaf := s.PeerCertificates[0]
	if time.Now().After(leaf.NotAfter) {
		return nil, errExpired
	}
	return leaf.DNSNames, nil
}
