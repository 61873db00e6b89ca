package envelope

import (
	"bytes"
	"io"
	"runtime"
	"testing"
)

// TestSmallReadsInARowReadOnce: a decoder reads a few bytes at a time, of one frame
// and one segment.
func TestSmallReadsInARowReadOnce(t *testing.T) {
	data := noise(3 * frameSize)
	for name, level := range levels {
		sealed := mustSeal(t, data, Options{Compression: level})
		in := &countingReaderAt{ReaderAt: bytes.NewReader(sealed)}
		ra, err := NewReaderAt(t.Context(), in, int64(len(sealed)), testRing, testBinding)
		if err != nil {
			t.Fatal(err)
		}
		in.reads.Store(0)
		p := make([]byte, 100)
		for off := int64(frameSize); off < frameSize+40_000; off += 1000 {
			if _, err := ra.ReadAt(p, off); err != nil || !bytes.Equal(p, data[off:off+100]) {
				t.Fatalf("%s: at %d: %v", name, off, err)
			}
		}
		// 40,000 bytes from the start of a frame may cross from one segment to another.
		if n := in.reads.Load(); n > 2 {
			t.Errorf("%s: 40 small reads took %d of the object", name, n)
		}
	}
}

// heapAt looks at each read how much more memory is held than base.
type heapAt struct {
	io.ReaderAt
	base, most uint64
}

func (h *heapAt) ReadAt(p []byte, off int64) (int, error) {
	h.most = max(h.most, heapHeld()-min(h.base, heapHeld()))
	return h.ReaderAt.ReadAt(p, off)
}

func heapHeld() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// TestLongRangeTakesLittleMemory reads 32 MiB at once, of segments and of frames: the
// caller's slice is all that may be as long.
func TestLongRangeTakesLittleMemory(t *testing.T) {
	data := noise(32 << 20)
	p := make([]byte, len(data))
	for name, level := range map[string]Compression{"zstd": CompressFast, "none": CompressNone} {
		sealed := mustSeal(t, data, Options{Compression: level})
		in := &heapAt{ReaderAt: bytes.NewReader(sealed)}
		ra, err := NewReaderAt(t.Context(), in, int64(len(sealed)), testRing, testBinding)
		if err != nil {
			t.Fatal(err)
		}
		in.base, in.most = heapHeld(), 0
		if _, err := ra.ReadAt(p, 0); err != nil || !bytes.Equal(p, data) {
			t.Fatalf("%s: %v", name, err)
		}
		if in.most > 20<<20 {
			t.Errorf("%s: %d MiB were held besides", name, in.most>>20)
		}
	}
}
