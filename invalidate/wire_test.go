package invalidate

import (
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// JSON strings replace bytes that are not UTF-8; the peer would then drop another object.
func TestKeysOfAnyBytesArriveUnchanged(t *testing.T) {
	for _, key := range []string{"", "a/b c", "\xff\xfe", "\x00", "<&>\u2028", strings.Repeat("\xff", maxKey)} {
		inBubble(t, func(t *testing.T, r *rig) {
			done := r.announce("a", key)
			if !r.caches["b"].saw("changing "+key) || r.nodes["b"].Fresh(key) {
				t.Errorf("%q did not arrive as it is", key)
			}
			done()
			r.net.lose(pathAnnounce)
			r.announce("a", key)()
			if r.caches["b"].count("changing "+key) != 2 {
				t.Errorf("%q did not arrive with the lease", key)
			}
		}, "a", "b")
	}
}

func TestLargestNoticeFitsItsLimit(t *testing.T) {
	m := notice{From: strings.Repeat("n", 253), Boot: strings.Repeat("b", 26), Seq: 1<<64 - 1, Key: make([]byte, maxKey), Over: true}
	if n := len(encode(m)); n > maxRequest {
		t.Errorf("%d bytes", n)
	}
}

// startedPair has a member w that the test speaks for.
func startedPair(t testing.TB) (*Node, *recorder) {
	o, _ := Options{}.withDefaults()
	n, cache := newNode(Identity{Name: "n"}, []Peer{{Name: "w"}}, o, deaf{}, "1"), &recorder{}
	n.leases.start(cache)
	return n, cache
}

func TestMalformedOrForeignMessagesAreRefusedAndNotApplied(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n, cache := startedPair(t)
		good := string(encode(notice{From: "w", Boot: "1", Seq: 1, Key: []byte("k")}))
		for _, c := range []struct {
			names      []string
			path, body string
			want       error
		}{
			{[]string{"w"}, pathAnnounce, "", errMalformed},
			{[]string{"w"}, pathAnnounce, good[:len(good)-1], errMalformed},
			{[]string{"w"}, pathAnnounce, good + "{}", errMalformed},
			{[]string{"w"}, pathAnnounce, strings.Replace(good, "{", `{"urgent":true,`, 1), errMalformed},
			{[]string{"w"}, "/v1/other", good, errMalformed},
			{[]string{"x"}, pathAnnounce, good, errForbidden},
			{nil, pathAnnounce, good, errForbidden},
			{[]string{"n", "w"}, pathAnnounce, strings.Replace(good, `"w"`, `"n"`, 1), errForbidden},
			{[]string{"w"}, pathAnnounce, strings.Replace(good, `"w"`, `""`, 1), errForbidden},
		} {
			if _, err := n.receive(c.names, c.path, []byte(c.body)); !errors.Is(err, c.want) {
				t.Errorf("%v %s %s: %v", c.names, c.path, c.body, err)
			}
		}
		if len(cache.events) > 0 {
			t.Errorf("applied: %v", cache.events)
		}
		if _, err := n.receive([]string{"other", "w"}, pathAnnounce, []byte(good)); err != nil || !cache.saw("changing k") {
			t.Errorf("a good message: %v, %v", err, cache.events)
		}
	})
}

func TestHostileNumbersInAnAnswerGiveNoLease(t *testing.T) {
	inHolder(t, func(l *lone) {
		for i, a := range []leaseAnswer{
			{Boot: "1", Age: -1 << 63, Term: simLease, Missed: 1},
			{Boot: "2", Age: old, Term: -1 << 63, Missed: 1},
			{Boot: "3", Age: old, Missed: 1},
		} {
			l.apply("w", a, l.fresh.now(), i)
			l.want("k", false, "answer "+a.Boot)
		}
	})
}

func FuzzReceive(f *testing.F) {
	f.Add(pathLease, encode(leaseRequest{From: "w", Boot: "1", Age: time.Second, Seen: seen{"1", 3}}))
	f.Add(pathAnnounce, encode(notice{From: "w", Boot: "1", Seq: 1, Key: []byte("k")}))
	f.Add(pathAnnounce, encode(notice{From: "w", Boot: "2", Seq: 1 << 63, Key: []byte("k"), Over: true}))
	f.Add(pathLeave, encode(farewell{From: "w", Boot: "1", Clean: true}))
	f.Add(pathAnnounce, []byte(`{"from":"w","key":null}`))
	f.Add(pathShred, encode(order{From: "w", Keys: [][]byte{[]byte("k/1")}}))
	f.Fuzz(func(t *testing.T, path string, body []byte) {
		n, _ := startedPair(t)
		answer, err := n.receive([]string{"w"}, path, body)
		if (answer == nil) == (err == nil) {
			t.Fatalf("answer %q and error %v", answer, err)
		}
		if n.Fresh("k") {
			t.Fatal("a message made the node fresh: only an answer to its own question may")
		}
	})
}
