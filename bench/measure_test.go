package main

import (
	"crypto/sha256"
	"errors"
	"runtime"
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

// takes is a contender that takes so long for each operation, in a test's own time.
func takes(name string, d time.Duration) contender {
	return contender{name: name, do: func(n int) error { time.Sleep(time.Duration(n) * d); return nil }}
}

func TestTimesAreOfOneOperation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		inBatches := takes("", 50*time.Millisecond)
		inBatches.batch = 10
		p := pace{rounds: 5, round: 20 * time.Millisecond}
		times, err := p.measure([]contender{takes("", 3*time.Microsecond), takes("", 7*time.Millisecond), inBatches})
		want := []timing{{3e3, 3e3}, {7e6, 7e6}, {5e6, 5e6}}
		if err != nil || !slices.Equal(times, want) {
			t.Fatalf("%v, %v; want %v", times, err, want)
		}
	})
}

func TestMedianAndBestOfRounds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		calls := 0
		uneven := contender{do: func(n int) error {
			calls++
			// The first is the calibration.
			time.Sleep([]time.Duration{20, 60, 10, 40, 20, 30}[calls-1] * time.Millisecond)
			return nil
		}}
		times, err := pace{rounds: 5, round: 20 * time.Millisecond}.measure([]contender{uneven})
		if err != nil || times[0] != (timing{median: 30e6, best: 10e6}) {
			t.Fatalf("%v, %v", times, err)
		}
	})
}

func TestContendersTakeTurnsAndRotate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var order string
		turn := func(name string) contender {
			return contender{do: func(int) error { order += name; time.Sleep(time.Millisecond); return nil }}
		}
		if _, err := (pace{rounds: 3, round: time.Millisecond}).measure([]contender{turn("a"), turn("b"), turn("c")}); err != nil {
			t.Fatal(err)
		}
		if order != "abc"+"abc"+"bca"+"cab" { // calibration, then rounds
			t.Error(order)
		}
	})
}

func TestPatienceMakesRoundsFewer(t *testing.T) {
	p := pace{rounds: 41, patience: time.Second}
	for round, want := range map[time.Duration]int{time.Millisecond: 41, 100 * time.Millisecond: 10, time.Minute: fewestRounds, 0: 41} {
		if got := p.roundsOf(round); got != want {
			t.Errorf("%d rounds of %v, want %d", got, round, want)
		}
	}
	p.patience = 0
	if got := p.roundsOf(time.Hour); got != 41 {
		t.Errorf("%d rounds without a bound", got)
	}
}

func TestCoresAreThoseOfTheContender(t *testing.T) {
	before := runtime.GOMAXPROCS(0)
	for _, cores := range []int{1, 3, 0} {
		want := cores
		if cores == 0 {
			want = before
		}
		c := contender{cores: cores, do: func(int) error {
			if got := runtime.GOMAXPROCS(0); got != want {
				t.Errorf("works on %d cores, not %d", got, want)
			}
			return nil
		}}
		if _, err := tiny.pace.timed(c, 2); err != nil {
			t.Fatal(err)
		}
		if runtime.GOMAXPROCS(0) != before {
			t.Fatalf("%d cores stay", runtime.GOMAXPROCS(0))
		}
	}
}

func TestFailureEndsTheMeasuring(t *testing.T) {
	broken, calls := errors.New("broken"), 0
	for _, fails := range []int{1, 2, 3} {
		calls = 0
		c := contender{do: func(int) error {
			if calls++; calls >= fails {
				return broken
			}
			return nil
		}}
		if _, err := tiny.pace.measure([]contender{c}); !errors.Is(err, broken) {
			t.Errorf("%v", err)
		}
	}
}

// TestWaitingCountsOnlyWhereItIsTheWork has a contender of which half is waiting.
func TestWaitingCountsOnlyWhereItIsTheWork(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var processor time.Duration
		p := pace{rounds: 3, round: time.Millisecond, clock: func() time.Duration { return processor }}
		half := contender{do: func(n int) error {
			d := time.Duration(n) * time.Millisecond
			processor += d
			time.Sleep(2 * d)
			return nil
		}}
		onWall := half
		onWall.waits = true
		times, err := p.measure([]contender{half, onWall})
		if want := []timing{{1e6, 1e6}, {2e6, 2e6}}; err != nil || !slices.Equal(times, want) {
			t.Errorf("%v, %v; want %v", times, err, want)
		}
	})
}

func TestProcessorTimeGoesByWithWork(t *testing.T) {
	began := processorTime()
	data := make([]byte, 1<<20)
	for processorTime()-began < time.Millisecond {
		sha256.Sum256(data) // it ends only if this counts
	}
}
