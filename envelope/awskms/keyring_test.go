package awskms_test

import (
	"errors"
	"net/http"
	"path/filepath"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hipaakit/hipaakit/envelope"
	"github.com/hipaakit/hipaakit/envelope/awskms"
	"github.com/hipaakit/hipaakit/envelope/keyring"
	"github.com/hipaakit/hipaakit/internal/testbed"
)

// These hold a keyring and a protector together against what they promise as a
// pair, in fake time.

func derive(t testing.TB, kr *keyring.Keyring, id envelope.KeyID) [envelope.DerivedKeySize]byte {
	t.Helper()
	out, err := kr.Derive(t.Context(), id, []byte("info"))
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// opened makes a keyring under a KMS key and opens it as another process would.
func opened(t testing.TB, fake *fakeKMS, keyID string, o awskms.Options) (*keyring.Keyring, keyring.Storage) {
	t.Helper()
	file := keyring.File(filepath.Join(t.TempDir(), "keyring.json"))
	kr, err := keyring.Create(t.Context(), file, protector(t, fake.direct(east), keyID, o))
	if err != nil {
		t.Fatal(err)
	}
	kr.Close()
	return open(t, file, protector(t, fake.direct(east), keyID, o)), file
}

func open(t testing.TB, s keyring.Storage, p keyring.Protector) *keyring.Keyring {
	t.Helper()
	kr, err := keyring.Open(t.Context(), s, p)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { kr.Close() })
	return kr
}

// slow answers well, after a second.
func slow(w http.ResponseWriter, _ *http.Request, answer map[string]any) {
	time.Sleep(time.Second)
	write(w, answer)
}

func TestKeyringMakesItsKeysInKMS(t *testing.T) {
	fake := newFakeKMS()
	kr, _ := opened(t, fake, fake.create(east, account, "k1"), awskms.Options{})
	if made := fake.count("GenerateDataKey"); made != 1 {
		t.Errorf("%d keys made", made)
	}
	if _, err := kr.Rotate(t.Context(), "tenant-7"); err != nil {
		t.Fatal(err)
	}
	if made := fake.count("GenerateDataKey"); made != 2 {
		t.Errorf("%d keys made", made)
	}
}

func TestOneCallPerKeyAndLifetimeHoweverManyWait(t *testing.T) {
	testbed.Bubble(t, func(t *testing.T) {
		fake := newFakeKMS()
		kr, _ := opened(t, fake, fake.create(east, account, "k1"), awskms.Options{Lifetime: time.Hour})
		fake.breakAll(slow)
		want := derive(t, kr, id(1))
		for lifetime := range 3 {
			time.Sleep(time.Hour)
			before := fake.count("Decrypt")
			for range 3 { // as the lifetime begins, and within it
				var wg sync.WaitGroup
				for range 100 {
					wg.Go(func() {
						if out, err := kr.Derive(t.Context(), id(1), []byte("info")); err != nil || out != want {
							t.Errorf("another key, or none: %v", err)
						}
					})
				}
				wg.Wait()
				time.Sleep(15 * time.Minute)
			}
			if n := fake.count("Decrypt") - before; n != 1 {
				t.Errorf("%d calls in lifetime %d", n, lifetime)
			}
		}
	})
}

func TestKeyringStartsWhenTheOutageIsOver(t *testing.T) {
	testbed.Bubble(t, func(t *testing.T) {
		fake := newFakeKMS()
		arn := fake.create(east, account, "k1")
		running, file := opened(t, fake, arn, awskms.Options{})
		want := derive(t, running, id(1))
		p := protector(t, fake.direct(east), arn, awskms.Options{})
		fake.setDown(true)
		kr, err := keyring.Open(t.Context(), file, p)
		if err == nil {
			defer kr.Close()
			_, err = kr.Derive(t.Context(), id(1), nil)
		}
		if !errors.Is(err, awskms.ErrUnavailable) {
			t.Errorf("without KMS: %v", err)
		}
		fake.setDown(false)
		time.Sleep(time.Minute) // whatever the keyring waits between attempts
		if derive(t, open(t, file, p), id(1)) != want {
			t.Error("another key")
		}
	})
}

func TestOutageIsLivedThroughForLifetimeAndGrace(t *testing.T) {
	for _, grace := range []time.Duration{0, 30 * time.Minute} {
		testbed.Bubble(t, func(t *testing.T) {
			fake := newFakeKMS()
			kr, _ := opened(t, fake, fake.create(east, account, "k1"), awskms.Options{Lifetime: time.Hour, Grace: grace})
			want := derive(t, kr, id(1))
			fake.setDown(true)
			time.Sleep(time.Hour + grace - time.Minute)
			if derive(t, kr, id(1)) != want {
				t.Error("another key")
			}
			time.Sleep(2 * time.Minute)
			if _, err := kr.Derive(t.Context(), id(1), nil); !errors.Is(err, awskms.ErrUnavailable) {
				t.Errorf("grace %v, after it: %v", grace, err)
			}
			fake.setDown(false)
			time.Sleep(time.Minute)
			if derive(t, kr, id(1)) != want {
				t.Error("another key after the outage")
			}
		})
	}
}

// TestRefusalEndsGrace has KMS refuse once, and then disappear: the key must not
// be in memory any more to be used in the outage.
func TestRefusalEndsGrace(t *testing.T) {
	for _, no := range []string{"DisabledException", "AccessDeniedException", "NotFoundException", "InvalidCiphertextException"} {
		testbed.Bubble(t, func(t *testing.T) {
			fake := newFakeKMS()
			arn := fake.create(east, account, "k1")
			kr, _ := opened(t, fake, arn, awskms.Options{Lifetime: time.Hour, Grace: 10 * time.Hour})
			derive(t, kr, id(1))
			fake.setState(arn, no)
			time.Sleep(time.Hour + time.Minute)
			// In grace the old key may be used while KMS is asked, and no longer.
			kr.Derive(t.Context(), id(1), nil)
			synctest.Wait()
			_, err := kr.Derive(t.Context(), id(1), nil)
			if !errors.Is(err, keyring.ErrDenied) && !errors.Is(err, keyring.ErrProtector) {
				t.Errorf("%s: %v", no, err)
			}
			fake.setDown(true)
			time.Sleep(time.Minute)
			if _, err := kr.Derive(t.Context(), id(1), nil); err == nil {
				t.Errorf("%s: the key is still used", no)
			}
			fake.setDown(false)
			fake.setState(arn, "")
			time.Sleep(time.Minute)
			derive(t, kr, id(1))
		})
	}
}

func TestEachRegionOpensWithItsOwnReplica(t *testing.T) {
	testbed.Bubble(t, func(t *testing.T) {
		fake := newFakeKMS()
		primary := fake.create(east, account, "mrk-1")
		replica := fake.replicate(primary, west)
		kr, file := opened(t, fake, primary, awskms.Options{})
		there := open(t, file, protector(t, fake.direct(west), replica, awskms.Options{}))
		want := derive(t, kr, id(1))
		// The first Region's KMS is lost.
		fake.setState(primary, "KMSInvalidStateException")
		if derive(t, there, id(1)) != want {
			t.Error("another key in the other Region")
		}
		if v, err := there.Rotate(t.Context(), envelope.DefaultKey); err != nil || v != id(2) {
			t.Fatalf("rotated to %v: %v", v, err)
		}
		want = derive(t, there, id(2))
		fake.setState(primary, "")
		time.Sleep(time.Minute)
		if derive(t, kr, id(2)) != want {
			t.Error("another key in the first Region")
		}
	})
}

func TestKeyringUnderAnotherKMSKeyIsNotOpened(t *testing.T) {
	testbed.Bubble(t, func(t *testing.T) {
		fake := newFakeKMS()
		_, file := opened(t, fake, fake.create(east, account, "k1"), awskms.Options{})
		other := protector(t, fake.direct(east), fake.create(east, account, "k2"), awskms.Options{})
		kr, err := keyring.Open(t.Context(), file, other)
		if err == nil {
			defer kr.Close()
			_, err = kr.Derive(t.Context(), id(1), nil)
		}
		if !errors.Is(err, keyring.ErrProtector) {
			t.Errorf("got %v", err)
		}
	})
}

// TestFormerKeyIsNotNeededOnceNoVersionIsUnderIt: the check value has moved as well,
// or who rotates or destroys would still ask for it.
func TestFormerKeyIsNotNeededOnceNoVersionIsUnderIt(t *testing.T) {
	testbed.Bubble(t, func(t *testing.T) {
		fake := newFakeKMS()
		first, second := fake.create(east, account, "k1"), fake.create(east, account, "k2")
		_, file := opened(t, fake, first, awskms.Options{})
		both := open(t, file, protector(t, fake.direct(east), second, awskms.Options{Former: []string{first}}))
		if _, err := both.Rotate(t.Context(), envelope.DefaultKey); err != nil {
			t.Fatal(err)
		}
		if _, err := both.DestroyVersion(t.Context(), id(1)); err != nil {
			t.Fatal(err)
		}
		fake.setState(first, "DisabledException")
		kr := open(t, file, protector(t, fake.direct(east), second, awskms.Options{}))
		derive(t, kr, id(2))
		time.Sleep(time.Hour + time.Second) // no key is in memory any more
		if _, err := kr.Rotate(t.Context(), "tenant"); err != nil {
			t.Errorf("rotate: %v", err)
		}
		time.Sleep(time.Hour + time.Second)
		if _, err := kr.Destroy(t.Context(), envelope.DefaultKey); err != nil {
			t.Errorf("destroy: %v", err)
		}
	})
}

// TestLongTimeoutIsKept by the keyring, which has a bound of its own.
func TestLongTimeoutIsKept(t *testing.T) {
	for timeout, opens := range map[time.Duration]bool{0: false, 2 * time.Minute: true} {
		testbed.Bubble(t, func(t *testing.T) {
			fake := newFakeKMS()
			arn := fake.create(east, account, "k1")
			_, file := opened(t, fake, arn, awskms.Options{})
			fake.breakAll(func(w http.ResponseWriter, _ *http.Request, answer map[string]any) {
				time.Sleep(45 * time.Second)
				write(w, answer)
			})
			kr, err := keyring.Open(t.Context(), file, protector(t, fake.direct(east), arn, awskms.Options{Timeout: timeout}))
			if (err == nil) != opens {
				t.Errorf("a KMS that takes 45s, and a timeout of %v: %v", timeout, err)
			}
			if err == nil {
				kr.Close()
			}
		})
	}
}
