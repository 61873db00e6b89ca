package invalidate_test

import (
	"crypto/tls"
	"strings"
	"testing"
	"time"

	"github.com/hipaakit/hipaakit/invalidate"
)

func TestConfigurationThatCannotWorkIsRefusedAtOnce(t *testing.T) {
	ca := newAuthority()
	good := invalidate.Identity{Name: "a", Certificate: ca.issue("a"), Roots: ca.pool, Addr: "127.0.0.1:0"}
	peer := invalidate.Peer{Name: "b", URL: "https://127.0.0.1:1"}
	if _, err := invalidate.New(good, []invalidate.Peer{peer}, invalidate.Options{}); err != nil {
		t.Fatalf("a good configuration: %v", err)
	}
	identity := func(change func(*invalidate.Identity)) invalidate.Identity {
		id := good
		change(&id)
		return id
	}
	url := func(u string) invalidate.Peer { return invalidate.Peer{Name: "b", URL: u} }
	for name, c := range map[string]struct {
		id    invalidate.Identity
		peers []invalidate.Peer
		o     invalidate.Options
	}{
		"no roots":             {id: identity(func(i *invalidate.Identity) { i.Roots = nil })},
		"no certificate":       {id: identity(func(i *invalidate.Identity) { i.Certificate = tls.Certificate{} })},
		"certificate of b":     {id: identity(func(i *invalidate.Identity) { i.Certificate = ca.issue("b") })},
		"no name":              {id: identity(func(i *invalidate.Identity) { i.Name = "" })},
		"nowhere to listen":    {id: identity(func(i *invalidate.Identity) { i.Addr = "" })},
		"peer is self":         {peers: []invalidate.Peer{{Name: "a", URL: peer.URL}}},
		"peer twice":           {peers: []invalidate.Peer{peer, peer}},
		"peer without name":    {peers: []invalidate.Peer{{URL: peer.URL}}},
		"plain HTTP":           {peers: []invalidate.Peer{url("http://127.0.0.1:1")}},
		"no host":              {peers: []invalidate.Peer{url("https://")}},
		"path":                 {peers: []invalidate.Peer{url("https://b:1/x")}},
		"password":             {peers: []invalidate.Peer{url("https://u:hunter2@b:1")}},
		"not a URL":            {peers: []invalidate.Peer{url("https://hunter2\x7f")}},
		"negative lease":       {o: invalidate.Options{Lease: -1}},
		"negative landing":     {o: invalidate.Options{LandingTime: -1}},
		"heartbeat over lease": {o: invalidate.Options{Lease: time.Second, Heartbeat: time.Second}},
		"lease without room":   {o: invalidate.Options{Lease: 4}},
	} {
		if c.id.Name == "" && name != "no name" {
			c.id = good
		}
		if c.peers == nil {
			c.peers = []invalidate.Peer{peer}
		}
		_, err := invalidate.New(c.id, c.peers, c.o)
		if err == nil || !strings.HasPrefix(err.Error(), "invalidate: ") || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestStartFailsClearlyAndCanBeTriedAgain(t *testing.T) {
	ca, taken := newAuthority(), listen()
	id := invalidate.Identity{Name: "a", Certificate: ca.issue("a"), Roots: ca.pool, Addr: taken.Addr().String()}
	n := must(invalidate.New(id, []invalidate.Peer{{Name: "b", URL: "https://127.0.0.1:1"}}, quick))
	if err := n.Start(t.Context(), nil); err == nil {
		t.Error("started without a cache to tell")
	}
	if err := n.Start(t.Context(), &memory{}); err == nil {
		t.Fatal("two processes listen on one address")
	}
	taken.Close()
	if err := n.Start(t.Context(), &memory{}); err != nil {
		t.Fatal(err)
	}
	if err := n.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func TestCloseBeforeStartClosesTheSocketItWasGiven(t *testing.T) {
	socket := listen()
	n := must(invalidate.New(newAuthority().identity("a", socket), []invalidate.Peer{{Name: "b", URL: "https://127.0.0.1:1"}}, quick))
	if err := n.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := socket.Accept(); err == nil {
		t.Error("the socket is still open")
	}
}
