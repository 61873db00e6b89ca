package keyring

import (
	"bytes"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hipaakit/hipaakit/envelope"
	"github.com/hipaakit/hipaakit/internal/testbed"
)

// TestVersionReusedAfterARollBackIsNoticed: the document is put back to an older
// one, and a node that has not seen the newer rotates. What is sealed under the
// first version 2 would be lost with the last process that has it.
func TestVersionReusedAfterARollBackIsNoticed(t *testing.T) {
	a, b, m := twoNodes(t)
	defer a.Close()
	defer b.Close()
	older := m.stored()
	mustRotate(t, a, envelope.DefaultKey)
	mine := mustDerive(t, a, id(2))
	m.with(func() { m.doc = older })
	mustRotate(t, b, envelope.DefaultKey)
	theirs := m.stored()
	if mine == mustDerive(t, b, id(2)) {
		t.Fatal("the same key")
	}
	if err := a.Reload(t.Context()); !errors.Is(err, ErrRolledBack) {
		t.Errorf("reload: %v", err)
	}
	if got, err := a.Rotate(t.Context(), envelope.DefaultKey); !errors.Is(err, ErrRolledBack) || !bytes.Equal(m.stored(), theirs) {
		t.Errorf("rotate: %v, %v", got, err)
	}
	rescued, err := Restore(t.Context(), &memory{}, testProtector(t, 1), mustExport(t, a, testProtector(t, 2)), testProtector(t, 2))
	if err != nil {
		t.Fatal(err)
	}
	defer rescued.Close()
	if mustDerive(t, a, id(2)) != mine || mustDerive(t, rescued, id(2)) != mine {
		t.Error("it is not the key any more that it was")
	}
}

// TestKeyringMadeAnewIsNoticed, also by a node that has forgotten the key since.
func TestKeyringMadeAnewIsNoticed(t *testing.T) {
	for what, idle := range map[string]time.Duration{"in memory": 0, "forgotten": testLifetime + time.Second} {
		for _, remote := range []bool{false, true} {
			testbed.Bubble(t, func(t *testing.T) {
				s := newService(t, testLifetime, 0)
				p := Protector(s)
				if !remote {
					p = testProtector(t, 1)
				}
				m := &memory{}
				k, err := Create(t.Context(), m, p)
				if err != nil {
					t.Fatal(err)
				}
				defer k.Close()
				before := mustDerive(t, k, id(1))
				m.with(func() { m.doc = nil })
				s.with(func() { s.made = 50 }) // else it makes the same key again
				c, err := Create(t.Context(), m, p)
				if err != nil {
					t.Fatal(err)
				}
				defer c.Close()
				time.Sleep(idle)
				if got, err := k.Derive(t.Context(), id(1), []byte("info")); err == nil && got != before {
					t.Errorf("%s, remote %v: became another key", what, remote)
				}
				if err := k.Reload(t.Context()); !errors.Is(err, ErrRolledBack) {
					t.Errorf("%s, remote %v: %v", what, remote, err)
				}
			})
		}
	}
}

// TestSameKeysWrappedAnewAreTakenOver: an export under the same secret that was put
// in the document's place. Each key is looked at once.
func TestSameKeysWrappedAnewAreTakenOver(t *testing.T) {
	testbed.Bubble(t, func(t *testing.T) {
		s := newService(t, testLifetime, 0)
		k, m := remoteKeyring(t, s, "tenant", "unused")
		want := mustDerive(t, k, keyID("tenant", 1))
		again := mustExport(t, k, s)
		s.questions()
		m.with(func() { m.doc = again })
		for _, calls := range []int{2, 0} { // of default and tenant; nothing is known of the third
			if err := k.Reload(t.Context()); err != nil {
				t.Error(err)
			}
			if n := s.questions(); n != calls {
				t.Errorf("%d calls, want %d", n, calls)
			}
		}
		time.Sleep(testLifetime)
		if mustDerive(t, k, keyID("tenant", 1)) != want {
			t.Error("another key")
		}
	})
}

// TestAnswerFromADocumentThatWasReplacedIsNotKept: it is on its way while another
// key takes the id.
func TestAnswerFromADocumentThatWasReplacedIsNotKept(t *testing.T) {
	testbed.Bubble(t, func(t *testing.T) {
		s := newService(t, testLifetime, 0)
		k, m := remoteKeyring(t, s, "tenant")
		d := k.current().doc
		e, _ := d.find(keyID("tenant", 1))
		e, err := e.wrap(t.Context(), s, bytes.Repeat([]byte{77}, KeySize))
		if err != nil {
			t.Fatal(err)
		}
		other, _ := d.with(e).encode()
		s.with(func() { s.delay = 5 * time.Second })
		done := make(chan [envelope.DerivedKeySize]byte, 1)
		go func() {
			out, err := k.Derive(t.Context(), keyID("tenant", 1), []byte("info"))
			if err != nil {
				t.Error(err)
			}
			done <- out
		}()
		synctest.Wait()
		m.with(func() { m.doc = other })
		if err := k.Reload(t.Context()); err != nil {
			t.Fatal(err)
		}
		got := <-done
		if want := mustDerive(t, openTest(t, m, s), keyID("tenant", 1)); got != want {
			t.Error("derived with a key that is in no document")
		}
	})
}
