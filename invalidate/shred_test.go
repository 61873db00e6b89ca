package invalidate

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// shredding is a cache that can shred.
type shredding struct {
	recorder
	shred func(ctx context.Context, keys []string) error
}

func (s *shredding) Shred(ctx context.Context, keys []string) error { return s.shred(ctx, keys) }

// shredder gives a node of the rig a cache that can.
func (r *rig) shredder(name string, shred func(context.Context, []string) error) {
	r.nodes[name].leases.start(&shredding{shred: shred})
}

func TestShredReturnsWhenEveryPeerHasDoneIt(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		var b, c []string
		for name, done := range map[string]*[]string{"b": &b, "c": &c} {
			r.shredder(name, func(_ context.Context, keys []string) error {
				time.Sleep(simLease) // longer than a request may take: reading a keyring takes its time
				*done = keys
				return nil
			})
		}
		r.shredder("a", func(context.Context, []string) error {
			t.Error("the node told itself")
			return nil
		})
		keys := []string{"tenant/1", "\xff"}
		if err := r.nodes["a"].Shred(t.Context(), keys); err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(b, keys) || !slices.Equal(c, keys) {
			t.Errorf("%q, %q", b, c)
		}
		if err := r.nodes["a"].Shred(t.Context(), nil); err != nil {
			t.Errorf("nothing to shred: %v", err)
		}
	}, "a", "b", "c")
}

// TestShredNamesThoseWhoMayNotHaveDoneIt has one peer for each way to fail.
func TestShredNamesThoseWhoMayNotHaveDoneIt(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		ok := func(context.Context, []string) error { return nil }
		for _, name := range []string{"good", "deaf", "mute"} {
			r.shredder(name, ok)
		}
		r.shredder("failing", func(context.Context, []string) error { return errors.New("secret text") })
		r.shredder("slow", func(ctx context.Context, _ []string) error {
			<-ctx.Done()
			return context.Cause(ctx)
		})
		r.net.setCut("a", "deaf", true)
		r.net.setCut("mute", "a", true)
		r.kill("dead")
		begin := time.Now()
		err := r.nodes["a"].Shred(t.Context(), []string{"k/1"})
		if took := time.Since(begin); took > shredPatience {
			t.Errorf("took %v", took)
		}
		all, isJoined := err.(interface{ Unwrap() []error })
		if !isJoined {
			t.Fatalf("%v", err)
		}
		var named []string
		for _, e := range all.Unwrap() {
			for _, name := range []string{"good", "deaf", "mute", "dead", "failing", "slow", "unable"} {
				if strings.Contains(e.Error(), fmt.Sprintf("peer %q", name)) {
					named = append(named, name)
				}
			}
			if strings.Contains(e.Error(), "secret") {
				t.Errorf("a peer's own error travelled: %v", e)
			}
		}
		slices.Sort(named)
		if want := []string{"dead", "deaf", "failing", "mute", "slow", "unable"}; !slices.Equal(named, want) {
			t.Errorf("named %v, want %v", named, want)
		}
	}, "a", "good", "deaf", "mute", "dead", "failing", "slow", "unable")
}

func TestShredEndsWithItsContextAndWithTheNode(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		r.shredder("b", func(ctx context.Context, _ []string) error {
			<-ctx.Done()
			return context.Cause(ctx)
		})
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		begin := time.Now()
		if err := r.nodes["a"].Shred(ctx, []string{"k"}); !errors.Is(err, context.DeadlineExceeded) || time.Since(begin) != time.Second {
			t.Errorf("%v after %v", err, time.Since(begin))
		}
		answer := make(chan error)
		go func() { answer <- r.nodes["a"].Shred(t.Context(), []string{"k"}) }()
		synctest.Wait()
		if err := r.nodes["a"].Close(t.Context()); err != nil {
			t.Error(err)
		}
		if err := <-answer; err == nil {
			t.Error("shredded by a closed node")
		}
		if err := r.nodes["a"].Shred(t.Context(), []string{"k"}); !errors.Is(err, ErrClosed) {
			t.Error(err)
		}
	}, "a", "b")
}

// TestShredDoesNotHoldUpInvalidations has a peer shred for seconds, and writes meanwhile.
func TestShredDoesNotHoldUpInvalidations(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		inside, leave := make(chan struct{}), make(chan struct{})
		r.shredder("b", func(context.Context, []string) error {
			close(inside)
			<-leave
			return nil
		})
		answer := make(chan error)
		go func() { answer <- r.nodes["a"].Shred(t.Context(), []string{"k"}) }()
		<-inside
		begin := time.Now()
		r.announce("a", "object")()
		if took := time.Since(begin); took > simLease/2 || !r.nodes["b"].Fresh("another") {
			t.Errorf("a write took %v", took)
		}
		close(leave)
		if err := <-answer; err != nil {
			t.Error(err)
		}
	}, "a", "b")
}

func TestManyAndLongKeysFitTheirMessages(t *testing.T) {
	n, _ := startedPair(t)
	n.id.Name = strings.Repeat("n", 253)
	var keys []string
	for i := range 3000 {
		keys = append(keys, strings.Repeat("k", i%maxKey+1))
	}
	keys = append(keys, strings.Repeat("\xff", maxKey))
	orders, err := n.shredOrders(keys)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, b := range orders {
		var m order
		if err := decode(b, &m); err != nil || len(b) > maxRequest || len(m.Keys) == 0 {
			t.Fatalf("%d bytes, %d keys, %v", len(b), len(m.Keys), err)
		}
		for _, k := range m.Keys {
			got = append(got, string(k))
		}
	}
	if !slices.Equal(got, keys) {
		t.Error("other keys arrived")
	}
	if _, err := n.shredOrders([]string{strings.Repeat("k", maxKey+1)}); err == nil {
		t.Error("a key that is too long was taken")
	}
}

func TestForeignShredOrdersAreRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n, _ := startedPair(t)
		called := 0
		n.leases.start(&shredding{shred: func(context.Context, []string) error { called++; return nil }})
		good := encode(order{From: "w", Keys: [][]byte{[]byte("k")}})
		for _, names := range [][]string{nil, {"x"}, {"n"}} {
			if _, err := n.receive(names, pathShred, good); !errors.Is(err, errForbidden) {
				t.Errorf("%v: %v", names, err)
			}
		}
		for _, bad := range []string{"", "{}x", `{"from":"w","keys":["!"]}`, `{"from":"w","keys":[],"soft":true}`} {
			if _, err := n.receive([]string{"w"}, pathShred, []byte(bad)); !errors.Is(err, errMalformed) {
				t.Errorf("%s: %v", bad, err)
			}
		}
		if called != 0 {
			t.Error("carried out")
		}
		if _, err := n.receive([]string{"w"}, pathShred, good); err != nil || called != 1 {
			t.Errorf("a good order: %v, called %d times", err, called)
		}
		n.leases.cache.giveUp(errors.New("closing"))
		if _, err := n.receive([]string{"w"}, pathShred, good); !errors.Is(err, ErrClosed) {
			t.Errorf("after Close gave up: %v", err)
		}
	})
}
