package envelope

import (
	"bytes"
	"errors"
	"io"
	"os/exec"
	"slices"
	"testing"

	"github.com/klauspost/compress/zstd"
)

// TestPadme holds the function against values computed from the paper's
// definition: E = floor(log2 n), S = floor(log2 E) + 1, E-S low bits zero.
func TestPadme(t *testing.T) {
	for n, want := range map[int64]int64{0: 0, 1: 1, 2: 2, 8: 8, 9: 10, 17: 18, 100: 104, 1000: 1024, 1025: 1088, 65536: 65536, 65537: 67584, 1_000_000: 1_015_808} {
		if got := padme(n); got != want {
			t.Errorf("padme(%d) = %d, want %d", n, got, want)
		}
	}
	for n := int64(1); n < 1<<40; n += n/97 + 1 {
		p := padme(n)
		if p < n || float64(p) > 1.12*float64(n)+1 || padme(p) != p {
			t.Fatalf("padme(%d) = %d", n, p)
		}
	}
}

func TestPaddingHidesTheLength(t *testing.T) {
	for name, level := range levels {
		lengths := map[int]int{}
		for n := 100_000; n < 101_000; n += 7 {
			sealed := mustSeal(t, noise(n), Options{Compression: level, Pad: true})
			lengths[len(sealed)]++
			got, err := open(t, sealed)
			if err != nil {
				t.Fatalf("%s, %d bytes: %v", name, n, err)
			}
			equal(t, name, got, noise(n))
			equal(t, name+", ranges", readAllAt(t, sealed), noise(n))
		}
		if len(lengths) > 2 {
			t.Errorf("%s: %d lengths can be told apart", name, len(lengths))
		}
	}
}

func TestPaddedSizesOpenAgain(t *testing.T) {
	for name, level := range levels {
		for _, n := range []int{0, 1, 2, 9, 65504, frameSize, 2*frameSize + 1, 3_000_000} {
			sealed := mustSeal(t, text(n), Options{Compression: level, Pad: true})
			got, err := open(t, sealed)
			if err != nil {
				t.Fatalf("%s, %d bytes: %v", name, n, err)
			}
			equal(t, name, got, text(n))
			equal(t, name+", ranges", readAllAt(t, sealed), text(n))
		}
	}
}

func TestPaddedStreamWithoutSize(t *testing.T) {
	var sealed bytes.Buffer
	w, err := NewWriter(t.Context(), &sealed, testRing, testBinding, Options{Pad: true})
	if err != nil {
		t.Fatal(err)
	}
	w.Write(text(300_000))
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	got, err := open(t, sealed.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "data", got, text(300_000))
	w, err = NewWriter(t.Context(), io.Discard, testRing, testBinding, Options{Pad: true, Compression: CompressNone})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write([]byte{1}); !errors.Is(err, ErrSize) || w.Close() == nil {
		t.Errorf("padding that could not be taken off again: %v", err)
	}
}

// TestPaddedBodyIsAZstdFile: what knows nothing of this package skips padding.
func TestPaddedBodyIsAZstdFile(t *testing.T) {
	body := floePlaintext(t, mustSeal(t, text(300_000), Options{Pad: true}))
	d, err := zstd.NewReader(bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	got, err := io.ReadAll(d)
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "streaming decoder", got, text(300_000))
	if command, err := exec.LookPath("zstd"); err == nil {
		cmd := exec.Command(command, "-dcq")
		cmd.Stdin = bytes.NewReader(body)
		if got, err = cmd.Output(); err != nil {
			t.Fatal(err)
		}
		equal(t, "zstd command", got, text(300_000))
	}
}

func TestPaddingIsAuthenticatedToo(t *testing.T) {
	for _, level := range []Compression{CompressFast, CompressNone} {
		o := small
		o.Compression, o.Pad = level, true
		sealed := mustSeal(t, noise(300), o)
		for i := range sealed {
			bad := slices.Clone(sealed)
			bad[i] ^= 2
			mustRefuse(t, "flipped", bad)
			if readAllAt(t, bad) != nil {
				t.Fatalf("byte %d: ranges opened", i)
			}
		}
	}
}

// TestDishonestPaddingIsRefused seals bodies whose padding is not what the flag
// says. Ranges do not read padding, and need not know what is in it.
func TestDishonestPaddingIsRefused(t *testing.T) {
	frame := encodeFrame(CompressFast, text(1000), nil)
	table := seekTable(nil).add(len(frame), 1000).encode()
	pad := func(n byte, content ...byte) []byte {
		return append([]byte{0x50, 0x2A, 0x4D, 0x18, n, 0, 0, 0}, content...)
	}
	underMagic := func(magic byte) []byte { return append([]byte{magic}, pad(2, 0, 0)[1:]...) }
	zstd, none := Options{Pad: true}, Options{Pad: true, Compression: CompressNone}
	for name, c := range map[string]struct {
		o      Options
		size   int64
		body   [][]byte
		unread bool // by ranges
	}{
		"missing":               {zstd, -1, [][]byte{frame, table}, false},
		"without the flag":      {Options{}, -1, [][]byte{frame, pad(2, 0, 0), table}, false},
		"not zero":              {zstd, -1, [][]byte{frame, pad(2, 0, 7), table}, true},
		"longer than it says":   {zstd, -1, [][]byte{frame, pad(2, 0, 0, 0), table}, false},
		"shorter than it says":  {zstd, -1, [][]byte{frame, pad(2, 0), table}, false},
		"before the frame":      {zstd, -1, [][]byte{pad(2, 0, 0), frame, table}, false},
		"twice":                 {zstd, -1, [][]byte{frame, pad(2, 0, 0), pad(2, 0, 0), table}, false},
		"of another frame kind": {zstd, -1, [][]byte{frame, underMagic(0x51), table}, false},
		"like a seek table":     {zstd, -1, [][]byte{frame, underMagic(0x5E), table}, false},
		"before no seek table":  {zstd, -1, [][]byte{frame, pad(2, 0, 0), {0x51}, table[1:]}, false},
		"zeros missing":         {none, 99, [][]byte{make([]byte, 99)}, false},
		"zeros too few":         {none, 99, [][]byte{make([]byte, 103)}, false},
		"zeros too many":        {none, 99, [][]byte{make([]byte, 105)}, false},
		"not zeros":             {none, 97, [][]byte{make([]byte, 97), {0, 1, 0, 0, 0, 0, 0}}, true},
		"of no known size":      {none, -1, [][]byte{make([]byte, 104)}, false},
		"of no size, empty":     {none, -1, nil, false},
	} {
		sealed := sealAs(t, c.o, c.size, c.body...)
		if !c.unread {
			refusedEverywhere(t, name, sealed)
		} else if _, err := open(t, sealed); !errors.Is(err, ErrCorrupt) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestPaddedWithoutASizeIsRefusedAtOnce: nothing tells such data from its padding, so
// that not a byte may come out before the end was seen.
func TestPaddedWithoutASizeIsRefusedAtOnce(t *testing.T) {
	sealed := sealAs(t, Options{Pad: true, Compression: CompressNone}, -1, make([]byte, 104))
	if _, err := NewReader(t.Context(), bytes.NewReader(sealed), testRing, testBinding); !errors.Is(err, ErrCorrupt) {
		t.Errorf("stream: %v", err)
	}
	if _, err := openAt(t, sealed); !errors.Is(err, ErrCorrupt) {
		t.Errorf("ranges: %v", err)
	}
}
