package envelope

import (
	"bytes"
	"errors"
	"slices"
	"testing"
)

// TestEveryByteOfTheSeekTableCounts seals tables of which one bit is wrong, so that
// both readers hold every field of it against the frames: magics, length, entries,
// count and the descriptor.
func TestEveryByteOfTheSeekTableCounts(t *testing.T) {
	one, two := encodeFrame(CompressFast, text(1000), nil), encodeFrame(CompressFast, text(300), nil)
	table := seekTable(nil).add(len(one), 1000).add(len(two), 300).encode()
	if _, err := openBody(t, slices.Concat(one, two, table)); err != nil {
		t.Fatalf("the honest table: %v", err)
	}
	for at := range table {
		for bit := range 8 {
			bad := bytes.Clone(table)
			bad[at] ^= 1 << bit
			if _, err := openBody(t, slices.Concat(one, two, bad)); !errors.Is(err, ErrCorrupt) {
				t.Fatalf("byte %d of the table, bit %d: %v", at, bit, err)
			}
		}
	}
}

// TestEntriesThatAreNoFrameAreRefusedAtOnce: an entry is the size of two allocations,
// and must be bounded before it is one.
func TestEntriesThatAreNoFrameAreRefusedAtOnce(t *testing.T) {
	for _, e := range []struct {
		compressed, data int
		ok               bool
	}{
		{1, 1, true}, {maxFrameBytes, frameSize, true},
		{0, 1, false}, {1, 0, false}, {maxFrameBytes + 1, 1, false}, {1, frameSize + 1, false},
		{1<<32 - 1, 1, false}, {1, 1<<32 - 1, false},
	} {
		x, err := newFrameIndex(seekTable(nil).add(10, 10).add(e.compressed, e.data))
		if e.ok && (err != nil || x.size() != int64(10+e.data)) || !e.ok && !errors.Is(err, errSeekTable) {
			t.Errorf("%+v: %v", e, err)
		}
	}
}

// TestLyingSeekTableTakesNoMemory promises 4 GiB, and a compressed frame of 4 MiB.
func TestLyingSeekTableTakesNoMemory(t *testing.T) {
	frame := encodeFrame(CompressFast, text(1000), nil)
	long := make([]byte, 4<<20)
	for name, sealed := range map[string][]byte{
		"data":       sealAs(t, Options{}, -1, frame, seekTable(nil).add(len(frame), 1<<32-1).encode()),
		"compressed": sealAs(t, Options{}, -1, long, seekTable(nil).add(len(long), 1000).encode()),
	} {
		taken := allocated(func() {
			if ra, err := openAt(t, sealed); err == nil {
				_, err = ra.ReadAt(make([]byte, 10), 0)
				t.Errorf("%s: opened, and then %v", name, err)
			}
		})
		if taken > 1<<20 {
			t.Errorf("%s: %d KiB were taken", name, taken>>10)
		}
	}
}
