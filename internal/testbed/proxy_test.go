package testbed

import (
	"errors"
	"io"
	"net"
	"os"
	"testing"
	"time"
)

// echo starts a server that sends back what it gets.
func echo(t *testing.T) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				_, _ = io.Copy(c, c)
				_ = c.Close()
			}()
		}
	}()
	return l.Addr().String()
}

func dial(t *testing.T, p *Proxy) net.Conn {
	c, err := net.Dial("tcp", p.Addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

func roundTrip(c net.Conn, patience time.Duration) error {
	if _, err := c.Write([]byte("x")); err != nil {
		return err
	}
	_ = c.SetReadDeadline(time.Now().Add(patience))
	_, err := io.ReadFull(c, make([]byte, 1))
	return err
}

func TestProxyHoldsBackEitherWayAndDeliversAfterwards(t *testing.T) {
	p := NewProxy(t, echo(t))
	c := dial(t, p)
	if err := roundTrip(c, patience); err != nil {
		t.Fatal(err)
	}
	for _, way := range []Direction{ToServer, ToClient} {
		p.Blackhole(way)
		if err := roundTrip(c, 50*time.Millisecond); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Fatalf("direction %d: got %v", way, err)
		}
		p.Heal()
		_ = c.SetReadDeadline(time.Now().Add(patience))
		if _, err := io.ReadFull(c, make([]byte, 1)); err != nil {
			t.Fatalf("direction %d, healed: %v", way, err)
		}
	}
}

func TestProxyCutsAndDelays(t *testing.T) {
	p := NewProxy(t, echo(t))
	c := dial(t, p)
	p.Cut()
	if err := roundTrip(c, patience); err == nil {
		t.Error("a cut connection works")
	}
	if err := roundTrip(dial(t, p), patience); err == nil {
		t.Error("a new connection works through a cut")
	}
	p.Heal()
	p.Delay(30 * time.Millisecond)
	begin := time.Now()
	if err := roundTrip(dial(t, p), patience); err != nil {
		t.Fatal(err)
	}
	if took := time.Since(begin); took < 60*time.Millisecond {
		t.Errorf("%v there and back, delayed by 30 ms each way", took)
	}
}
