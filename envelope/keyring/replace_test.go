package keyring

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/hipaakit/hipaakit/envelope"
)

var errDisk = errors.New("the disk failed")

// faultyDisk fails at one step, and notes all.
type faultyDisk struct {
	osDisk
	fail  string
	steps []string
}

func (d *faultyDisk) step(name string) error {
	d.steps = append(d.steps, name)
	if name == d.fail {
		return errDisk
	}
	return nil
}

func (d *faultyDisk) create(dir, pattern string) (temporary, error) {
	if err := d.step("create"); err != nil {
		return nil, err
	}
	f, err := d.osDisk.create(dir, pattern)
	return faultyTemporary{f, d}, err
}

func (d *faultyDisk) rename(from, to string) error {
	if err := d.step("rename"); err != nil {
		return err
	}
	return d.osDisk.rename(from, to)
}

func (d *faultyDisk) sync(dir string) error {
	if err := d.step("sync folder"); err != nil {
		return err
	}
	return d.osDisk.sync(dir)
}

type faultyTemporary struct {
	temporary
	d *faultyDisk
}

// Write writes as much as fits, like a real disk.
func (f faultyTemporary) Write(b []byte) (int, error) {
	if err := f.d.step("write"); err != nil {
		n, _ := f.temporary.Write(b[:len(b)/2])
		return n, err
	}
	return f.temporary.Write(b)
}

func (f faultyTemporary) Sync() error {
	return errors.Join(f.d.step("sync"), f.temporary.Sync())
}

func (f faultyTemporary) Close() error {
	return errors.Join(f.d.step("close"), f.temporary.Close())
}

// replaceSteps is the order that a crash at any point asks for: the content is
// durable before a name leads to it, and the name before anybody is told.
var replaceSteps = []string{"create", "write", "sync", "close", "rename", "sync folder"}

func TestReplacingIsDurableStepByStep(t *testing.T) {
	_, path := testKeyring(t)
	d := &faultyDisk{}
	k := openTest(t, file{path, d}, testProtector(t, 1))
	mustRotate(t, k, envelope.DefaultKey)
	if !slices.Equal(d.steps, replaceSteps) {
		t.Errorf("%q", d.steps)
	}
}

func TestDiskThatFailsLeavesTheOldDocumentOrTheNew(t *testing.T) {
	for i, fail := range replaceSteps {
		_, path := testKeyring(t)
		before, _ := os.ReadFile(path)
		k := openTest(t, file{path, &faultyDisk{fail: fail}}, testProtector(t, 1))
		if _, err := k.Rotate(t.Context(), envelope.DefaultKey); !errors.Is(err, errDisk) {
			t.Errorf("%s: %v", fail, err)
		}
		renamed := i > slices.Index(replaceSteps, "rename")
		if after, _ := os.ReadFile(path); bytes.Equal(after, before) == renamed {
			t.Errorf("%s: replaced: %v", fail, !bytes.Equal(after, before))
		}
		if names := leftBehind(t, path); len(names) > 0 {
			t.Errorf("%s: left behind: %v", fail, names)
		}
		again := openTest(t, File(path), testProtector(t, 1))
		mustDerive(t, again, id(1))
		mustRotate(t, again, envelope.DefaultKey)
		// The keyring whose save failed goes on, whatever is in the file by now.
		if err := k.Reload(t.Context()); err != nil {
			t.Errorf("%s: %v", fail, err)
		}
		mustDerive(t, k, id(2))
	}
}

// TestOldDocumentsGoButNotWhatOthersAreSaving puts leftovers and look-alikes beside
// the keyring.
func TestOldDocumentsGoButNotWhatOthersAreSaving(t *testing.T) {
	k, path := testKeyring(t)
	mustRotate(t, k, "tenant")
	dir := filepath.Dir(path)
	keep := []string{
		".keyring-keyring.json.new-1", // of a keyring called keyring.json.new
		".keyring-keyring.json-2-1",   // of one called keyring.json-2
		".keyring-other.json-1", ".keyring-keyring.json-", "notes-1", "keyring.json-1",
	}
	leftovers := []string{".keyring-keyring.json-1", ".keyring-keyring.json-4242"}
	for _, name := range slices.Concat(keep, leftovers) {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("old"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if d := mustDestroy(t, k, "tenant"); d.Err() != nil {
		t.Error(d.Err())
	}
	left := leftBehind(t, path)
	slices.Sort(keep)
	if !slices.Equal(left, keep) {
		t.Errorf("left are %q", left)
	}
	for _, base := range []string{"keyring.json", "keyring.json-2", "*", "a b"} {
		f := osFile(filepath.Join(dir, base))
		tmp, err := f.disk.create(dir, f.leftoverPrefix()+"*")
		if err != nil {
			t.Fatal(err)
		}
		tmp.Close()
		if !f.isLeftover(filepath.Base(tmp.Name())) {
			t.Errorf("a save of %q leaves %q, which is not found", base, tmp.Name())
		}
	}
}

// TestSaveGoingOnIsNotTakenForALeftover: who removes waits for the lock.
func TestSaveGoingOnIsNotTakenForALeftover(t *testing.T) {
	_, path := testKeyring(t)
	f := osFile(path)
	release, err := f.lock(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	tmp, err := f.disk.create(filepath.Dir(path), f.leftoverPrefix()+"*")
	if err != nil {
		t.Fatal(err)
	}
	defer tmp.Close()
	done := make(chan error)
	go func() { done <- f.RemoveOld(t.Context()) }()
	l, err := os.Open(path + ".lock")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if taken, err := tryLock(l); taken || err != nil {
		t.Fatalf("%v, %v", taken, err)
	}
	if err := f.disk.rename(tmp.Name(), path+".saved"); err != nil {
		t.Errorf("removed under the lock: %v", err)
	}
	release()
	if err := <-done; err != nil {
		t.Error(err)
	}
}
