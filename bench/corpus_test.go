package main

import (
	"bytes"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func randomBytes(n int) []byte {
	b := make([]byte, n)
	_, _ = rand.NewChaCha8([32]byte{9}).Read(b)
	return b
}

// TestExtremesAreChosenByWhatCompresses, and not by their names: of a folder with both
// kinds, only files that stay as large as they are stand for data that does not.
func TestExtremesAreChosenByWhatCompresses(t *testing.T) {
	dir := t.TempDir()
	noise := randomBytes(5000)
	for name, data := range map[string][]byte{
		"a/scan":    fillUp(nil, 9000, observation),
		"a/squeeze": noise,
		"b/text":    bytes.Repeat([]byte("observation "), 500),
	} {
		os.MkdirAll(filepath.Join(dir, filepath.Dir(name)), 0o700)
		os.WriteFile(filepath.Join(dir, name), data, 0o600)
	}
	text, stays, err := extremes(dir, 20_000)
	if err != nil || text.name != "b" || !bytes.HasPrefix(text.data, []byte("observation observation")) || len(text.data) != 20_000 {
		t.Errorf("%s, %d bytes, %v", text.name, len(text.data), err)
	}
	if !bytes.HasPrefix(stays.data, noise) || len(stays.data) != 20_000 || !strings.HasPrefix(stays.name, "a ") {
		t.Errorf("%s, %d bytes", stays.name, len(stays.data))
	}
	os.Remove(filepath.Join(dir, "a/squeeze"))
	if _, stays, err = extremes(dir, 20_000); err != nil || stays.name != "random bytes" || shrunk(stays.data) < incompressible {
		t.Errorf("without such a file: %s, %v", stays.name, err)
	}
}
