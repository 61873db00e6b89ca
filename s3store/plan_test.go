package s3store

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hipaakit/hipaakit/envelope"
)

// cut cuts an envelope of sealed bytes; it returns the number of parts, the largest
// memory that they take at once, and what did not fit.
func cut(p plan, sealed int64) (count int, memory, rest int64, err error) {
	var before int64
	for before < sealed {
		part, err := p.part(count, before)
		if err != nil {
			return count, memory, sealed - before, err
		}
		memory = max(memory, int64(parallel(part)+1)*part)
		before += part
		count++
	}
	return count, memory, 0, nil
}

func TestPartsSufficeForEveryObject(t *testing.T) {
	const MiB, GiB, TiB = int64(1) << 20, int64(1) << 30, int64(1) << 40
	for _, c := range []struct {
		size   int64
		known  bool
		memory int64
	}{
		{64 * MiB, true, 40 * MiB}, {64 * MiB, false, 40 * MiB},
		{7 * GiB, false, 40 * MiB}, {77 * GiB, true, 40 * MiB}, {100 * GiB, true, 72 * MiB},
		{100 * GiB, false, 208 * MiB}, {TiB, true, 212 * MiB}, {TiB, false, 2100 * MiB},
		{16 * TiB, false, 10 * GiB}, {48 * TiB, true, 10 * GiB},
	} {
		p := s3Plan
		if c.known {
			p = p.sized(c.size)
		}
		count, memory, rest, err := cut(p, c.size+c.size/1000)
		if err != nil || count > 10_000 || memory > c.memory || rest > 0 {
			t.Errorf("%d MiB, known %t: %d parts, %d MiB of memory, want %d, rest %d, %v", c.size/MiB, c.known, count, memory/MiB, c.memory/MiB, rest, err)
		}
		if p.least < 5*MiB || p.most > 5*GiB {
			t.Errorf("parts of %d to %d are not S3's", p.least, p.most)
		}
	}
	if _, _, _, err := cut(s3Plan, envelope.MaxSize); !errors.Is(err, ErrTooLarge) {
		t.Errorf("the largest object, its size not known: %v", err)
	}
}

func TestRetriesArePaidFor(t *testing.T) {
	var r retries
	granted := 0
	for r.allowed(0) {
		granted++
	}
	if granted != fullBudget/retryCost {
		t.Errorf("%d retries, want %d", granted, fullBudget/retryCost)
	}
	for range retryCost {
		r.succeeded()
	}
	if !r.allowed(0) || r.allowed(0) {
		t.Error("what was answered earns one retry, no more")
	}
	for range 2 * fullBudget {
		r.succeeded()
	}
	if r.spent.Load() != 0 || r.allowed(maxTries-1) {
		t.Errorf("spent %d; or more than %d tries", r.spent.Load(), maxTries)
	}
}

func TestPausesGrowAndEndWithTheContext(t *testing.T) {
	var r retries
	for try := range 40 {
		if p := r.pause(try); p <= 0 || p > maxPause+1 {
			t.Fatalf("pause %v", p)
		}
	}
	synctest.Test(t, func(t *testing.T) {
		s := &Store{}
		begin := time.Now()
		for try := range maxTries - 1 {
			if !s.again(t.Context(), try) {
				t.Fatal("no retry")
			}
		}
		if d := time.Since(begin); d > firstPause*15+time.Second {
			t.Errorf("waited %v", d)
		}
		if s.Stats().Retries != maxTries-1 {
			t.Error("not counted")
		}
	})
}
