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

	"github.com/hipaakit/hipaakit/internal/testbed"
)

var update = flag.Bool("update", false, "write the golden folder anew; only ever for a new version of the format")

const golden = "testdata/cache-v1"

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

// goldenEntries are in the golden segment; the last has been dropped.
var goldenEntries = []struct {
	key, version, group, blob string
	data                      []byte
	codec                     byte
}{
	{"patients/1/bundle.json", `"etag-1"`, "", "blob", bytes.Repeat([]byte("compresses "), 10_000), codecLZ},
	{"patients/2/bundle.json", `"etag-2"`, "patient 2", "", bytes.Repeat([]byte("compresses as well "), 70_000), codecLZ}, // two chunks
	{"images/1.dcm", `"etag-3"`, "", "", []byte("short"), codecPlain},
	{"images/2.dcm", `"etag-4"`, "", "", noise(140_000), codecPlain}, // two chunks, too
	{"images/3.dcm", `"etag-5"`, "patient 2", "", noise(1000), codecPlain},
	{"empty", "", "", "", nil, codecPlain},
	{"dropped", `"etag-7"`, "", "", []byte("gone"), codecPlain},
}

// writeGolden runs in a bubble, whose clock says 2000: no clock that the files are
// read under will be before that.
func writeGolden(t *testing.T) {
	files := map[string][]byte{markerName: []byte(markerTag + markerText + "1\n"), keyName: append([]byte(keyMagic), append([]byte{1}, "golden"...)...)}
	dir := writeFolder(t, files)
	c := open4test(t, dir, Options{Keys: goldenKeys{}})
	for _, e := range goldenEntries {
		m := Meta{Version: e.version, Group: e.group, Blob: []byte(e.blob)}
		if err := c.Put(e.key, NewView(e.data), m, c.Fence(e.key)); err != nil {
			t.Fatal(err)
		}
	}
	c.Drop("dropped")
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(golden, 0o755); err != nil {
		t.Fatal(err)
	}
	for name, data := range onDisk(t, dir) {
		if name == lockName {
			continue
		}
		if err := os.WriteFile(filepath.Join(golden, name), data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// reader reads the formats as the comments beside the constants specify them. It
// shares no code with the package.
type reader struct {
	t    *testing.T
	file []byte
	aead cipher.AEAD // of the file
	id   []byte
	off  int
}

func specifiedAEAD(t *testing.T, secret []byte, salt []byte, info string) cipher.AEAD {
	t.Helper()
	key, err := hkdf.Key(sha256.New, secret, salt, "hipaakit diskcache "+info, 32)
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
	return aead
}

func newReader(t *testing.T, name string, queue byte) *reader {
	t.Helper()
	file, err := os.ReadFile(filepath.Join(golden, name))
	if err != nil {
		t.Fatal(err)
	}
	if string(file[:8]) != "HKCACHE\x01" || file[56] != queue || file[57] != 0 {
		t.Fatal(name, "header")
	}
	r := &reader{t: t, file: file, id: file[16:48], off: 96}
	r.aead = specifiedAEAD(t, goldenKey(), r.id, "file "+string(file[:64]))
	if _, err := r.aead.Open(nil, nil, file[64:92], nil); err != nil {
		t.Fatal(name, "header", err)
	}
	return r
}

func (r *reader) take(n int) []byte {
	b := r.file[r.off:][:n]
	r.off += n
	return b
}

func (r *reader) open(aead cipher.AEAD, what string, sealed []byte, aad ...[]byte) []byte {
	r.t.Helper()
	plain, err := aead.Open(nil, nil, sealed, bytes.Join(aad, nil))
	if err != nil {
		r.t.Fatal(what, err)
	}
	return plain
}

// groupSecrets reads the table of secrets.
func groupSecrets(t *testing.T) map[uint64][]byte {
	t.Helper()
	file, err := os.ReadFile(filepath.Join(golden, "groups"))
	if err != nil {
		t.Fatal(err)
	}
	if string(file[:8]) != "HKCGRP\x00\x01" {
		t.Fatal("groups: header")
	}
	aead := specifiedAEAD(t, goldenKey(), file[8:40], "groups")
	secrets := make(map[uint64][]byte)
	for n := 0; 4096*(n+1) < len(file); n++ {
		page := file[4096*(n+1):][:4096]
		plain, err := aead.Open(nil, nil, page[:92*44+28], binary.BigEndian.AppendUint32([]byte("g"), uint32(n)))
		if err != nil {
			t.Fatal("groups:", err)
		}
		for ; len(plain) > 0; plain = plain[44:] {
			if binary.BigEndian.Uint32(plain[8:]) != 0 {
				secrets[binary.BigEndian.Uint64(plain)] = plain[12:44]
			}
		}
	}
	return secrets
}

func TestFormatIsAsSpecified(t *testing.T) {
	if *update {
		testbed.Bubble(t, writeGolden)
	}
	secrets := groupSecrets(t)
	r := newReader(t, "00000001.seg", 0)
	var index []byte
	lastSeq := uint64(0)
	for _, want := range goldenEntries {
		start := r.off
		hash, seq := r.record(want.key, want.version, want.group, want.blob, want.codec, want.data, secrets)
		if seq <= lastSeq {
			t.Error("sequence numbers do not grow")
		}
		lastSeq = seq
		index = binary.BigEndian.AppendUint64(index, hash)
		index = binary.BigEndian.AppendUint64(index, seq<<1)
		index = binary.BigEndian.AppendUint32(index, uint32(start))
		index = binary.BigEndian.AppendUint32(index, uint32(r.off-start))
	}
	block := r.off
	place, header := r.place()
	if binary.BigEndian.Uint64(header[4:]) != 0 {
		t.Error("there is no block before the first")
	}
	plain := r.open(r.aead, "index block", r.take(int(binary.BigEndian.Uint32(header)&^(1<<30))), []byte("x"), place)
	if !bytes.Equal(plain, index) {
		t.Error("index block")
	}
	place, header = r.place()
	if binary.BigEndian.Uint32(header) != 3<<30|44 || binary.BigEndian.Uint64(header[4:]) != uint64(block) {
		t.Error("trailer")
	}
	plain = r.open(r.aead, "trailer", r.take(44), []byte("t"), place)
	if binary.BigEndian.Uint64(plain) != uint64(len(goldenEntries)) || binary.BigEndian.Uint64(plain[8:]) != lastSeq || r.off != len(r.file) {
		t.Error("trailer")
	}
	dropped := index[len(index)-24:]
	r = newReader(t, "00000002.drops", 2)
	plain = r.open(r.aead, "drop", r.take(45), []byte("d"), binary.BigEndian.AppendUint64(nil, 96))
	if plain[0] != 1 || !bytes.Equal(plain[1:9], dropped[:8]) || binary.BigEndian.Uint64(plain[9:]) <= lastSeq || r.off != len(r.file) {
		t.Error("drop")
	}
}

// place returns what everything at this offset is bound to, and steps over the header.
func (r *reader) place() (place, header []byte) {
	off := binary.BigEndian.AppendUint64(nil, uint64(r.off))
	header = r.take(12)
	return bytes.Join([][]byte{r.id, off, header}, nil), header
}

// record reads one record and compares it.
func (r *reader) record(key, version, group, blob string, codec byte, data []byte, secrets map[uint64][]byte) (hash, seq uint64) {
	r.t.Helper()
	place, header := r.place()
	first := binary.BigEndian.Uint32(header)
	rest := r.off + 65 + int(first&(1<<30-1)) + int(binary.BigEndian.Uint64(header[4:]))
	head := r.open(r.aead, "head", r.take(65), []byte("h"), place)
	hash, seq = binary.BigEndian.Uint64(head[1:]), binary.BigEndian.Uint64(head[9:])
	aead := r.aead
	if grouped := first>>31 == 1; grouped != (group != "") {
		r.t.Fatal(key, "flag of the group")
	} else if grouped {
		secret := append(goldenKey(), secrets[binary.BigEndian.Uint64(head[17:])]...)
		aead = specifiedAEAD(r.t, secret, r.id, "file "+string(r.file[:64]))
	}
	plain := r.open(aead, key, r.take(int(first&(1<<30-1))), []byte("f"), place, head[1:17])
	size, chunk := binary.BigEndian.Uint64(plain[9:]), uint64(binary.BigEndian.Uint32(plain[17:]))
	chunks := int(max(1, (size+chunk-1)/chunk))
	lens := plain[31:]
	names := lens
	if plain[0] == 1 {
		names = lens[4*(chunks-1):]
	}
	all := key + version + group + blob
	if string(names[:len(all)]) != all || int(binary.BigEndian.Uint16(plain[21:])) != len(key) ||
		int(binary.BigEndian.Uint16(plain[23:])) != len(version) || int(binary.BigEndian.Uint16(plain[25:])) != len(group) ||
		int(binary.BigEndian.Uint32(plain[27:])) != len(blob) || plain[0] != codec {
		r.t.Fatal(key, "metadata")
	}
	body := names[len(all):]
	meta := plain[:len(plain)-len(body)-len(blob)]
	var got []byte
	for n := 0; n < chunks; n++ {
		if n > 0 {
			length := int(min(chunk, size-uint64(n)*chunk))
			if codec == 1 {
				length = int(binary.BigEndian.Uint32(lens[4*(n-1):]))
			}
			last := []byte{0}
			if n == chunks-1 {
				last[0] = 1
			}
			body = r.open(aead, key, r.take(length+28), []byte("c"), place, head[1:17], meta, binary.BigEndian.AppendUint64(nil, uint64(n)), last)
		}
		if codec == 1 {
			var ok bool
			if body, ok = decodedByTheBook(body); !ok {
				r.t.Fatal(key, "a chunk does not decode")
			}
		}
		got = append(got, body...)
	}
	if r.off != rest || !bytes.Equal(got, data) {
		r.t.Error(key, "data")
	}
	return hash, seq
}

// TestFolderWrittenByTheFirstVersionIsRead keeps later changes compatible.
func TestFolderWrittenByTheFirstVersionIsRead(t *testing.T) {
	files := onDisk(t, filepath.FromSlash(golden))
	c := open4test(t, writeFolder(t, files), Options{Keys: goldenKeys{}, MaxAge: 100 * defaultMaxAge})
	for _, want := range goldenEntries[:6] {
		e := wantHit(t, c, want.key, want.data)
		if e.Version != want.version || e.Group != want.group || string(e.Blob) != want.blob || !e.Suspect {
			t.Error(e)
		}
	}
	if _, err := c.Get("dropped"); !errors.Is(err, ErrMiss) {
		t.Error("the drop was not read")
	}
	if st := c.Stats(); st.Scanned+st.Damaged+st.DiskErrors > 0 {
		t.Errorf("%+v", st)
	}
}
