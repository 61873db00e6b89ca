package main

import (
	"bytes"
	"errors"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hipaakit/hipaakit/envelope"
)

// sealers are all schemes that encrypt.
func sealers(t *testing.T) []scheme {
	t.Helper()
	b := bench{plan: tiny, dir: t.TempDir()}
	kr, err := b.newKeyring()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { kr.Close() })
	all, err := envelopeBench{bench: &b, kr: kr}.peers()
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range []envelope.Options{{}, {Compression: envelope.CompressNone}} {
		all = append(all, oneShot(kr, o), stream(kr, o))
	}
	return all
}

// compressors are all schemes of bare zstd.
func compressors(t *testing.T) []scheme {
	t.Helper()
	var all []scheme
	for _, l := range levels {
		whole, frames, streamed, err := bareZstd(l, 1)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, whole, frames, streamed)
	}
	return all
}

// TestEverySchemeOpensWhatItSealed goes around the sizes where pieces begin: Tink's
// 4 KiB, everybody's 64 KiB, zstd's 256 KiB, the file that ReadAll spools to.
func TestEverySchemeOpensWhatItSealed(t *testing.T) {
	data := fillUp(nil, 3<<20, observation)
	for _, s := range append(sealers(t), compressors(t)...) {
		for _, n := range []int{1, 4095, 4096, 65536, 65537, 256<<10 + 1, readAllSpool - 1, readAllSpool, 3 << 20} {
			if _, err := s.proved(newRecords(data, n, 1)); err != nil {
				t.Errorf("%d bytes: %v", n, err)
			}
		}
	}
}

// TestNoSchemeIsMeasuredWithoutAuthentication damages what was sealed: a peer that
// let it pass would do less work than ours.
func TestNoSchemeIsMeasuredWithoutAuthentication(t *testing.T) {
	data := fillUp(nil, 200_000, observation)
	r := newRecords(data, len(data), 1)
	for _, s := range sealers(t) {
		sealed, err := s.seal(r.room, data)
		if err != nil {
			t.Fatal(s.name, err)
		}
		for _, at := range []int{len(sealed) / 2, len(sealed) - 1} {
			damaged := bytes.Clone(sealed)
			damaged[at] ^= 1
			if opened, err := s.open(make([]byte, 0, cap(r.room)), damaged); err == nil {
				t.Errorf("%s opens %d bytes although byte %d is another", s.name, len(opened), at)
			}
		}
	}
}

func TestReadAllLeavesNoFileBehind(t *testing.T) {
	dir := t.TempDir()
	s, err := newReadAll(dir)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.proved(newRecords(make([]byte, readAllSpool), readAllSpool, 1)); err != nil {
		t.Fatal(err)
	}
	if left, _ := os.ReadDir(dir); len(left) > 0 {
		t.Errorf("%d files", len(left))
	}
}

func TestReadAllNoticesAnotherKey(t *testing.T) {
	s, err := newReadAll(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	r := newRecords(make([]byte, 1000), 1000, 1)
	sealed, _ := s.seal(nil, append(r.room, r.data[0]...))
	sealed[readAllHeader-1] ^= 1 // of the commitment
	if _, err := s.open(r.room, sealed); !errors.Is(err, errReadAllCommitment) {
		t.Errorf("%v", err)
	}
}

func TestWrongOutputIsNotMeasured(t *testing.T) {
	same := func(dst, b []byte) ([]byte, error) { return append(dst, b...), nil }
	broken := errors.New("broken")
	fails := func(dst, b []byte) ([]byte, error) { return nil, broken }
	for want, s := range map[string]scheme{
		"not what was sealed": {seal: same, open: func(dst, b []byte) ([]byte, error) { return append(dst, b[1:]...), nil }},
		"sealing: broken":     {seal: fails, open: same},
		"opening: broken":     {seal: same, open: fails},
	} {
		if _, err := s.opening(newRecords([]byte("data"), 4, 1)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %s", err, want)
		}
	}
}

func TestPassDoesEveryRecord(t *testing.T) {
	var done [5]int
	c := pass("", len(done), func(i int) error { done[i]++; return nil })
	if err := c.do(3); err != nil || done != [5]int{3, 3, 3, 3, 3} || c.batch != len(done) {
		t.Errorf("%v, %v, batch %d", done, err, c.batch)
	}
}

// TestHalvesAreDoneAtTheSameTime lets each half wait for the other: one behind the
// other would never end.
func TestHalvesAreDoneAtTheSameTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var sealed atomic.Int64
		slow := scheme{
			seal: func(dst, b []byte) ([]byte, error) {
				sealed.Add(int64(len(b)))
				time.Sleep(time.Second)
				return append(dst, b...), nil
			},
			open: func(dst, b []byte) ([]byte, error) { return append(dst, b...), nil },
		}
		seal, open, err := slow.halves(newRecords(make([]byte, 1001), 1001, 1))
		if err != nil {
			t.Fatal(err)
		}
		sealed.Store(0)
		began := time.Now()
		if err := errors.Join(seal.do(1), open.do(1)); err != nil || sealed.Load() != 1001 || time.Since(began) != time.Second {
			t.Errorf("%d bytes in %v, %v", sealed.Load(), time.Since(began), err)
		}
	})
}

func TestAFailedHalfFails(t *testing.T) {
	broken := errors.New("broken")
	for _, half := range []int{0, 1} {
		do := both(func(h, _ int) error {
			if h == half {
				return broken
			}
			return nil
		})
		if err := do(0); !errors.Is(err, broken) {
			t.Errorf("half %d: %v", half, err)
		}
	}
}

func TestThenDoesBoth(t *testing.T) {
	_, frames, _, err := bareZstd(levels[0], 1)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := bareGCM()
	if err != nil {
		t.Fatal(err)
	}
	r := newRecords(fillUp(nil, 100_000, observation), 100_000, 1)
	both, err := frames.then(raw, cap(r.room)).proved(r)
	if err != nil {
		t.Fatal(err)
	}
	alone, err := frames.proved(r)
	if err != nil || len(both[0]) != len(alone[0])+28 { // nonce and tag
		t.Errorf("%d bytes, %d compressed alone, %v", len(both[0]), len(alone[0]), err)
	}
}
