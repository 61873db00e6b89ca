package floe

import (
	"bytes"
	"encoding/hex"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// The specification's own known answers are kept beside the repository.
const katFolder = "../../../shared/kat/floe"

// TestKnownAnswers opens what other implementations of the specification
// sealed, one file pair each, as a stream and segment by segment.
func TestKnownAnswers(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(katFolder, "*_ct.txt"))
	if err != nil {
		t.Fatal(err)
	}
	if len(files) == 0 {
		if os.Getenv("CI") == "true" {
			t.Fatal("the specification's known answers are missing")
		}
		t.Skip("the specification's known answers are not here: skipped")
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			rotation := uint(rotationMask)
			if strings.Contains(filepath.Base(file), "rotation") {
				rotation = 2
			}
			sealed := readHex(t, file)
			plain := readHex(t, strings.Replace(file, "_ct.txt", "_pt.txt", 1))
			openBothWays(t, make([]byte, KeySize), []byte("This is AAD"), sealed, plain, rotation)
		})
	}
}

// TestOwnVectors pins the format: what an earlier version sealed must open.
func TestOwnVectors(t *testing.T) {
	files, _ := filepath.Glob("testdata/*_ct.txt")
	if len(files) == 0 {
		t.Fatal("no vectors in testdata")
	}
	key := bytes.Repeat([]byte{0x42}, KeySize)
	for _, file := range files {
		plain := readHex(t, strings.Replace(file, "_ct.txt", "_pt.txt", 1))
		openBothWays(t, key, []byte("hipaakit"), readHex(t, file), plain, rotationMask)
	}
}

func readHex(t *testing.T, file string) []byte {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	b, err := hex.DecodeString(strings.TrimSpace(string(text)))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func openBothWays(t *testing.T, key, aad, sealed, want []byte, rotation uint) {
	t.Helper()
	o, err := newOpener(key, aad, sealed[:HeaderSize], rotation)
	if err != nil {
		t.Fatal(err)
	}
	body := sealed[HeaderSize:]
	got, err := readAll(NewReader(bytes.NewReader(body), o))
	if err != nil || !bytes.Equal(got, want) {
		t.Fatalf("stream: %v, %d bytes, want %d", err, len(got), len(want))
	}
	// Backwards, so that rotation windows are entered from the far side.
	segments := slices.Collect(slices.Chunk(body, o.SegmentLength()))
	var reversed [][]byte
	for i := len(segments) - 1; i >= 0; i-- {
		p, err := o.Open(nil, segments[i], uint64(i), i == len(segments)-1)
		if err != nil {
			t.Fatal(err)
		}
		reversed = append([][]byte{p}, reversed...)
	}
	if !bytes.Equal(bytes.Join(reversed, nil), want) {
		t.Fatal("segment by segment: other bytes")
	}
}
