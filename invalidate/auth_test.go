package invalidate_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/hipaakit/hipaakit/invalidate"
)

// intent is an announcement as it looks on the wire, of the key "patient-7".
func intent(from string) string {
	return fmt.Sprintf(`{"from":%q,"boot":"x","seq":1,"key":"cGF0aWVudC03","over":false}`, from)
}

// attacker speaks to a node without being one.
type attacker struct {
	certs      []tls.Certificate
	roots      *x509.CertPool
	maxVersion uint16
}

// send returns the status, or 0 if the connection was refused.
func (a attacker) send(method, address, body string) int {
	transport := &http.Transport{TLSClientConfig: &tls.Config{
		Certificates: a.certs, RootCAs: a.roots, ServerName: "a", MaxVersion: a.maxVersion,
	}}
	defer transport.CloseIdleConnections()
	req := must(http.NewRequest(method, address, strings.NewReader(body)))
	resp, err := transport.RoundTrip(req)
	if err != nil {
		return 0
	}
	defer resp.Body.Close()
	io.Copy(io.Discard, resp.Body)
	return resp.StatusCode
}

// guarded is node a with the members b and c, none of which is running.
func guarded(t *testing.T, ca *authority, log io.Writer) (cache *memory, address string) {
	socket, nowhere := listen(), listen()
	nowhere.Close()
	away := "https://" + nowhere.Addr().String()
	o := quick
	o.Logger = slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	n := must(invalidate.New(ca.identity("a", socket), []invalidate.Peer{{Name: "b", URL: away}, {Name: "c", URL: away}}, o))
	cache = &memory{}
	if err := n.Start(t.Context(), cache); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { n.Close(context.Background()) })
	return cache, "https://" + socket.Addr().String()
}

func TestOnlyMembersAreHeardAndOnlyForThemselves(t *testing.T) {
	var log safeBuffer
	ca, other := newAuthority(), newAuthority()
	cache, address := guarded(t, ca, &log)
	as := func(c ...tls.Certificate) attacker { return attacker{certs: c, roots: ca.pool} }
	old := as(ca.issue("b"))
	old.maxVersion = tls.VersionTLS12
	expired := func(c *x509.Certificate) { c.NotAfter = time.Now().Add(-time.Minute) }
	serverOnly := func(c *x509.Certificate) { c.ExtKeyUsage = c.ExtKeyUsage[:1] }
	for name, c := range map[string]struct {
		who    attacker
		body   string
		status int
	}{
		"no certificate":             {as(), intent("b"), 0},
		"another CA":                 {as(other.issue("b")), intent("b"), 0},
		"TLS 1.2":                    {old, intent("b"), 0},
		"expired":                    {as(ca.issue("b", expired)), intent("b"), 0},
		"not for clients":            {as(ca.issue("b", serverOnly)), intent("b"), 0},
		"not a member":               {as(ca.issue("d")), intent("d"), 403},
		"not a member, says b":       {as(ca.issue("d")), intent("b"), 403},
		"member, says another":       {as(ca.issue("b")), intent("c"), 403},
		"not a member, not JSON":     {as(ca.issue("d")), "patient-7", 403},
		"wildcard":                   {as(ca.issue("*.example")), intent("b"), 403},
		"the node's own name":        {as(ca.issue("a")), intent("a"), 403},
		"member, body far too large": {as(ca.issue("b")), intent("b") + strings.Repeat(" ", 1<<20), 400},
		"member, not JSON":           {as(ca.issue("b")), "patient-7", 400},
	} {
		if got := c.who.send("POST", address+"/v1/announce", c.body); got != c.status {
			t.Errorf("%s: status %d, want %d", name, got, c.status)
		}
	}
	member := as(ca.issue("b"))
	if got := member.send("GET", address+"/v1/announce", intent("b")); got != 405 {
		t.Errorf("GET: status %d", got)
	}
	if cache.has("changing patient-7") {
		t.Fatal("one of them was applied")
	}
	if got := member.send("POST", address+"/v1/announce", intent("b")); got != 200 || !cache.has("changing patient-7") {
		t.Errorf("a member speaking for itself: status %d", got)
	}
	if s := log.String(); strings.Contains(s, "patient") || strings.Contains(s, "cGF0") {
		t.Errorf("the log names an object:\n%s", s)
	}
	if !strings.Contains(log.String(), "refused a message") {
		t.Error("refusals are not logged")
	}
}

// A node that took leases from an impostor would serve old entries for as long as it liked.
func TestLeasesAreTakenFromThePeerAlone(t *testing.T) {
	ca, other := newAuthority(), newAuthority()
	for name, cert := range map[string]tls.Certificate{
		"another member": ca.issue("c"),
		"another CA":     other.issue("b"),
		"wildcard":       ca.issue("*.nodes"),
	} {
		t.Run(name, func(t *testing.T) {
			asked, tried := make(chan string, 100), make(chan struct{}, 100)
			socket := listen()
			impostor := &http.Server{
				Handler:   http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { asked <- r.URL.Path }),
				ConnState: func(_ net.Conn, s http.ConnState) { tell(tried, s == http.StateClosed) },
				ErrorLog:  slog.NewLogLogger(slog.DiscardHandler, 0),
				TLSConfig: &tls.Config{Certificates: []tls.Certificate{cert}},
			}
			go impostor.ServeTLS(socket, "", "")
			defer impostor.Close()
			peers := []invalidate.Peer{{Name: "b.nodes", URL: "https://" + socket.Addr().String()}}
			n := must(invalidate.New(ca.identity("a", listen()), peers, quick))
			if err := n.Start(t.Context(), &memory{}); err != nil {
				t.Fatal(err)
			}
			for range 2 {
				select {
				case <-tried:
				case path := <-asked:
					t.Fatalf("the impostor was spoken to: %s", path)
				}
			}
			if err := n.Close(t.Context()); err != nil {
				t.Fatal(err)
			}
			if len(asked) > 0 {
				t.Errorf("the impostor was spoken to: %s", <-asked)
			}
		})
	}
}

func tell(ch chan<- struct{}, yes bool) {
	if !yes {
		return
	}
	select {
	case ch <- struct{}{}:
	default:
	}
}
