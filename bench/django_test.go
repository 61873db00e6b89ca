package main

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// needPython starts Django's cache. Where everything has to be installed, a machine
// that has lost it fails.
func needPython(t *testing.T) *python {
	t.Helper()
	p, err := startDjango(t.TempDir())
	if errors.Is(err, errNoDjango) && os.Getenv("HIPAAKIT_REQUIRE_SERVERS") == "" {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.close(); err != nil {
			t.Error(err)
		}
	})
	return p
}

func plainFiles(t *testing.T, records [][]byte) []string {
	t.Helper()
	st, err := fileShop().stock(filepath.Join(t.TempDir(), "plain"), records)
	if err != nil {
		t.Fatal(err)
	}
	return st.names
}

func TestDjangoReturnsWhatWasStored(t *testing.T) {
	p := needPython(t)
	records := cut(fillUp(nil, 1<<20, observation), 10_000, 70)
	dir := filepath.Join(t.TempDir(), "django")
	if err := p.djangoCache(dir, plainFiles(t, records), records); err != nil {
		t.Fatal(err)
	}
	for _, c := range append(p.contenders("read"), p.contenders("write")...) {
		if took, err := c.timed(50); err != nil || took <= 0 {
			t.Errorf("%s: %v, %v", c.name, took, err)
		}
	}
	other := cut(fillUp(nil, 1<<20, scanLine), 10_000, 70)
	if err := p.djangoCache(dir+"2", plainFiles(t, records), other); err == nil || !strings.Contains(err.Error(), "not what was stored") {
		t.Errorf("other records than those stored: %v", err)
	}
}

// TestDjangoStoresNothingReadable: a peer that did not encrypt would do less. Nor may
// it open what was changed.
func TestDjangoStoresNothingReadable(t *testing.T) {
	p := needPython(t)
	records := [][]byte{randomBytes(4000)} // which its compression leaves as it is
	dir := t.TempDir()
	if err := p.djangoCache(dir, plainFiles(t, records), records); err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob(filepath.Join(dir, "store", "*.djcache"))
	if err != nil || len(files) != 1 {
		t.Fatal(files, err)
	}
	sealed, err := os.ReadFile(files[0])
	if err != nil || len(sealed) < 4000 || strings.Contains(string(sealed), string(records[0][1000:1016])) {
		t.Errorf("%d bytes on disk, %v", len(sealed), err)
	}
	sealed[2000] ^= 1
	if err := os.WriteFile(files[0], sealed, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := p.check(0, records[0]); err == nil || !strings.Contains(err.Error(), "InvalidTag") && !strings.Contains(err.Error(), "MAC check failed") {
		t.Errorf("a flipped bit: %v", err)
	}
}

func TestAPythonWithoutDjangoSaysWhy(t *testing.T) {
	for _, script := range []string{"echo no module named django >&2; exit 1", "exit 0"} {
		if _, err := startChild("django.py", exec.Command("sh", "-c", script)); err == nil || !strings.Contains(err.Error(), "django.py ended") {
			t.Errorf("%q: %v", script, err)
		}
	}
	if _, err := startChild("django.py", exec.Command(filepath.Join(t.TempDir(), "python3"))); err == nil {
		t.Error("a command that is not there was started")
	}
}

// TestAnAnswerIsTakenFromTheChild also when it dies in the middle.
func TestAnAnswerIsTakenFromTheChild(t *testing.T) {
	p, err := startChild("django.py", exec.Command("sh", "-c", "echo 5.2; read a; echo ok; read a; echo 12345; read a; echo broken >&2; exit 3"))
	if err != nil || p.version != "5.2" {
		t.Fatal(p, err)
	}
	if took, err := p.contender("read", "cryptography").timed(7); err != nil || took != 12345 {
		t.Errorf("%v, %v", took, err)
	}
	if _, err := p.time("read", 1); err == nil || !strings.Contains(err.Error(), "broken") {
		t.Errorf("%v", err)
	}
	if err := p.close(); err != nil {
		t.Errorf("closing what has died: %v", err)
	}
	if err := (*python)(nil).close(); err != nil {
		t.Error(err)
	}
}
