package invalidate_test

import (
	"bytes"
	"context"
	"crypto/x509"
	"errors"
	"log/slog"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hipaakit/hipaakit/invalidate"
)

// quick keeps tests with real clocks short. LandingTime is how long a start takes to be fresh.
var quick = invalidate.Options{Lease: time.Second, Heartbeat: 50 * time.Millisecond, LandingTime: 50 * time.Millisecond}

func TestHTTPSInvalidationIsAppliedBeforeAnnounceReturns(t *testing.T) {
	p := startPair(t, quick)
	done, err := p.a.Announce(t.Context(), "k")
	if err != nil {
		t.Fatal(err)
	}
	if !p.cacheB.has("changing k") || p.b.Fresh("k") {
		t.Error("the peer does not know of the write")
	}
	done()
	if !p.cacheB.has("changed k") {
		t.Error("the peer does not know that the write is over")
	}
	eventually(t, "fresh after the write", func() bool { return p.b.Fresh("k") })
}

func TestHTTPSAnnounceOutwaitsAPeerThatIsCutOff(t *testing.T) {
	p := startPair(t, quick)
	p.toA.cut()
	p.toB.cut()
	granted, begun := p.a.Status().Peers[0].Granted, time.Now()
	done, err := p.a.Announce(t.Context(), "k")
	if err != nil {
		t.Fatal(err)
	}
	if p.b.Fresh("k") || p.b.Fresh("other") {
		t.Error("Announce returned while the peer was serving unconfirmed")
	}
	// 20 ms for an intent to have been registered later than the status was read.
	if waited := time.Since(begun); waited < granted-20*time.Millisecond {
		t.Errorf("waited %v for a lease of %v", waited, granted)
	}
	if p.cacheB.has("changing k") {
		t.Error("the peer was not cut off: this test proves nothing")
	}
	done()
}

func TestHTTPSCloseGivesTheLeaseBackAndNamesNoObject(t *testing.T) {
	var log safeBuffer
	o := quick
	o.Logger = slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	p := startPair(t, o)
	done, err := p.a.Announce(t.Context(), "patient-7")
	if err != nil {
		t.Fatal(err)
	}
	done()
	// Until then a counts with a lease that an earlier process of its might have granted.
	time.Sleep(quick.Lease + quick.Lease/10)
	if err := p.b.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if g := p.a.Status().Peers[0].Granted; g != 0 {
		t.Errorf("a closed peer still holds a lease for %v", g)
	}
	eventually(t, "the log says that the peer is gone", func() bool { return strings.Contains(log.String(), "peer gives no lease") })
	if strings.Contains(log.String(), "patient") {
		t.Errorf("the log names an object:\n%s", log.String())
	}
}

// Heartbeats keep connections open for ever; the handshake alone would let a certificate live as long.
func TestHTTPSConnectionDoesNotOutliveTheCertificate(t *testing.T) {
	ends := time.Now().Add(4 * time.Second).Truncate(time.Second)
	p := startPair(t, quick, func(c *x509.Certificate) { c.NotAfter = ends })
	eventually(t, "neither hears the expired one", func() bool { return !p.a.Fresh("k") && !p.b.Fresh("k") })
	if time.Now().Before(ends) {
		t.Error("they parted too early: this test proves nothing")
	}
}

func TestHTTPSShredIsAcknowledgedOrReported(t *testing.T) {
	p := startPair(t, quick)
	if err := p.a.Shred(t.Context(), []string{"tenant/1", "tenant/2"}); err != nil || !p.cacheB.has("shred [tenant/1 tenant/2]") {
		t.Errorf("%v, %v", err, p.cacheB.heard)
	}
	p.cacheA.broken = errors.New("disk of patient-7")
	if err := p.b.Shred(t.Context(), []string{"k"}); err == nil || strings.Contains(err.Error(), "patient") {
		t.Errorf("a cache that failed: %v", err)
	}
	p.toB.cut()
	if err := p.a.Shred(t.Context(), []string{"k"}); err == nil || !strings.Contains(err.Error(), `peer "b"`) {
		t.Errorf("a peer that is cut off: %v", err)
	}
}

func TestCloseLeavesNoGoroutine(t *testing.T) {
	p := startPair(t, quick)
	done, err := p.a.Announce(t.Context(), "k")
	if err != nil {
		t.Fatal(err)
	}
	p.toB.cut()
	for _, n := range []*invalidate.Node{p.a, p.b} {
		if err := n.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	done()
	p.toA.cut()
	// Connections that net/http has been told to close end a moment later.
	var stacks string
	eventually(t, "no goroutine of the package or of net/http is left", func() bool {
		buf := make([]byte, 1<<20)
		stacks = string(buf[:runtime.Stack(buf, true)])
		return !strings.Contains(stacks, "invalidate.(*") && !strings.Contains(stacks, "net/http.(*")
	})
}

func TestCloseThatMayNotWaitIsACloseAllTheSame(t *testing.T) {
	p := startPair(t, quick)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	p.b.Close(ctx)
	if p.b.Fresh("k") {
		t.Error("fresh after Close")
	}
	before := len(p.cacheB.heard)
	go p.a.Announce(t.Context(), "k")
	time.Sleep(100 * time.Millisecond)
	if len(p.cacheB.heard) != before {
		t.Error("the cache was called after Close returned")
	}
}

// safeBuffer is a bytes.Buffer that several loggers may write to.
type safeBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (s *safeBuffer) Write(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.buf.Write(b)
}

func (s *safeBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.buf.String()
}
