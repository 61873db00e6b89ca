package envelope

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"runtime"
	"testing"

	"github.com/hipaakit/hipaakit/envelope/floe"
)

// sealAs seals a body as it is, as somebody could who has the key and does not keep
// to the format. size is what the metadata says, -1: not known.
func sealAs(t testing.TB, o Options, size int64, body ...[]byte) []byte {
	t.Helper()
	o, _ = o.withDefaults() // what it would refuse is sealed all the same
	return sealUnder(t, newPrefix(o), o, size, body...)
}

// sealUnder is sealAs with a fixed prefix that may say something else than o.
func sealUnder(t testing.TB, p prefix, o Options, size int64, body ...[]byte) []byte {
	t.Helper()
	h := &header{prefix: p}
	sealer, err := h.fill(t.Context(), testRing, newDataKey(), testBinding, o, size)
	if err != nil {
		t.Fatal(err)
	}
	sealed := bytes.NewBuffer(h.encode())
	w := floe.NewWriter(sealed, sealer)
	w.Write(bytes.Join(body, nil))
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return sealed.Bytes()
}

// streamed opens sealed by a Reader.
func streamed(t testing.TB, sealed []byte) ([]byte, error) {
	t.Helper()
	r, err := NewReader(t.Context(), bytes.NewReader(sealed), testRing, testBinding)
	if err != nil {
		return nil, err
	}
	return io.ReadAll(r)
}

// refusedEverywhere demands of a slice, a stream and ranges that they find damage.
func refusedEverywhere(t testing.TB, what string, sealed []byte) {
	t.Helper()
	if _, err := open(t, sealed); !errors.Is(err, ErrCorrupt) {
		t.Errorf("%s: Open: %v", what, err)
	}
	if _, err := streamed(t, sealed); !errors.Is(err, ErrCorrupt) {
		t.Errorf("%s: stream: %v", what, err)
	}
	if got := readAllAt(t, sealed); got != nil {
		t.Errorf("%s: ranges give %d bytes", what, len(got))
	}
}

// frameOf is a zstd frame of raw blocks of these sizes, with the content checksum sum
// if there is one.
func frameOf(data []byte, blocks []int, sum ...byte) []byte {
	const singleSegment, fourByteSize, checksum = 1 << 5, 2 << 6, 1 << 2
	descriptor := byte(singleSegment | fourByteSize)
	if len(sum) > 0 {
		descriptor |= checksum
	}
	b := append(binary.LittleEndian.AppendUint32(nil, frameMagic), descriptor)
	b = binary.LittleEndian.AppendUint32(b, uint32(len(data)))
	for i, n := range blocks {
		head := uint32(n) << 3
		if i == len(blocks)-1 {
			head |= 1
		}
		b = append(b, byte(head), byte(head>>8), byte(head>>16))
		b, data = append(b, data[:n]...), data[n:]
	}
	return append(b, sum...)
}

// evenly cuts n into count sizes.
func evenly(n, count int) []int {
	sizes := make([]int, count)
	for i := range sizes {
		sizes[i] = n / count
	}
	sizes[0] += n % count
	return sizes
}

// allocated is how many bytes f takes from the heap, whether it gives them back or not.
func allocated(f func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}
