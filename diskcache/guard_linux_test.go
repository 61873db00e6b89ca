package diskcache

import (
	"encoding/binary"
	"math/rand/v2"
	"syscall"
	"testing"
)

// guarded returns what hands out n bytes that end, or begin, at a page that cannot be
// touched.
func guarded(t *testing.T, most int) func(n int, atEnd bool) []byte {
	page := syscall.Getpagesize()
	size := (most + page - 1) / page * page
	m, err := syscall.Mmap(-1, 0, size+2*page, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_ANON|syscall.MAP_PRIVATE)
	if err != nil {
		t.Fatal(err)
	}
	for _, fence := range [][]byte{m[:page], m[page+size:]} {
		if err := syscall.Mprotect(fence, syscall.PROT_NONE); err != nil {
			t.Fatal(err)
		}
	}
	return func(n int, atEnd bool) []byte {
		if atEnd {
			return m[page+size-n : page+size : page+size]
		}
		return m[page : page+n : page+n]
	}
}

// hostileTokens fills what follows the literals with tokens that nearly make sense: they
// copy from a little before the beginning, far behind it, or across the end. It returns
// how long the text would be.
func hostileTokens(rng *rand.Rand, tokens []byte) (text int) {
	for ; len(tokens) >= 4; tokens = tokens[4:] {
		literals, copied, back := rng.IntN(64), rng.IntN(256), 0
		switch rng.IntN(4) {
		case 0:
			back = rng.IntN(1 << 18)
		case 1:
			back = 32 + rng.IntN(64)
		case 2:
			back = max(0, text+literals-rng.IntN(3))
		case 3:
			back = 1 + rng.IntN(max(1, text+literals))
		}
		text += literals + copied
		binary.LittleEndian.PutUint32(tokens, uint32(literals|copied<<6|min(back, 1<<18-1)<<14))
	}
	return text
}

// TestDecoderTouchesNothingElse: whatever it is given, it reads and writes within its two
// slices, or this process dies.
func TestDecoderTouchesNothingElse(t *testing.T) {
	outs, ins := guarded(t, 1<<20), guarded(t, 1<<20)
	rng := rand.New(rand.NewPCG(1, 2))
	sizes := []int{0, 1, 2, 31, 32, 33, 63, 64, 65, 127, 128, 129, 255, 256, 257, 4096}
	for range lessUnderRace(50_000) {
		in := ins(rng.IntN(600)+4*rng.IntN(60)+4, rng.IntN(2) == 0)
		literals := rng.IntN(len(in)-3) / 4 * 4
		for i := range literals {
			in[i] = byte(rng.Uint32())
		}
		tokens := in[literals : len(in)-4]
		text := hostileTokens(rng, tokens)
		count := uint32(len(tokens) / 4)
		if rng.IntN(20) == 0 {
			count = rng.Uint32()
		}
		binary.LittleEndian.PutUint32(in[len(in)-4:], count)
		n := sizes[rng.IntN(len(sizes))]
		if rng.IntN(2) == 0 {
			n = text + rng.IntN(80)
		}
		_ = decompress(outs(n, rng.IntN(2) == 0), in)
	}
}

// TestCodecTouchesNothingElse does the same with what it has compressed itself.
func TestCodecTouchesNothingElse(t *testing.T) {
	outs, ins := guarded(t, 1<<19), guarded(t, 1<<20)
	rng := rand.New(rand.NewPCG(3, 4))
	sizes := []int{0, 1, 31, 32, 33, 255, 256, 257, 4096, 1<<18 - 1, 1 << 18, 1<<18 + 1}
	for round := range lessUnderRace(500) {
		text := outs(sizes[rng.IntN(len(sizes))], rng.IntN(2) == 0)
		for i := range text {
			text[i] = byte(i / 7 % (1 + round%50))
		}
		for i := rng.IntN(100); i < len(text); i += 1 + rng.IntN(100) {
			text[i] = byte(rng.Uint32())
		}
		want := string(text)
		packed := compress(nil, text)
		if len(packed) > maxCompressed(len(text)) {
			t.Fatalf("%d bytes became %d, over the bound", len(text), len(packed))
		}
		in := ins(len(packed), rng.IntN(2) == 0)
		copy(in, packed)
		clear(text)
		if err := decompress(text, in); err != nil || string(text) != want {
			t.Fatalf("%d bytes came back wrong: %v", len(want), err)
		}
	}
}
