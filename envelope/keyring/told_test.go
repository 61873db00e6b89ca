package keyring

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hipaakit/hipaakit/envelope"
	"github.com/hipaakit/hipaakit/internal/testbed"
)

// breakable is a protector that stops unwrapping.
type breakable struct {
	Protector
	err error
}

func (b *breakable) Unwrap(ctx context.Context, id envelope.KeyID, wrapped []byte) ([]byte, error) {
	if b.err != nil {
		return nil, b.err
	}
	return b.Protector.Unwrap(ctx, id, wrapped)
}

// TestReadingThatFailsTellsToo of the tombstones that it has shown.
func TestReadingThatFailsTellsToo(t *testing.T) {
	for what, change := range map[string]func(*testing.T, *Keyring, []byte) error{
		"rotate": func(t *testing.T, k *Keyring, _ []byte) error {
			_, err := k.Rotate(t.Context(), "next")
			return err
		},
		"import": func(t *testing.T, k *Keyring, doc []byte) error {
			return k.Import(t.Context(), doc, testProtector(t, 2))
		},
		"export": func(t *testing.T, k *Keyring, _ []byte) error {
			_, err := k.Export(t.Context(), testProtector(t, 2))
			return err
		},
		"unknown key": func(t *testing.T, k *Keyring, _ []byte) error {
			_, err := k.Latest(t.Context(), "nobody")
			return err
		},
	} {
		testbed.Bubble(t, func(t *testing.T) {
			here, m := tenantKeyring(t, testProtector(t, 1))
			doc := mustExport(t, here, testProtector(t, 2))
			broken := &breakable{Protector: testProtector(t, 1)}
			var l listener
			far := farKeyring(t, m, broken, l.follow)
			mustRotate(t, here, "new")
			mustDestroy(t, here, "tenant")
			broken.err = errOutage
			if err := change(t, far, doc); !errors.Is(err, errOutage) {
				t.Errorf("%s: %v", what, err)
			}
			synctest.Wait()
			answersDestroyed(t, far) // so it has been seen
			if got := l.since(); got != "[[tenant/1 tenant/2]]" {
				t.Errorf("%s: told of %s", what, got)
			}
		})
	}
}

func TestFollowerThatFailsWhenToldAgainIsToldAtTheNextReading(t *testing.T) {
	k, _ := tenantKeyring(t, testProtector(t, 1))
	var l listener
	k.Follow(l.follow)
	mustDestroy(t, k, "tenant")
	l.fail(errOutage)
	if d := mustDestroy(t, k, "tenant"); !errors.Is(d.Err(), errOutage) {
		t.Fatal(d.Err())
	}
	l.fail(nil)
	l.since()
	for _, want := range []string{"[[tenant/1 tenant/2]]", "[]"} {
		if err := k.Reload(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := l.since(); got != want {
			t.Errorf("told of %s, want %s", got, want)
		}
	}
}

// TestDeafFollowerDoesNotOutlastTheContext, nor does it keep the others from being
// told, or is it called a second time meanwhile. It hangs as in a file system that
// does not answer.
func TestDeafFollowerDoesNotOutlastTheContext(t *testing.T) {
	testbed.Bubble(t, func(t *testing.T) {
		k, _ := tenantKeyring(t, testProtector(t, 1))
		calls, hang := make(chan int, 9), make(chan struct{})
		var other listener
		k.Follow(func(context.Context, []envelope.KeyID) error {
			calls <- 1
			<-hang
			return nil
		})
		k.Follow(other.follow)
		for what, call := range map[string]func(context.Context) error{
			"destroy": func(ctx context.Context) error {
				d, err := k.Destroy(ctx, "tenant")
				if err != nil || len(d.Unreached) != 1 || len(d.Destroyed) != 2 {
					t.Errorf("%+v, %v", d, err)
				}
				return d.Err()
			},
			"reload": func(ctx context.Context) error {
				mustRotateAndDestroy(t, k)
				return k.Reload(ctx)
			},
		} {
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			begin := time.Now()
			if err := call(ctx); !errors.Is(err, context.DeadlineExceeded) || time.Since(begin) > time.Minute+2*lastWord {
				t.Errorf("%s: after %v: %v", what, time.Since(begin), err)
			}
			cancel()
		}
		if len(calls) != 1 || other.since() == "[]" {
			t.Errorf("called %d times", len(calls))
		}
		close(hang)
		if err := k.Reload(t.Context()); err != nil {
			t.Errorf("it has returned: %v", err)
		}
	})
}

// mustRotateAndDestroy lets another process destroy a key, so that there is
// something to tell.
func mustRotateAndDestroy(t *testing.T, k *Keyring) {
	t.Helper()
	elsewhere := openTest(t, k.storage, testProtector(t, 1))
	mustRotate(t, elsewhere, "brief")
	mustDestroy(t, elsewhere, "brief")
}

// TestCloseWaitsForFollowers that it has interrupted.
func TestCloseWaitsForFollowers(t *testing.T) {
	testbed.Bubble(t, func(t *testing.T) {
		k, _ := tenantKeyring(t, testProtector(t, 1))
		ended := false
		k.Follow(func(ctx context.Context, _ []envelope.KeyID) error {
			<-ctx.Done()
			time.Sleep(time.Hour)
			ended = true
			return ctx.Err()
		})
		go k.Destroy(t.Context(), "tenant")
		synctest.Wait()
		k.Close()
		if !ended {
			t.Error("a follower outlasts the keyring")
		}
	})
}
