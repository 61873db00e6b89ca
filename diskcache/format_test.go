package diskcache

import (
	"bytes"
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"

	"github.com/klauspost/compress/s2"
)

var update = flag.Bool("update", false, "write the golden segment anew; only ever for a new version of the format")

const golden = "testdata/segment-v1.seg"

// goldenKeys unwraps to the key 00 01 02 .. 1f.
type goldenKeys struct{}

func goldenKey() []byte {
	key := make([]byte, 32)
	for i := range key {
		key[i] = byte(i)
	}
	return key
}

func (goldenKeys) WrapKey(context.Context, []byte) ([]byte, error)   { return []byte("golden"), nil }
func (goldenKeys) UnwrapKey(context.Context, []byte) ([]byte, error) { return goldenKey(), nil }

// goldenEntries are in the golden segment, followed by a drop of the last.
var goldenEntries = []struct {
	key, version, blob string
	data               []byte
	codec              byte
}{
	{"", "", "", nil, 0}, // index 0 is not used: sequence numbers start at 1
	{"patients/1/bundle.json", `"etag-1"`, "blob", bytes.Repeat([]byte("compresses "), 10_000), codecS2},
	{"images/1.dcm", `"etag-2"`, "", []byte("short"), codecPlain},
	{"images/2.dcm", `"etag-3"`, "", noise(70_000), codecPlain}, // two chunks
	{"empty", "", "", nil, codecPlain},
	{"dropped", `"etag-5"`, "", []byte("gone"), codecPlain},
}

// writeGolden runs in a bubble, whose clock says 2000: no clock that the file
// is read under will be before that.
func writeGolden(t *testing.T) {
	dir := newDir(t)
	c := open4test(t, dir, Options{Keys: testKeys{}})
	copy(c.disk.key[:], goldenKey())
	for _, e := range goldenEntries[1:] {
		if err := c.Put(e.key, NewView(e.data), Meta{Version: e.version, Blob: []byte(e.blob)}, c.Fence(e.key)); err != nil {
			t.Fatal(err)
		}
	}
	c.Drop("dropped")
	if err := os.WriteFile(golden, onDisk(t, dir)[segmentName(1)], 0o644); err != nil {
		t.Fatal(err)
	}
}

// TestFormatIsAsSpecified reads the golden segment with a reader written from
// the comments beside the constants, which shares no code with the package.
func TestFormatIsAsSpecified(t *testing.T) {
	if *update {
		synctest.Test(t, writeGolden)
	}
	file, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if string(file[:8]) != "HKCACHE\x01" || binary.BigEndian.Uint64(file[8:]) != 1 || file[48] != 0 {
		t.Fatal("segment header")
	}
	id := file[16:48]
	key, err := hkdf.Key(sha256.New, goldenKey(), id, string(file[:64]), 32)
	if err != nil {
		t.Fatal(err)
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		t.Fatal(err)
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		t.Fatal(err)
	}
	rest, lastSeq := file[64:], uint64(0)
	for i := 1; len(rest) > 0; i++ {
		offset := binary.BigEndian.AppendUint64(nil, uint64(len(file)-len(rest)))
		header := rest[:12]
		metaLen, bodyLen := binary.BigEndian.Uint32(header), binary.BigEndian.Uint64(header[4:])
		sealedMeta, body := rest[12:12+metaLen], rest[12+uint64(metaLen):][:bodyLen]
		rest = rest[12+uint64(metaLen)+bodyLen:]

		place := bytes.Join([][]byte{id, offset, header}, nil)
		meta, err := aead.Open(nil, nil, sealedMeta, append([]byte("m"), place...))
		if err != nil {
			t.Fatal("metadata of record", i, err)
		}
		kind, codec := meta[0], meta[1]
		seq, plain, encoded := binary.BigEndian.Uint64(meta[2:]), binary.BigEndian.Uint64(meta[18:]), binary.BigEndian.Uint64(meta[26:])
		keyLen, versionLen := binary.BigEndian.Uint16(meta[34:]), binary.BigEndian.Uint16(meta[36:])
		blob := meta[42+keyLen+versionLen:]
		if seq <= lastSeq || uint32(len(blob)) != binary.BigEndian.Uint32(meta[38:]) {
			t.Fatal("metadata of record", i)
		}
		lastSeq = seq
		name, version := string(meta[42:][:keyLen]), string(meta[42+keyLen:][:versionLen])
		if i == len(goldenEntries) {
			if kind != 2 || name != "dropped" || bodyLen != 0 || len(rest) != 0 {
				t.Fatal("the last record is not the drop")
			}
			return
		}

		var opened []byte
		for n := uint64(0); len(body) > 0; n++ {
			chunk := body[:min(len(body), 65536+28)]
			body = body[len(chunk):]
			aad := bytes.Join([][]byte{[]byte("c"), place, meta[:len(meta)-len(blob)], binary.BigEndian.AppendUint64(nil, n), {0}}, nil)
			if len(body) == 0 {
				aad[len(aad)-1] = 1
			}
			if opened, err = aead.Open(opened, nil, chunk, aad); err != nil {
				t.Fatal("chunk", n, "of record", i, err)
			}
		}
		if uint64(len(opened)) != encoded {
			t.Fatal("length of record", i)
		}
		if codec == 1 {
			if opened, err = s2.Decode(nil, opened); err != nil {
				t.Fatal(err)
			}
		}
		want := goldenEntries[i]
		if kind != 1 || codec != want.codec || name != want.key || version != want.version ||
			string(blob) != want.blob || uint64(len(opened)) != plain || !bytes.Equal(opened, want.data) {
			t.Errorf("record %d is not as written: %q %q", i, name, version)
		}
	}
	t.Error("the drop is missing")
}

// TestFolderWrittenByTheFirstVersionIsRead keeps later changes compatible.
func TestFolderWrittenByTheFirstVersionIsRead(t *testing.T) {
	segment, err := os.ReadFile(filepath.FromSlash(golden))
	if err != nil {
		t.Fatal(err)
	}
	dir := writeFolder(t, map[string][]byte{
		"CACHEDIR.TAG":         []byte("Signature: 8a477f597d28d172789f06886806bc55\n# hipaakit diskcache format 1\n"),
		"key":                  []byte("HKCKEY\x00\x01golden"),
		"0000000000000001.seg": segment,
	})
	c := open4test(t, dir, Options{Keys: goldenKeys{}, MaxAge: 100 * defaultMaxAge})
	for _, want := range goldenEntries[1:5] {
		e := wantHit(t, c, want.key, want.data)
		if e.Version != want.version || string(e.Blob) != want.blob || !e.Suspect {
			t.Error(e)
		}
	}
	if _, err := c.Get("dropped"); !errors.Is(err, ErrMiss) {
		t.Error("the drop was not read")
	}
}
