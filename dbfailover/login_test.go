package dbfailover

import (
	"errors"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"
)

func TestChallengeThatEndsInZeroCostsOneMoreConnection(t *testing.T) {
	inBubble(t, Fast, func(t *testing.T, r *rig) {
		r.start(t)
		r.servers[0].set(func(f *fake) { f.torn = challenges - 1 })
		conn, err := r.c.Connect(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		_ = conn.Close()
		if n := r.c.Status().Servers[Primary].Connections; n != 0 {
			t.Errorf("%d connections are left", n)
		}

		// A server that sends nothing else is given up, and not left for it.
		r.servers[0].set(func(f *fake) { f.torn = 1 << 30 })
		if _, err := r.c.Connect(t.Context()); !errors.Is(err, mysql.ErrMalformPkt) {
			t.Errorf("got %v, want the driver's error", err)
		}
		time.Sleep(5 * time.Second)
		s := r.c.Status()
		if h := s.Servers[Primary]; h.Health != HealthUnknown || h.Reason != "malformed packet" || s.Epoch != 1 {
			t.Errorf("%v (%s), epoch %d", h.Health, h.Reason, s.Epoch)
		}
	})
}

// One login in 256 meets such a challenge, so these meet some.
func TestNoLoginToARealServerFailsByChance(t *testing.T) {
	t.Parallel()
	l := servers(t, Fast)
	cfg, err := l.config.normal()
	if err != nil {
		t.Fatal(err)
	}
	end, err := newEndpoint(&cfg, Primary)
	if err != nil {
		t.Fatal(err)
	}
	creds, err := end.credentials(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for i := range 500 {
		conn, err := end.login(t.Context(), creds, keepAsIs)
		if err != nil {
			t.Fatalf("login %d: %v", i, err)
		}
		_ = conn.Close()
	}
}
