package diskcache

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/klauspost/compress/s2"
)

// inputs are what an encoder can stumble over.
func inputs() map[string][]byte {
	rng := rand.New(rand.NewPCG(6, 6))
	in := map[string][]byte{
		"zeros":    make([]byte, 1<<20),
		"noise":    noise(300_000),
		"json":     observations(1 << 20),
		"period 3": []byte(strings.Repeat("abc", 30_000)),
		"text":     content("k", 0, 123_457),
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
	for _, n := range []int{15, 16, 31, 32, 33, 62, 63, 64, 65, 126, 127, 254, 255, 256, 257, 271, 509, 510, 511, 1000} {
		in[fmt.Sprint("run of ", n)] = slices.Concat(noise(100), bytes.Repeat([]byte{7}, n), noise(100))
		in[fmt.Sprint("copy of ", n)] = slices.Concat(noise(2000), noise(2000)[:n], noise(5000)[4000:])
		in[fmt.Sprint("literals ", n)] = slices.Concat(noise(400), noise(5000)[5000-n:], noise(400))
	}
	for _, back := range []int{mostBack - 1, mostBack, mostBack + 1} {
		in[fmt.Sprint("from far back ", back)] = append(noise(back), noise(300)...)
	}
	return in
}

// TestWhatIsCompressedComesBack as the specification's decoder and ours read it,
// within the length that is promised for the worst case.
func TestWhatIsCompressedComesBack(t *testing.T) {
	for name, src := range inputs() {
		if len(src) > chunkLZ {
			src = src[:chunkLZ]
		}
		chunk := compress(nil, src)
		if len(chunk) > maxCompressed(len(src)) {
			t.Errorf("%s: %d bytes became %d", name, len(src), len(chunk))
		}
		out := make([]byte, len(src))
		if err := decompress(out, chunk); err != nil || !bytes.Equal(out, src) {
			t.Errorf("%s: not what was compressed: %v", name, err)
		}
		if got, ok := decodedByTheBook(chunk); !ok || !bytes.Equal(got, src) {
			t.Errorf("%s: not as specified", name)
		}
	}
}

// decodedByTheBook is the specification in compress.go, word by word.
func decodedByTheBook(chunk []byte) (out []byte, ok bool) {
	if len(chunk) < 4 {
		return nil, false
	}
	chunk, n := chunk[:len(chunk)-4], uint64(binary.LittleEndian.Uint32(chunk[len(chunk)-4:]))
	if 4*n > uint64(len(chunk)) {
		return nil, false
	}
	literals, tokens := chunk[:len(chunk)-int(4*n)], chunk[len(chunk)-int(4*n):]
	for ; len(tokens) > 0; tokens = tokens[4:] {
		t := int(binary.LittleEndian.Uint32(tokens))
		literal, length, back := t%64, t/64%256, t/64/256
		if literal > len(literals) {
			return nil, false
		}
		out, literals = append(out, literals[:literal]...), literals[literal:]
		if back < 32 || back > len(out) {
			return nil, false
		}
		for range length {
			out = append(out, out[len(out)-back])
		}
	}
	return append(out, literals...), true
}

// TestCompressedJSONIsAsSmallAsS2s within a fifth.
func TestCompressedJSONIsAsSmallAsS2s(t *testing.T) {
	for _, n := range []int{4 << 10, 64 << 10, 1 << 20} {
		src := observations(n)
		ours, theirs := len(compress(nil, src)), len(s2.Encode(nil, src))
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
		{"json", observations(4096), codecLZ},
		{"long json", observations(3 << 20), codecLZ},
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

// TestNoChunkMakesTheDecoderLeaveItsBounds, whatever its tokens say: it is exact to
// the byte about what it writes and what it reads, which the guards around both show.
func TestNoChunkMakesTheDecoderLeaveItsBounds(t *testing.T) {
	rng := rand.New(rand.NewPCG(8, 8))
	for range 20_000 {
		tokens := rng.IntN(12)
		chunk := make([]byte, rng.IntN(300)+4*tokens+4)
		for i := range chunk {
			chunk[i] = byte(rng.Uint32())
		}
		for i := range tokens {
			t := rng.Uint32N(64) | rng.Uint32N(256)<<6 | rng.Uint32N(200)<<14
			binary.LittleEndian.PutUint32(chunk[len(chunk)-4-4*(i+1):], t)
		}
		binary.LittleEndian.PutUint32(chunk[len(chunk)-4:], uint32(tokens+rng.IntN(2)*rng.IntN(3)))
		checkDecoder(t, chunk, rng.IntN(1500))
	}
}

// checkDecoder compares with the specification: for the length that comes out, and
// for one that does not.
func checkDecoder(t *testing.T, chunk []byte, other int) {
	t.Helper()
	want, ok := decodedByTheBook(chunk)
	for _, n := range []int{len(want), other} {
		array := bytes.Repeat([]byte{0xa5}, n+2*stride)
		err := decompress(array[stride:stride+n], slices.Clip(chunk))
		if good := ok && n == len(want); good != (err == nil) || good && !bytes.Equal(array[stride:stride+n], want) {
			t.Fatalf("%x to %d bytes: %v", chunk, n, err)
		}
		if g := bytes.Repeat([]byte{0xa5}, stride); !bytes.Equal(array[:stride], g) || !bytes.Equal(array[stride+n:], g) {
			t.Fatalf("%x to %d bytes: wrote beside them", chunk, n)
		}
	}
}

func FuzzCompress(f *testing.F) {
	for _, src := range inputs() {
		if len(src) < 1000 {
			f.Add(src)
		}
	}
	f.Fuzz(func(t *testing.T, src []byte) {
		out := make([]byte, len(src))
		if err := decompress(out, compress(nil, src)); err != nil || !bytes.Equal(out, src) {
			t.Errorf("%d bytes: %v", len(src), err)
		}
	})
}

func FuzzDecompress(f *testing.F) {
	for _, src := range inputs() {
		if len(src) < 1000 {
			f.Add(compress(nil, src), len(src)+1)
		}
	}
	f.Fuzz(func(t *testing.T, chunk []byte, other int) { checkDecoder(t, chunk, min(max(other, 0), 1<<16)) })
}

// TestCopyFromTooNearIsDamage, far from the ends, too, where many tokens are done at once:
// moves of 16 bytes would read there what has not been written yet.
func TestCopyFromTooNearIsDamage(t *testing.T) {
	for back := range leastBack + 1 {
		chunk := noise(512)
		chunk = binary.LittleEndian.AppendUint32(chunk, uint32(40|40<<literalBits|back<<(literalBits+copyBits)))
		chunk = binary.LittleEndian.AppendUint32(chunk, 1)
		if err := decompress(make([]byte, 512+40), chunk); (err == nil) != (back == leastBack) {
			t.Errorf("%d bytes back: %v", back, err)
		}
	}
}
