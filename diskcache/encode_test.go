package diskcache

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/klauspost/compress/s2"
)

// inputs are what an encoder can stumble over.
func inputs() map[string][]byte {
	rng := rand.New(rand.NewPCG(6, 6))
	in := map[string][]byte{
		"zeros":     make([]byte, 1<<20),
		"noise":     noise(300_000),
		"json":      observations(1 << 20),
		"period 3":  []byte(strings.Repeat("abc", 30_000)),
		"far match": append(append(noise(700_000), make([]byte, 100)...), noise(700_000)[:200_000]...),
		"text":      content("k", 0, 123_457),
	}
	for i := range 300 { // short, and with every length of literal and copy
		var b []byte
		for len(b) < i*7 {
			b = append(b, noise(1+rng.IntN(70))...)
			if from := rng.IntN(len(b)); rng.IntN(2) == 0 {
				b = append(b, b[from:min(len(b), from+rng.IntN(400))]...)
			}
		}
		in[fmt.Sprint("mixed ", i)] = b
	}
	for n := range 80 {
		in[fmt.Sprint("same ", n)] = bytes.Repeat([]byte{'x'}, n)
	}
	for _, n := range []int{59, 60, 61, 64, 65, 66, 67, 68, 256, 260, 264, 268, 65_536, 65_796, 65_800} {
		in[fmt.Sprint("run of ", n)] = append(append(noise(100), bytes.Repeat([]byte{7}, n)...), noise(100)...)
	}
	return in
}

// TestWhatIsEncodedIsAnS2Block that klauspost's decoder reads, within the length
// that it promises for the worst case.
func TestWhatIsEncodedIsAnS2Block(t *testing.T) {
	for name, src := range inputs() {
		if len(src) > chunkS2 {
			src = src[:chunkS2]
		}
		block := encodeLong(nil, src)
		if len(block) > s2.MaxEncodedLen(len(src)) {
			t.Errorf("%s: %d bytes became %d", name, len(src), len(block))
		}
		out := make([]byte, len(src))
		if err := decodeS2(out, block); err != nil || !bytes.Equal(out, src) {
			t.Errorf("%s: not what was encoded: %v", name, err)
		}
	}
}

// TestEncodedJSONIsAsSmallAsS2s within a tenth.
func TestEncodedJSONIsAsSmallAsS2s(t *testing.T) {
	src := []byte(strings.Repeat(string(content("bundle", 0, 5000)), 20))
	for _, src := range [][]byte{src, observations(1 << 20)} {
		ours, theirs := len(encodeLong(nil, src)), len(s2.Encode(nil, src))
		if ours > theirs*12/10 {
			t.Errorf("%d bytes of %d, s2.Encode makes %d", ours, len(src), theirs)
		}
	}
}

// TestRecordsChooseTheirCodec: what does not compress is stored plain.
func TestRecordsChooseTheirCodec(t *testing.T) {
	var sc scratch
	for _, tc := range []struct {
		name  string
		data  []byte
		codec byte
	}{
		{"json", observations(4096), codecS2},
		{"long json", observations(3 << 20), codecS2},
		{"noise", noise(4096), codecPlain},
		{"long noise", noise(3 << 20), codecPlain},
		{"short", []byte("short"), codecPlain},
		{"empty", nil, codecPlain},
		{"noise with a little text", append(noise(1<<20), content("k", 0, 1000)...), codecPlain},
	} {
		r := record{}
		body := encode(&r, tc.data, &sc)
		if r.codec != tc.codec || r.codec == codecPlain && len(body) != len(tc.data) {
			t.Errorf("%s: codec %d, %d bytes of %d", tc.name, r.codec, len(body), len(tc.data))
		}
	}
}

func FuzzEncode(f *testing.F) {
	for _, src := range inputs() {
		if len(src) < 1000 {
			f.Add(src)
		}
	}
	f.Fuzz(func(t *testing.T, src []byte) {
		out := make([]byte, len(src))
		if err := decodeS2(out, encodeLong(nil, src)); err != nil || !bytes.Equal(out, src) {
			t.Errorf("%d bytes: %v", len(src), err)
		}
	})
}
