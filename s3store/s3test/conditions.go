package s3test

import (
	"bytes"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/hipaakit/hipaakit/s3store"
)

func conditionCases() []testCase {
	return []testCase{
		{"create only if absent", false, ifAbsent},
		{"replace only if unchanged", false, ifMatch},
		{"conditions on large objects", false, conditionsOnUploads},
		{"of many who create one wins", false, raceToCreate},
		{"of many who replace one wins", false, raceToReplace},
	}
}

func ifAbsent(e *env) error {
	o := s3store.PutOptions{IfAbsent: true}
	if _, err := e.put("k", []byte("one"), o); err != nil {
		return err
	}
	_, err := e.put("k", []byte("two"), o)
	if err := first(wrong(errors.Is(err, s3store.ErrExists), "a second create: %v", err), e.holds("k", []byte("one")), e.store.Delete(e.ctx, "k")); err != nil {
		return err
	}
	_, err = e.put("k", []byte("three"), o)
	return first(err, e.holds("k", []byte("three")))
}

func ifMatch(e *env) error {
	one, err := e.put("k", []byte("one"), s3store.PutOptions{})
	if err != nil {
		return err
	}
	if _, err = e.put("k", []byte("two"), s3store.PutOptions{IfMatch: one.ETag}); err != nil {
		return err
	}
	_, again := e.put("k", []byte("three"), s3store.PutOptions{IfMatch: one.ETag})
	_, missing := e.put("nothing", []byte("x"), s3store.PutOptions{IfMatch: one.ETag})
	return first(wrong(errors.Is(again, s3store.ErrChanged), "an old ETag: %v", again),
		wrong(errors.Is(missing, s3store.ErrChanged), "no object: %v", missing), e.holds("k", []byte("two")), e.holds("nothing", nil))
}

func conditionsOnUploads(e *env) error {
	large := noise(9<<20, "large")
	one, err := e.put("k", large, s3store.PutOptions{IfAbsent: true})
	if err != nil {
		return err
	}
	_, exists := e.put("k", noise(9<<20, "other"), s3store.PutOptions{IfAbsent: true})
	_, changed := e.put("k", noise(9<<20, "other"), s3store.PutOptions{IfMatch: `"another"`})
	if err := first(wrong(errors.Is(exists, s3store.ErrExists), "a second create: %v", exists),
		wrong(errors.Is(changed, s3store.ErrChanged), "another ETag: %v", changed), e.holds("k", large), e.noUploads()); err != nil {
		return err
	}
	_, err = e.put("k", large[1:], s3store.PutOptions{IfMatch: one.ETag})
	return first(err, e.holds("k", large[1:]))
}

func raceToCreate(e *env) error {
	for round := range 20 {
		key := fmt.Sprint(round)
		if err := e.race(key, s3store.PutOptions{IfAbsent: true}, s3store.ErrExists); err != nil {
			return err
		}
	}
	return nil
}

func raceToReplace(e *env) error {
	i, err := e.put("k", []byte("x"), s3store.PutOptions{})
	for range 20 {
		if err == nil {
			err = e.race("k", s3store.PutOptions{IfMatch: i.ETag}, s3store.ErrChanged)
		}
		if err == nil {
			i, err = e.plain.Stat(e.ctx, "k")
		}
	}
	return err
}

// race lets eight write at once; one must succeed, whose data must be there, and the
// others be told why not.
func (e *env) race(key string, o s3store.PutOptions, lost error) error {
	var wg sync.WaitGroup
	var won atomic.Int64
	winner := []byte{255}
	failures := make(chan error, 8)
	for w := range byte(8) {
		wg.Go(func() {
			switch _, err := e.store.Put(e.ctx, key, bytes.NewReader([]byte{w}), o); {
			case err == nil:
				won.Add(1)
				winner[0] = w
			case !errors.Is(err, lost):
				failures <- err
			}
		})
	}
	wg.Wait()
	close(failures)
	if err := <-failures; err != nil {
		return err
	}
	return first(wrong(won.Load() == 1, "%d have won", won.Load()), e.holds(key, winner))
}
