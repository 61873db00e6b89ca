package s3store

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/hipaakit/hipaakit/envelope"
	"github.com/hipaakit/hipaakit/envelope/keyring"
)

func sharedRing(t *testing.T) (*fakeS3, keyring.Storage) {
	t.Helper()
	f := newFakeS3(t)
	f.versioned = true
	return f, KeyringObject(f.client(), "bucket", "ring", ServerSideEncryption{})
}

func rawProtector(t *testing.T) keyring.Protector {
	t.Helper()
	p, err := keyring.Raw(keyring.NewSecret(bytes.Repeat([]byte{5}, keyring.KeySize)))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// TestNodesShareAKeyring: what one node seals under a new version, the other opens.
func TestNodesShareAKeyring(t *testing.T) {
	f, storage := sharedRing(t)
	a, err := keyring.Create(t.Context(), storage, rawProtector(t))
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	b, err := keyring.Open(t.Context(), storage, rawProtector(t))
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	one, two := newStore(t, f.client(), a, Options{}), newStore(t, f.client(), b, Options{})
	put(t, one, "k", "before")
	mustGet(t, two, "k", "before")
	if _, err := a.Rotate(t.Context(), envelope.DefaultKey); err != nil {
		t.Fatal(err)
	}
	put(t, one, "k", "after")
	mustGet(t, two, "k", "after")
}

// TestRotationsOfManyNodesAllCount: each is made on top of the others.
func TestRotationsOfManyNodesAllCount(t *testing.T) {
	_, storage := sharedRing(t)
	first, err := keyring.Create(t.Context(), storage, rawProtector(t))
	if err != nil {
		t.Fatal(err)
	}
	defer first.Close()
	const nodes = 4
	var wg sync.WaitGroup
	for i := range nodes {
		wg.Go(func() {
			node, err := keyring.Open(t.Context(), storage, rawProtector(t))
			if err != nil {
				t.Error(err)
				return
			}
			defer node.Close()
			for {
				if _, err = node.Rotate(t.Context(), fmt.Sprintf("key%d", i)); !errors.Is(err, keyring.ErrChanged) {
					break
				}
			}
			if err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	last, err := keyring.Open(t.Context(), storage, rawProtector(t))
	if err != nil {
		t.Fatal(err)
	}
	defer last.Close()
	for i := range nodes {
		if _, err := last.Latest(t.Context(), fmt.Sprintf("key%d", i)); err != nil {
			t.Error(err)
		}
	}
}

// TestSaveWhoseAnswerIsLost is read back; one that was lost on its way is not said to
// have been made.
func TestSaveWhoseAnswerIsLost(t *testing.T) {
	f, storage := sharedRing(t)
	f.after = func(*http.Request) { panic(http.ErrAbortHandler) }
	if err := storage.Save(t.Context(), []byte("one"), ""); err != nil {
		t.Errorf("made, but: %v", err)
	}
	f.after = nil
	doc, revision, err := storage.Load(t.Context())
	if err != nil || string(doc) != "one" {
		t.Fatalf("%q, %v", doc, err)
	}
	f.before = func(_ http.ResponseWriter, r *http.Request) bool {
		if r.Method == http.MethodPut {
			panic(http.ErrAbortHandler)
		}
		return false
	}
	if err := storage.Save(t.Context(), []byte("one, and more"), revision); !errors.Is(err, ErrOutcomeUnknown) || errors.Is(err, keyring.ErrChanged) {
		t.Errorf("lost: %v", err)
	}
	f.before = nil
	// What is there begins like the new document, but is not it.
	f.before = func(w http.ResponseWriter, r *http.Request) bool {
		if r.Method == http.MethodPut {
			f.set("ring", []byte("short, and more than that"))
			fail(w, http.StatusPreconditionFailed, "PreconditionFailed")
			return true
		}
		return false
	}
	if err := storage.Save(t.Context(), []byte("short"), revision); !errors.Is(err, keyring.ErrChanged) {
		t.Errorf("another document: %v", err)
	}
}

func TestSaveThatS3CannotOrderIsChanged(t *testing.T) {
	f, storage := sharedRing(t)
	f.before = func(w http.ResponseWriter, r *http.Request) bool {
		fail(w, http.StatusConflict, "ConditionalRequestConflict")
		return true
	}
	if err := storage.Save(t.Context(), []byte("one"), ""); !errors.Is(err, keyring.ErrChanged) {
		t.Error(err)
	}
}

func TestOldKeyringsAreRemoved(t *testing.T) {
	f, storage := sharedRing(t)
	if err := storage.Save(t.Context(), []byte("doc"), ""); err != nil {
		t.Fatal(err)
	}
	for i := range 7 { // more than a page
		_, revision, err := storage.Load(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if err := storage.Save(t.Context(), fmt.Appendf(nil, "doc %d", i), revision); err != nil {
			t.Fatal(err)
		}
	}
	f.set("ring2", []byte("another object whose name begins so"))
	f.set("ring2", []byte("with two versions"))
	old := storage.(interface{ RemoveOld(context.Context) error })
	if err := old.RemoveOld(t.Context()); err != nil {
		t.Fatal(err)
	}
	if len(f.objects["ring"]) != 1 || string(f.body("ring")) != "doc 6" || len(f.objects["ring2"]) != 2 {
		t.Errorf("left %d versions, %q, and %d of another", len(f.objects["ring"]), f.body("ring"), len(f.objects["ring2"]))
	}
	if err := old.RemoveOld(t.Context()); err != nil {
		t.Errorf("nothing to remove: %v", err)
	}
	f.before = answer(http.StatusForbidden, "AccessDenied")
	if err := old.RemoveOld(t.Context()); !errors.Is(err, ErrDenied) {
		t.Errorf("denied: %v", err)
	}
}

func TestBadArgumentsOfAKeyringObject(t *testing.T) {
	f := newFakeS3(t)
	for name, storage := range map[string]keyring.Storage{
		"no client": KeyringObject(nil, "bucket", "ring", ServerSideEncryption{}),
		"no bucket": KeyringObject(f.client(), "", "ring", ServerSideEncryption{}),
		"no key":    KeyringObject(f.client(), "bucket", "", ServerSideEncryption{}),
	} {
		_, _, err := storage.Load(t.Context())
		removed := storage.(interface{ RemoveOld(context.Context) error }).RemoveOld(t.Context())
		if !errors.Is(err, ErrInvalid) || !errors.Is(storage.Save(t.Context(), nil, ""), ErrInvalid) || !errors.Is(removed, ErrInvalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
	mustAsk(t, f)
	storage := KeyringObject(f.client(), "bucket", "ring", ServerSideEncryption{KMSKeyID: "alias/phi"})
	if err := storage.Save(t.Context(), []byte("doc"), ""); err != nil || f.writes[0].Header.Get("X-Amz-Server-Side-Encryption") != "aws:kms" {
		t.Errorf("%v, %v", err, f.writes[0].Header)
	}
	f.set("ring", []byte(strings.Repeat("x", maxDocument+1)))
	if _, _, err := storage.Load(t.Context()); !errors.Is(err, ErrTooLarge) {
		t.Error(err)
	}
}
