package diskcache

import (
	"bytes"
	"encoding/binary"
	"os"
	"path/filepath"
	"testing"
)

// TestRecordApartIsAsSpecified reads one as the comments beside the constants specify
// it, with the cache key and nothing else of the package.
func TestRecordApartIsAsSpecified(t *testing.T) {
	dir := newDir(t)
	c := open4test(t, writeGoldenKey(t, dir), Options{Keys: goldenKeys{}, MaxBytes: 64 << 20})
	want := mixed("k", 3<<20)
	m := Meta{Version: "etag", Group: "patient", Blob: []byte("blob")}
	if err := c.PutFrom(t.Context(), "k", bytes.NewReader(want), -1, m, c.Fence("k")); err != nil {
		t.Fatal(err)
	}
	sl, _ := c.peekSlot(c.hash("k"))
	secret := make(map[uint64][]byte)
	for hash, k := range c.disk.groups.keys {
		secret[hash] = bytes.Clone(k.secret[:])
	}
	file, err := os.ReadFile(filepath.Join(dir, segmentName(sl.file)))
	if err != nil {
		t.Fatal(err)
	}
	if string(file[:8]) != "HKCACHE\x01" || file[56] != 0 || file[57] != 1 {
		t.Fatal("header")
	}
	r := &reader{t: t, file: file, id: file[16:48]}
	r.aead = specifiedAEAD(t, goldenKey(), r.id, "file "+string(file[:64]))

	// From the end: trailer, block, header, head, first message.
	r.off = len(file) - 56
	place, header := r.place()
	r.open(r.aead, "trailer", r.take(44), []byte("t"), place)
	block := int(binary.BigEndian.Uint64(header[4:]))
	r.off = block - 12
	place, header = r.place()
	binary.BigEndian.PutUint64(place[32:], 96) // of the record, not of its header
	first, body := int(binary.BigEndian.Uint32(header)&(1<<30-1)), int(binary.BigEndian.Uint64(header[4:]))
	r.off = 96 + body
	sealed := r.take(first)
	head := r.open(r.aead, "head", r.take(65), []byte("h"), place)
	if r.off != block-12 || binary.BigEndian.Uint64(head[1:]) != sl.hash || binary.BigEndian.Uint64(head[9:]) != sl.seq() {
		t.Fatal("head")
	}
	key := append(goldenKey(), secret[binary.BigEndian.Uint64(head[17:])]...)
	plain := r.open(specifiedAEAD(t, key, r.id, "file "+string(file[:64])), "first message", sealed, []byte("f"), place, head[1:17])
	size, chunk := int(binary.BigEndian.Uint64(plain[9:])), int(binary.BigEndian.Uint32(plain[17:]))
	chunks := (size + chunk - 1) / chunk
	lens := plain[31:][:4*chunks]
	rest := string(plain[31+4*chunks : len(plain)-32])
	if plain[0] != 128 || size != len(want) || rest != "k"+"etag"+"patient"+"blob" {
		t.Fatalf("metadata: codec %d, %d bytes, %q", plain[0], size, rest)
	}

	aead := specifiedAEAD(t, append(goldenKey(), plain[len(plain)-32:]...), r.id, "apart")
	r.off = 96
	var got []byte
	codecs := make(map[uint32]bool)
	for n := range chunks {
		l := binary.BigEndian.Uint32(lens[4*n:])
		last := []byte{0}
		if n == chunks-1 {
			last[0] = 1
		}
		data := r.open(aead, "chunk", r.take(int(l&(1<<30-1))+28), []byte("s"), binary.BigEndian.AppendUint64(nil, uint64(n)), last)
		if l>>30 == codecLZ {
			var ok bool
			if data, ok = decodedByTheBook(data); !ok {
				t.Fatal("a chunk does not decode")
			}
		}
		codecs[l>>30] = true
		got = append(got, data...)
	}
	if r.off != 96+body || !bytes.Equal(got, want) || len(codecs) != 2 {
		t.Error("data")
	}
}

// writeGoldenKey prepares a folder whose key is known.
func writeGoldenKey(t *testing.T, dir string) string {
	t.Helper()
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	refill(t, dir, map[string][]byte{
		markerName: []byte(markerTag + markerText + "1\n"),
		keyName:    append([]byte(keyMagic), append([]byte{1}, "golden"...)...),
	})
	return dir
}

// TestSecretOfARecordApartIsShreddedWithItsGroup: it is in no file that the group's
// destroyed secret does not seal, so that the chunks cannot be opened either.
func TestSecretOfARecordApartIsShreddedWithItsGroup(t *testing.T) {
	dir := newDir(t)
	c := open4test(t, dir, streamOptions())
	mustStream(t, c, "k", noise(3<<20), Meta{Group: "patient"})
	sl, _ := c.peekSlot(c.hash("k"))
	sc := c.disk.getScratch()
	o, err := c.disk.open(sl, sc)
	if err != nil {
		t.Fatal(err)
	}
	secret := bytes.Clone(o.chunk)
	o.seg.release()
	for name, data := range onDisk(t, dir) {
		if bytes.Contains(data, secret) {
			t.Error("the secret is readable in", name)
		}
	}
	before := onDisk(t, dir)
	mustShredGroup(t, c, "patient")
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	// The file of the record, from before, beside the table of secrets from after.
	files := onDisk(t, dir)
	files[segmentName(sl.file)] = before[segmentName(sl.file)]
	wantMiss(t, open4test(t, writeFolder(t, files), streamOptions()), "k")
}

// TestEveryByteOfARecordApartCounts flips some of each part.
func TestEveryByteOfARecordApartCounts(t *testing.T) {
	t.Parallel()
	dir := newDir(t)
	c := open4test(t, dir, streamOptions())
	want := mixed("k", heldBytes+3*streamChunk)
	mustStream(t, c, "k", want, Meta{Version: "v", Group: "g"})
	sl, _ := c.peekSlot(c.hash("k"))
	name := segmentName(sl.file)
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	files := onDisk(t, dir)
	whole := files[name]
	copied := writeFolder(t, files)
	for at := 0; at < len(whole); at += step(at, len(whole)) {
		damaged := bytes.Clone(whole)
		damaged[at] ^= 0x10
		refill(t, copied, with(files, name, damaged))
		c := open4test(t, copied, streamOptions())
		if e, err := c.Get("k"); err == nil {
			t.Fatalf("byte %d of %d: %v", at, len(whole), e)
		}
		if err := c.Close(); err != nil {
			t.Fatal(err)
		}
	}
	refill(t, copied, files)
	wantHit(t, open4test(t, copied, streamOptions()), "k", want)
}

// step is 3 in the header, large in the chunks, and small in what follows them.
func step(at, size int) int {
	switch {
	case at < fileHeader:
		return 3
	case at < size-700:
		return min(60_013, size-700-at)
	}
	if underRace {
		return 54
	}
	return 9
}
