package envelope

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/hipaakit/hipaakit/envelope/floe"
)

// small makes many segments of little data, so that every byte can be tried.
var small = Options{SegmentLength: 100, Metadata: map[string]string{"k": "v"}, Keys: []string{DefaultKey, "tenant"}}

func TestEveryFlippedByteIsRefused(t *testing.T) {
	for _, level := range []Compression{CompressFast, CompressNone} {
		o := small
		o.Compression = level
		sealed := mustSeal(t, noise(300), o)
		for i := range sealed {
			for _, bit := range []byte{0x01, 0x80} {
				bad := slices.Clone(sealed)
				bad[i] ^= bit
				mustRefuse(t, "flipped", bad)
			}
		}
	}
}

func TestEveryTruncationAndAppendixIsRefused(t *testing.T) {
	sealed := mustSeal(t, noise(300), small)
	for n := range sealed {
		mustRefuse(t, "cut off", sealed[:n])
	}
	for _, extra := range [][]byte{{0}, {0xFF}, noise(200), sealed} {
		mustRefuse(t, "appended", append(slices.Clone(sealed), extra...))
	}
}

func TestSwappedPartsAreRefused(t *testing.T) {
	a, b := mustSeal(t, noise(300), small), mustSeal(t, noise(300), small)
	for at := range len(a) {
		if mixed := append(slices.Clone(a[:at]), b[at:]...); !bytes.Equal(mixed, a) && !bytes.Equal(mixed, b) {
			mustRefuse(t, "half of another envelope", mixed)
		}
	}
}

func TestAnotherBindingIsRefused(t *testing.T) {
	sealed := mustSeal(t, text(100), Options{})
	for _, b := range []Binding{
		{Store: "records", Key: "patients/18"}, {Store: "record", Key: "spatients/17"},
		{Store: "other", Key: "patients/17"}, {Store: "records", Key: "patients/17", Context: []string{""}},
	} {
		if _, _, err := Open(t.Context(), nil, sealed, testRing, b); !errors.Is(err, ErrCorrupt) {
			t.Errorf("%+v: %v", b, err)
		}
	}
}

func TestWrongKeyOfTheRightNameIsRefused(t *testing.T) {
	sealed := mustSeal(t, text(100), Options{})
	if _, _, err := Open(t.Context(), nil, sealed, otherKeys{testRing}, testBinding); !errors.Is(err, ErrCorrupt) {
		t.Error(err)
	}
}

// otherKeys has the same names over other keys.
type otherKeys struct{ testKeys }

func (k otherKeys) Derive(ctx context.Context, id KeyID, info []byte) ([DerivedKeySize]byte, error) {
	return k.testKeys.Derive(ctx, id, append([]byte("x"), info...))
}

// TestSlotSalamander builds what a committing format must refuse: a second slot
// that yields another data key under another key of the keyring.
func TestSlotSalamander(t *testing.T) {
	h, rest := parts(t, mustSeal(t, text(100), Options{}))
	evil, err := wrap(t.Context(), testRing, "tenant", newDataKey(), h.prefix.encode(), testBinding.digest())
	if err != nil {
		t.Fatal(err)
	}
	for name, slots := range map[string][]slot{
		"added first": {evil, h.slots[0]}, "added last": {h.slots[0], evil}, "replaced": {evil},
	} {
		forged := *h
		forged.slots = slots
		mustRefuse(t, name, append(forged.encode(), rest...))
	}
}

func TestSlotRemovedOrReorderedIsRefused(t *testing.T) {
	h, rest := parts(t, mustSeal(t, text(100), small))
	for name, slots := range map[string][]slot{"removed": h.slots[1:], "reordered": {h.slots[1], h.slots[0]}} {
		forged := *h
		forged.slots = slots
		mustRefuse(t, name, append(forged.encode(), rest...))
	}
}

func parts(t *testing.T, sealed []byte) (*header, []byte) {
	t.Helper()
	in := bytes.NewReader(sealed)
	h, err := readHeader(in)
	if err != nil {
		t.Fatal(err)
	}
	rest, _ := io.ReadAll(in)
	return h, rest
}

func TestUnknownVersionCodecAndFlagAreNamed(t *testing.T) {
	sealed := mustSeal(t, text(10), Options{})
	for at, c := range map[int]struct {
		value byte
		word  string
	}{8: {7, "version 7"}, 9: {9, "codec 9"}, 11: {4, "flags 0x0004"}} {
		bad := slices.Clone(sealed)
		bad[at] = c.value
		if _, err := open(t, bad); !errors.Is(err, ErrUnsupported) || !strings.Contains(err.Error(), c.word) {
			t.Errorf("%q: %v", c.word, err)
		}
	}
	if _, err := open(t, []byte(strings.Repeat("PK not an envelope", 20))); !errors.Is(err, ErrNotEnvelope) || !errors.Is(err, ErrCorrupt) {
		t.Errorf("other file: %v", err)
	}
}

// TestLyingLengthsTakeNoMemory offers headers that promise megabytes and gigabytes.
func TestLyingLengthsTakeNoMemory(t *testing.T) {
	sealed := mustSeal(t, text(10), Options{})
	for at := prefixSize; at < slotsAt; at++ {
		for _, value := range []byte{0x10, 0xFF} {
			bad := slices.Clone(sealed)
			bad[at] = value
			taken := allocated(func() { mustRefuse(t, "length", bad) })
			if taken > 256<<10 {
				t.Errorf("%#x in byte %d: %d KiB were taken", value, at, taken>>10)
			}
		}
	}
}

// TestSealedBodyIsHeldToTheFormat seals bodies that a hostile writer with the
// key might: they are authentic, and must still be refused in bounded memory.
func TestSealedBodyIsHeldToTheFormat(t *testing.T) {
	frame := encodeFrame(CompressFast, text(1000), nil)
	large := encodeFrame(CompressFast, make([]byte, frameSize+1), nil)
	bomb := encodeFrame(CompressBest, make([]byte, 64<<20), nil)
	table := func(c, d int) []byte { return seekTable(nil).add(c, d).encode() }
	join := func(b ...[]byte) []byte { return bytes.Join(b, nil) }
	for name, body := range map[string][]byte{
		"no table":            frame,
		"table of nothing":    join(frame, seekTable(nil).encode()),
		"table says less":     join(frame, table(len(frame), 999)),
		"table says more":     join(frame, seekTable(nil).add(len(frame), 1000).add(1, 1).encode()),
		"two tables":          join(frame, table(len(frame), 1000), seekTable(nil).encode()),
		"bytes behind":        join(frame, table(len(frame), 1000), []byte{0}),
		"table cut":           join(frame, table(len(frame), 1000)[:12]),
		"table first":         join(table(len(frame), 1000), frame),
		"frame over 256 KiB":  join(large, table(len(large), frameSize+1)),
		"bomb":                join(bomb, table(len(bomb), 64<<20)),
		"frame cut":           join(frame[:len(frame)-1], table(len(frame)-1, 1000)),
		"no zstd at all":      []byte("plain text in the body"),
		"empty":               {},
		"reserved block type": {0x28, 0xB5, 0x2F, 0xFD, 0x20, 0x05, 0x07, 0x00, 0x00},
	} {
		if _, err := openBody(t, body); !errors.Is(err, ErrCorrupt) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := openBody(t, join(frame, table(len(frame), 1000))); err != nil {
		t.Errorf("the honest body: %v", err)
	}
}

// openBody seals body as it is, under codec zstd, and opens the result.
func openBody(t testing.TB, body []byte) ([]byte, error) {
	t.Helper()
	o := Options{}
	if len(body) < 4<<10 {
		o.SegmentLength = 64 // so that frames and table cross segments
	}
	sealed := sealAs(t, o, -1, body)
	data, err := open(t, sealed)
	// Both readers must come to the same answer.
	if at := readAllAt(t, sealed); (at == nil) != (err != nil) || !bytes.Equal(at, data) {
		t.Fatalf("the stream gave %d bytes and %v, ranges gave %d bytes", len(data), err, len(at))
	}
	return data, err
}

// TestMoreThanTheLargestObjectIsRefused pretends that all but ten bytes of the
// largest object are written, and that FLOE and the seek table could hold it.
func TestMoreThanTheLargestObjectIsRefused(t *testing.T) {
	for _, level := range []Compression{CompressFast, CompressNone} {
		w, err := NewWriter(t.Context(), io.Discard, testRing, testBinding, Options{Compression: level})
		if err != nil {
			t.Fatal(err)
		}
		w.written = MaxSize - 10
		if n, err := w.Write(noise(10)); n != 10 || err != nil {
			t.Errorf("the last bytes: %d, %v", n, err)
		}
		if _, err := w.Write(noise(1)); !errors.Is(err, ErrSize) || !strings.Contains(err.Error(), "53687091200000") {
			t.Errorf("one byte more: %v", err)
		}
		if err := w.Close(); !errors.Is(err, ErrSize) {
			t.Errorf("it closes all the same: %v", err)
		}
	}
	for name, o := range map[string]Options{
		"announced":      {Size: MaxSize + 1},
		"negative":       {Size: -1},
		"padded":         {Size: 256 << 30, Pad: true},
		"short segments": {Size: MaxSize, SegmentLength: floe.MinSegmentLength},
	} {
		if _, err := NewWriter(t.Context(), io.Discard, testRing, testBinding, o); !errors.Is(err, ErrInvalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
	const frames, segments = MaxSize/frameSize + 1, MaxSize/(DefaultSegmentLength-floe.SegmentOverhead) + 1
	if frames*seekEntrySize+seekFooterSize > 1<<32-1 || segments > floe.MaxSegments {
		t.Error("the largest object does not fit the format")
	}
}

func TestWriterHoldsTheCallerToTheSize(t *testing.T) {
	for _, c := range []struct{ announced, written int }{{10, 9}, {10, 11}, {1, 0}} {
		var out bytes.Buffer
		w, err := NewWriter(t.Context(), &out, testRing, testBinding, Options{Size: int64(c.announced)})
		if err != nil {
			t.Fatal(err)
		}
		_, err = w.Write(make([]byte, c.written))
		if err = errors.Join(err, w.Close()); !errors.Is(err, ErrSize) {
			t.Errorf("%+v: %v", c, err)
		}
		mustRefuse(t, "what was not completed", out.Bytes())
	}
}

func TestFailuresStick(t *testing.T) {
	sealed := mustSeal(t, noise(300_000), Options{})
	bad := slices.Clone(sealed)
	bad[len(bad)-100_000] ^= 1
	r, err := NewReader(t.Context(), bytes.NewReader(bad), testRing, testBinding)
	if err != nil {
		t.Fatal(err)
	}
	got, err := io.ReadAll(r)
	if !errors.Is(err, ErrCorrupt) || !bytes.HasPrefix(noise(300_000), got) {
		t.Fatalf("%d bytes, %v", len(got), err)
	}
	for range 3 {
		if n, again := r.Read(make([]byte, 10)); n != 0 || !errors.Is(again, ErrCorrupt) {
			t.Fatalf("a later read: %d, %v", n, again)
		}
		if n, again := r.WriteTo(io.Discard); n != 0 || !errors.Is(again, ErrCorrupt) {
			t.Fatalf("a later WriteTo: %d, %v", n, again)
		}
	}
}

func TestErrorsBelowComeThrough(t *testing.T) {
	sealed := mustSeal(t, noise(300_000), Options{})
	r, err := NewReader(t.Context(), io.MultiReader(bytes.NewReader(sealed[:100_000]), iotest.ErrReader(io.ErrClosedPipe)), testRing, testBinding)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadAll(r); !errors.Is(err, io.ErrClosedPipe) || errors.Is(err, ErrCorrupt) {
		t.Errorf("reader: %v", err)
	}
	if _, err := NewReader(t.Context(), iotest.ErrReader(io.ErrClosedPipe), testRing, testBinding); !errors.Is(err, io.ErrClosedPipe) {
		t.Errorf("header: %v", err)
	}
	r, err = NewReader(t.Context(), io.MultiReader(bytes.NewReader(sealed[:100]), iotest.ErrReader(io.ErrUnexpectedEOF)), testRing, testBinding)
	if r != nil || !errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, ErrCorrupt) {
		t.Errorf("a lost connection is taken for damage: %v", err)
	}
	w, err := NewWriter(t.Context(), &brokenAfter{n: 1}, testRing, testBinding, Options{})
	if err != nil {
		t.Fatal(err)
	}
	_, err = w.Write(noise(20 << 20))
	if !errors.Is(err, io.ErrClosedPipe) || !errors.Is(w.Close(), io.ErrClosedPipe) {
		t.Errorf("writer: %v", err)
	}
}

type brokenAfter struct{ n int }

func (b *brokenAfter) Write(p []byte) (int, error) {
	if b.n--; b.n < 0 {
		return 0, io.ErrClosedPipe
	}
	return len(p), nil
}

func TestBadArgumentsAreNamed(t *testing.T) {
	long := strings.Repeat("x", 70_000)
	for name, c := range map[string]struct {
		b Binding
		o Options
	}{
		"no store":       {Binding{Key: "k"}, Options{}},
		"no key":         {Binding{Store: "s"}, Options{}},
		"segment length": {testBinding, Options{SegmentLength: 32}},
		"huge segment":   {testBinding, Options{SegmentLength: 17 << 20}},
		"compression":    {testBinding, Options{Compression: 99}},
		"too many keys":  {testBinding, Options{Keys: make([]string, 17)}},
		"empty key name": {testBinding, Options{Keys: []string{""}}},
		"key name":       {testBinding, Options{Keys: []string{"Jane Doe"}}},
		"metadata":       {testBinding, Options{Metadata: map[string]string{"k": long}}},
		"name":           {testBinding, Options{Name: long}},
	} {
		if _, err := Seal(t.Context(), nil, nil, testRing, c.b, c.o); !errors.Is(err, ErrInvalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := Seal(t.Context(), nil, nil, testRing, testBinding, Options{Keys: []string{"nobody"}}); !errors.Is(err, ErrKeyUnknown) {
		t.Errorf("unknown key: %v", err)
	}
}

func TestBindingFieldsCannotSlide(t *testing.T) {
	seen := map[[sha256.Size]byte]bool{}
	for _, b := range []Binding{
		{"a", "bc", nil}, {"ab", "c", nil}, {"a", "b", []string{"c"}}, {"a", "b", []string{"c", ""}},
		{"a", string(binary.BigEndian.AppendUint32([]byte("b"), 1)) + "c", nil},
	} {
		if seen[b.digest()] {
			t.Errorf("%q has the digest of another", b)
		}
		seen[b.digest()] = true
	}
}
