package main

import (
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hipaakit/hipaakit/envelope"
)

var sink []byte

func TestAllocationsAreCounted(t *testing.T) {
	got, err := measureAllocs(func() error {
		for range 7 {
			sink = make([]byte, 1<<20)
		}
		return nil
	})
	// The runtime's own may come on top, now and then one.
	if err != nil || got.count < 7 || got.count > 9 || got.bytes < 7<<20 || got.bytes > 8<<20 {
		t.Errorf("%+v, %v", got, err)
	}
}

func TestAllocationsOfAPiece(t *testing.T) {
	s := envelopeBench{bench: &bench{plan: plan{plain: []int{64, 1024, 1024 + 20*64}}}}
	s.perPiece("seal", []spent{{count: 999}, {count: 10}, {count: 12}}, 64)
	s.perPiece("open", []spent{{count: 999}, {count: 10}, {count: 30}}, 64)
	if r := s.results; len(r) != 2 || r[0].Ours != 0.1 || !r[0].Met || r[1].Ours != 1 || r[1].Met {
		t.Errorf("%+v", r)
	}
}

func TestRatioIsDataByStored(t *testing.T) {
	half := scheme{
		seal: func(dst, b []byte) ([]byte, error) { return append(dst, b[:len(b)/2]...), nil },
		open: func(dst, b []byte) ([]byte, error) { return append(append(dst, b...), b...), nil },
	}
	if got, err := half.ratio(newRecords(make([]byte, 300), 100, 3)); got != 2 || err != nil {
		t.Errorf("%v, %v", got, err)
	}
}

// parallel is a contender whose work is done in half the time on two cores, if
// there are two to be had.
func parallel(name string, there func() bool) contender {
	return contender{name: name, do: func(n int) error {
		d := time.Duration(n) * time.Millisecond
		if there() {
			d /= time.Duration(runtime.GOMAXPROCS(0))
		}
		time.Sleep(d)
		return nil
	}}
}

func TestGainIsTimeOnOneCoreByTimeOnTwo(t *testing.T) {
	always := func() bool { return true }
	synctest.Test(t, func(t *testing.T) {
		s := envelopeBench{bench: &bench{plan: tiny}}
		err := s.gain("", "seal", []contender{parallel("bare", always), takes("one core only", time.Millisecond), parallel("ours", always)})
		if err != nil || len(s.results) != 2 {
			t.Fatal(s.results, err)
		}
		for i, want := range []result{{Case: "seal, one core only", Ours: 1}, {Case: "seal, ours", Ours: 2, Met: true}} {
			r := s.results[i]
			if r.Case != want.Case || r.Ours != want.Ours || r.Met != want.Met || r.Peers["halves, bare"] != 2 {
				t.Errorf("%+v", r)
			}
		}
	})
}

// TestGainIsTriedAgainWhileTheSecondCoreIsTaken has none for a while, and in another
// run none at all, which must end too.
func TestGainIsTriedAgainWhileTheSecondCoreIsTaken(t *testing.T) {
	for taken, want := range map[time.Duration]float64{50 * time.Millisecond: 2, time.Hour: 1} {
		synctest.Test(t, func(t *testing.T) {
			began := time.Now()
			free := func() bool { return time.Since(began) > taken }
			s := envelopeBench{bench: &bench{plan: tiny}}
			if err := s.gain("", "seal", []contender{parallel("bare", free), parallel("ours", free)}); err != nil {
				t.Fatal(err)
			}
			if r := s.results[0]; r.Ours != want || r.Peers["halves, bare"] != want || (r.Void == "") != (want == 2) {
				t.Errorf("taken for %v: %+v", taken, r)
			}
		})
	}
}

func TestRangesFetchOnlyWhatTheyNeed(t *testing.T) {
	b := bench{plan: tiny, dir: t.TempDir()}
	b.large = 2 << 20
	kr, err := b.newKeyring()
	if err != nil {
		t.Fatal(err)
	}
	defer kr.Close()
	s := envelopeBench{&b, kr, []input{{"", fillUp(nil, b.large, observation)}}}
	o := envelope.Options{Compression: envelope.CompressNone, SegmentLength: 64 << 10}
	r, err := s.newRanged(oneShot(kr, o))
	if err != nil {
		t.Fatal(err)
	}
	read, err := r.fetched(r.read)
	if err != nil {
		t.Fatal(err)
	}
	first, err := r.fetched(r.first)
	if err != nil {
		t.Fatal(err)
	}
	// A range touches two segments nearly always, never three; a first one also
	// needs the header and the final segment.
	if read < rangeSize || read > 2*64<<10 || first <= read || first > read+70<<10 {
		t.Errorf("%v bytes of a range, %v of a first", read, first)
	}
}
