package envelope

import (
	"bytes"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"testing"
)

// maxHeap bounds the heap of a process that seals or opens a stream of any length,
// on however many cores.
const maxHeap = 64 << 20

// aloneInAProcess runs the test again in a process of its own, and says whether this
// is that: encoders of all the levels that other tests use stay in memory, 50 MiB.
func aloneInAProcess(t *testing.T) bool {
	const marker = "HIPAAKIT_TEST_ALONE"
	if os.Getenv(marker) != "" {
		return true
	}
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^"+t.Name()+"$", "-test.count=1", "-test.v")
	cmd.Env = append(os.Environ(), marker+"=1")
	out, err := cmd.CombinedOutput()
	if err != nil || !bytes.Contains(out, []byte("--- PASS: "+t.Name())) {
		t.Errorf("%v\n%s", err, out)
	}
	return false
}

// TestSealingStreamsTakesLittleMemory looks at the heap at each write.
func TestSealingStreamsTakesLittleMemory(t *testing.T) {
	if !aloneInAProcess(t) {
		return
	}
	for _, cores := range []int{2, 16} {
		old := runtime.GOMAXPROCS(cores)
		for name, c := range streams() {
			forget()
			watch := &heapWatch{}
			if err := sealChunks(t, watch, c, streamSize); err != nil {
				t.Error(err)
			}
			if watch.most > maxHeap {
				t.Errorf("%s, %d cores: %d MiB of heap in use", name, cores, watch.most>>20)
			}
		}
		runtime.GOMAXPROCS(old)
	}
}

// forget takes two collections, since a pool survives the first.
func forget() {
	runtime.GC()
	runtime.GC()
}

type testStream struct {
	chunk []byte
	level Compression
}

func streams() map[string]testStream {
	return map[string]testStream{
		"text":                {text(1 << 20), CompressFast},
		"noise":               {noise(1 << 20), CompressFast},
		"without compression": {noise(1 << 20), CompressNone},
	}
}

// TestOpeningStreamsTakesLittleMemory opens envelopes that lie in a file. Those of
// noise are shorter, to spare the disk.
func TestOpeningStreamsTakesLittleMemory(t *testing.T) {
	if !aloneInAProcess(t) {
		return
	}
	for name, c := range streams() {
		size := streamSize
		if name != "text" {
			size /= 8
		}
		file, err := os.Create(filepath.Join(t.TempDir(), "sealed"))
		if err != nil {
			t.Fatal(err)
		}
		defer file.Close()
		if err := sealChunks(t, file, c, size); err != nil {
			t.Fatal(err)
		}
		for _, cores := range []int{2, 16} {
			openWatched(t, name, file, c.chunk, size, cores)
		}
	}
}

func openWatched(t *testing.T, name string, file *os.File, chunk []byte, size, cores int) {
	t.Helper()
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(cores))
	forget()
	file.Seek(0, io.SeekStart)
	r, err := NewReader(t.Context(), file, testRing, testBinding)
	if err != nil {
		t.Fatal(err)
	}
	watch := &heapWatch{chunk: chunk}
	if n, err := r.WriteTo(watch); err != nil || n != int64(size) || watch.wrong {
		t.Errorf("%s: %d bytes, wrong=%t, %v", name, n, watch.wrong, err)
	}
	if watch.most > maxHeap {
		t.Errorf("%s, %d cores: %d MiB of heap in use", name, cores, watch.most>>20)
	}
}

func sealChunks(t *testing.T, w io.Writer, s testStream, size int) error {
	z, err := NewWriter(t.Context(), w, testRing, testBinding, Options{Compression: s.level})
	for n := 0; err == nil && n < size; n += len(s.chunk) {
		_, err = z.Write(s.chunk)
	}
	if err != nil {
		return err
	}
	return z.Close()
}

// heapWatch compares a stream of equal chunks and looks at the heap meanwhile.
type heapWatch struct {
	chunk  []byte
	at     int
	seen   int
	looked int
	most   uint64
	wrong  bool
}

func (h *heapWatch) Write(p []byte) (int, error) {
	for rest := p; len(rest) > 0 && len(h.chunk) > 0; {
		n := min(len(rest), len(h.chunk)-h.at%len(h.chunk))
		from := h.at % len(h.chunk)
		h.wrong = h.wrong || !bytes.Equal(rest[:n], h.chunk[from:from+n])
		rest, h.at = rest[n:], h.at+n
	}
	if h.seen += len(p); h.seen-h.looked >= 8<<20 {
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		h.most, h.looked = max(h.most, m.HeapInuse), h.seen
	}
	return len(p), nil
}

// TestRangeOfAGibibyteReadsFewBytes keeps, of an envelope of 1 GiB, only what
// reading a range needs: header, end, and the segments around the frames touched.
// Whatever else is asked for is an error.
func TestRangeOfAGibibyteReadsFewBytes(t *testing.T) {
	const size, off, length = 1 << 30, 777_777_777, 64 << 10
	chunk := noise(1 << 20)
	for name, o := range map[string]Options{
		"compressed":   {},
		"uncompressed": {Compression: CompressNone, Size: size},
	} {
		// Noise is stored: its place in the body is that in the data, plus the
		// frames' and segments' overhead, at most one in a thousand.
		margin := int64(2*frameSize + size/1000)
		keep := &keeper{windows: []*piece{{0, nil}, {off - frameSize, nil}}, sizes: []int64{1 << 10, margin + 2*frameSize}}
		w, err := NewWriter(t.Context(), keep, testRing, testBinding, o)
		for n := 0; err == nil && n < size; n += len(chunk) {
			_, err = w.Write(chunk)
		}
		if err != nil || w.Close() != nil {
			t.Fatal(err)
		}
		in := &countingReaderAt{ReaderAt: keep}
		ra, err := NewReaderAt(t.Context(), in, keep.at, testRing, testBinding)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		// Header, footer, table and final segment; the table lies in whole segments.
		table := int64(size/frameSize*seekEntrySize + skippableHeader + seekFooterSize)
		if most := 1024 + table + 3*DefaultSegmentLength; in.bytes.Load() > most {
			t.Errorf("%s: opening read %d bytes, at most %d are needed", name, in.bytes.Load(), most)
		}
		in.bytes.Store(0)
		p := make([]byte, length)
		if _, err := ra.ReadAt(p, off); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		from := off % len(chunk)
		if want := append(chunk[from:len(chunk):len(chunk)], chunk...)[:length]; !bytes.Equal(p, want) {
			t.Errorf("%s: wrong bytes", name)
		}
		if most := int64(2*(frameSize+1024) + 2*DefaultSegmentLength); in.bytes.Load() > most {
			t.Errorf("%s: read %d bytes of a range, at most %d are needed", name, in.bytes.Load(), most)
		}
	}
}

// keeper is a store that forgets all but some windows and the last megabytes.
type keeper struct {
	windows []*piece // index: offset
	sizes   []int64
	tail    []byte
	at      int64
}

const keptTail = 2 << 20

func (k *keeper) Write(p []byte) (int, error) {
	for i, w := range k.windows {
		from := max(w.index+int64(len(w.data)), k.at)
		to := min(w.index+k.sizes[i], k.at+int64(len(p)))
		if from < to {
			w.data = append(w.data, p[from-k.at:to-k.at]...)
		}
	}
	k.tail = append(k.tail, p...)
	if extra := len(k.tail) - keptTail; extra > keptTail {
		k.tail = append(k.tail[:0], k.tail[extra:]...)
	}
	k.at += int64(len(p))
	return len(p), nil
}

func (k *keeper) ReadAt(p []byte, off int64) (int, error) {
	tail := &piece{k.at - int64(len(k.tail)), k.tail}
	for _, w := range append(k.windows, tail) {
		if off >= w.index && off+int64(len(p)) <= w.index+int64(len(w.data)) {
			return copy(p, w.data[off-w.index:]), nil
		}
	}
	return 0, io.ErrUnexpectedEOF
}
