package envelope

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
)

const goldenFolder = "../testdata/envelope"

// golden is what testdata/envelope/vectors.json says of one file.
type golden struct {
	File     string            `json:"file"`
	Size     int64             `json:"size"`
	SHA256   string            `json:"sha256"`
	Name     string            `json:"name"`
	Metadata map[string]string `json:"metadata"`
	Keys     []string          `json:"keys"`
}

// TestGoldenVectors opens envelopes of format version 1 as they were sealed
// when the format was fixed. A change that breaks it needs a new version.
func TestGoldenVectors(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(goldenFolder, "vectors.json"))
	if err != nil {
		t.Fatal(err)
	}
	var vectors []golden
	if err := json.Unmarshal(text, &vectors); err != nil {
		t.Fatal(err)
	}
	if len(vectors) < 5 {
		t.Fatalf("%d vectors", len(vectors))
	}
	for _, v := range vectors {
		sealed, err := os.ReadFile(filepath.Join(goldenFolder, v.File))
		if err != nil {
			t.Fatal(err)
		}
		data, info, err := Open(t.Context(), nil, sealed, testRing, testBinding)
		if err != nil {
			t.Errorf("%s: %v", v.File, err)
			continue
		}
		sum := sha256.Sum256(data)
		if info.Size != v.Size || hex.EncodeToString(sum[:]) != v.SHA256 || info.Name != v.Name || info.Metadata["kind"] != v.Metadata["kind"] {
			t.Errorf("%s opened to something else: %+v", v.File, info)
		}
		if len(info.Keys) != len(v.Keys) || info.Keys[0].String() != v.Keys[0] {
			t.Errorf("%s: slots %v", v.File, info.Keys)
		}
	}
}
