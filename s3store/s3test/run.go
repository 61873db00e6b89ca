// Package s3test says what a server must do to be the S3 of package s3store: one
// suite of cases, each the whole of an operation through a [s3store.Store].
//
//	s3test.Run(t, s3test.Config{
//		Bucket: func(t testing.TB, versioned bool) (s3store.S3, string) { ... },
//		Gaps:   map[string]string{"restore over a deletion": "the server forgets the marker"},
//	})
//
// A gap that is known is declared with its reason. The case is run all the same,
// and fails if it succeeds: a server that has learned something is noticed, and a gap
// cannot stay declared for longer than it is one.
package s3test

import (
	"context"
	"fmt"
	"testing"

	"github.com/hipaakit/hipaakit/s3store"
)

// Config is a server under test.
type Config struct {
	// Bucket makes a new, empty bucket, which keeps versions or does not, and a client
	// for it. Both end with t.
	Bucket func(t testing.TB, versioned bool) (client s3store.S3, bucket string)
	// Gaps are the cases that the server fails, each with the reason.
	Gaps map[string]string
}

// Run runs every case in a bucket of its own.
func Run(t *testing.T, c Config) {
	known := map[string]bool{}
	for _, one := range cases() {
		known[one.name] = true
		t.Run(one.name, func(t *testing.T) {
			c.judge(t, one)
		})
	}
	for name := range c.Gaps {
		if !known[name] {
			t.Errorf("a gap is declared for %q, which is no case", name)
		}
	}
}

func (c Config) judge(t *testing.T, one testCase) {
	t.Helper()
	err := one.run(c.env(t, one.versioned))
	why, gap := c.Gaps[one.name]
	switch {
	case gap && err == nil:
		t.Errorf("works, but is declared as a gap: %s", why)
	case gap:
		t.Logf("a gap, as declared (%s): %v", why, err)
	case err != nil:
		t.Error(err)
	}
}

// testCase returns an error instead of failing a test, so that a gap can be judged.
type testCase struct {
	name      string
	versioned bool
	run       func(*env) error
}

func cases() []testCase {
	all := append(objectCases(), conditionCases()...)
	all = append(all, uploadCases()...)
	return append(all, versionCases()...)
}

// env is what a case works with.
type env struct {
	ctx    context.Context
	t      testing.TB
	client s3store.S3
	bucket string
	keys   *keys
	store  *s3store.Store // with a cache
	plain  *s3store.Store // without
}

// wrong is an error unless ok.
func wrong(ok bool, format string, args ...any) error {
	if ok {
		return nil
	}
	return fmt.Errorf(format, args...)
}

// first returns the first error.
func first(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}
