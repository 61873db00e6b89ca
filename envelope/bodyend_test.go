package envelope

import (
	"bytes"
	"errors"
	"io"
	"slices"
	"testing"

	"github.com/hipaakit/hipaakit/envelope/floe"
)

// TestEndOfAStreamOfUnknownSizeIsVerified cuts such envelopes anywhere, also between
// segments: of uncompressed data nothing but the final segment tells where it ends.
func TestEndOfAStreamOfUnknownSizeIsVerified(t *testing.T) {
	const segment = 100
	for name, level := range map[string]Compression{"zstd": CompressFast, "none": CompressNone} {
		body := floePlaintext(t, mustSeal(t, noise(300), Options{Compression: level}))
		sealed := sealAs(t, Options{Compression: level, SegmentLength: segment}, -1, body)
		if got, err := open(t, sealed); err != nil || !bytes.Equal(got, noise(300)) {
			t.Fatalf("%s: %v", name, err)
		}
		for n := range sealed {
			refusedEverywhere(t, name+", cut off", sealed[:n])
		}
		refusedEverywhere(t, name+", a segment twice", append(slices.Clone(sealed), sealed[len(sealed)-segment:]...))
	}
}

// TestSizeThatDiffersIsRefused seals what the metadata tells a lie about.
func TestSizeThatDiffersIsRefused(t *testing.T) {
	for name, level := range map[string]Compression{"zstd": CompressFast, "none": CompressNone} {
		o := Options{Compression: level}
		body := floePlaintext(t, mustSeal(t, noise(300), o))
		for _, lie := range []int64{0, 1, 299, 301, 1 << 40} {
			refusedEverywhere(t, name, sealAs(t, o, lie, body))
		}
	}
}

// TestSealedSizeAloneTakesNoMemory: Open makes room for what the metadata announces,
// and whoever sealed it may have announced a terabyte.
func TestSealedSizeAloneTakesNoMemory(t *testing.T) {
	sealed := sealAs(t, Options{Compression: CompressNone}, 1<<40, noise(300))
	taken := allocated(func() { mustRefuse(t, "size", sealed) })
	if taken > 1<<20 {
		t.Errorf("%d KiB were taken for %d bytes", taken>>10, len(sealed))
	}
}

// TestSegmentLengthIsThatOfThePrefixAndBounded: a reader takes memory for a segment
// on the header's word.
func TestSegmentLengthIsThatOfThePrefixAndBounded(t *testing.T) {
	plain := Options{Compression: CompressNone}
	huge := plain
	huge.SegmentLength = maxSegmentLength + 1
	refusedEverywhere(t, "segments over 16 MiB", sealAs(t, huge, -1, noise(10)))

	o, _ := plain.withDefaults()
	p := newPrefix(o)
	o.SegmentLength = 100
	refusedEverywhere(t, "segments of another length", sealUnder(t, p, o, -1, noise(10)))
}

// TestLargestSegmentOpensAgain is the other side of that bound.
func TestLargestSegmentOpensAgain(t *testing.T) {
	data := noise(maxSegmentLength - floe.SegmentOverhead + 1)
	sealed := mustSeal(t, data, Options{Compression: CompressNone, SegmentLength: maxSegmentLength})
	got, err := open(t, sealed)
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "data", got, data)
}

// TestBodyThatNeverGetsOnIsGivenUp is TestReaderThatNeverGetsOnIsGivenUp behind the
// header.
func TestBodyThatNeverGetsOnIsGivenUp(t *testing.T) {
	sealed := mustSeal(t, noise(300_000), Options{})
	r, err := NewReader(t.Context(), io.MultiReader(bytes.NewReader(sealed[:100_000]), stuck{}), testRing, testBinding)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadAll(r); !errors.Is(err, io.ErrNoProgress) || errors.Is(err, ErrCorrupt) {
		t.Error(err)
	}
}
