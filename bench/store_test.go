package main

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/hipaakit/hipaakit/diskcache"
)

func everyShop() []shop {
	return []shop{ourShop(), fileShop(), badgerShop(), diskvShop(), bboltShop(), pebbleShop()}
}

// TestEveryStoreReturnsWhatWasPut, of several sizes, and an error for what was not: a
// peer that answers with nothing would be fast.
func TestEveryStoreReturnsWhatWasPut(t *testing.T) {
	data := fillUp(nil, 4<<20, observation)
	for _, shop := range everyShop() {
		for _, n := range []int{1, 4 << 10, 64 << 10, 1 << 20} {
			st, err := shop.stock(filepath.Join(t.TempDir(), shop.name), cut(data, n, 3)) // proves it
			if err != nil {
				t.Fatalf("%s, %d bytes: %v", shop.name, n, err)
			}
			if v, err := st.get(st.nameOf(keyOf(99))); err == nil {
				t.Errorf("%s has %d bytes that nobody stored", shop.name, v.Len())
			}
			if err := st.remove(); err != nil {
				t.Errorf("%s: %v", shop.name, err)
			}
			if _, err := os.Stat(st.dir); !os.IsNotExist(err) {
				t.Errorf("%s leaves its folder behind: %v", shop.name, err)
			}
		}
	}
}

// TestWhatAStoreReturnsIsTheCallers writes to a store after a read, which changes
// memory that was only lent.
func TestWhatAStoreReturnsIsTheCallers(t *testing.T) {
	data := fillUp(nil, 1<<20, observation)
	for _, shop := range everyShop() {
		records := cut(data, 4<<10, 8)
		st, err := shop.stock(filepath.Join(t.TempDir(), shop.name), records)
		if err != nil {
			t.Fatal(err)
		}
		before, err := st.get(st.names[0])
		if err != nil {
			t.Fatal(err)
		}
		for range 20 {
			for _, name := range st.names {
				if err := st.put(name, records[7]); err != nil {
					t.Fatal(shop.name, err)
				}
			}
		}
		if string(before.Bytes()) != string(records[0]) {
			t.Errorf("%s: what was read changes when others write", shop.name)
		}
		if err := st.remove(); err != nil {
			t.Error(err)
		}
	}
}

// forgetful is a store that returns something else, or fails.
type forgetful struct {
	wrong   []byte
	fails   error
	asked   []string
	written []string
}

func (f *forgetful) nameOf(key string) string { return key }
func (f *forgetful) put(name string, _ []byte) error {
	f.written = append(f.written, name)
	return f.fails
}
func (f *forgetful) get(name string) (diskcache.View, error) {
	f.asked = append(f.asked, name)
	return diskcache.NewView(f.wrong), f.fails
}
func (f *forgetful) close() error { return nil }

func TestAStoreThatReturnsSomethingElseIsNotMeasured(t *testing.T) {
	broken := errors.New("broken")
	for want, f := range map[string]*forgetful{"is not what was stored": {wrong: []byte("other")}, "broken": {fails: broken}} {
		s := shop{"peer", func(string) (store, error) { return f, nil }}
		if _, err := s.stock(filepath.Join(t.TempDir(), "peer"), [][]byte{[]byte("record")}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %s", err, want)
		}
	}
	st := &stocked{shop{name: "peer"}, &forgetful{fails: broken}, "", []string{"a"}}
	if err := st.reading().do(1); !errors.Is(err, broken) {
		t.Errorf("reading: %v", err)
	}
	if _, err := st.writing([][]byte{{}}).timed(1); !errors.Is(err, broken) {
		t.Errorf("writing: %v", err)
	}
}

// TestShortTurnsReadEverything: turns of three go through all hundred names before any
// comes again, in no order that a prefetcher would find.
func TestShortTurnsReadEverything(t *testing.T) {
	f := &forgetful{}
	st := &stocked{shop{}, f, "", names(f, 0, 100)}
	reads := st.reading()
	for range 34 {
		if err := reads.do(3); err != nil {
			t.Fatal(err)
		}
	}
	if slices.IsSorted(f.asked[:100]) {
		t.Error("in order")
	}
	if f.asked[100] != f.asked[0] {
		t.Error("another order the second time around")
	}
	first := slices.Sorted(slices.Values(f.asked[:100]))
	if len(slices.Compact(first)) != 100 {
		t.Error("some come twice, others never")
	}
}

func TestPutsAreOfNewKeys(t *testing.T) {
	f := &forgetful{}
	st := &stocked{shop{}, f, "", names(f, 0, 10)}
	writes := st.writing([][]byte{{1}, {2}})
	for range 5 {
		if _, err := writes.timed(7); err != nil {
			t.Fatal(err)
		}
	}
	all := slices.Sorted(slices.Values(append(f.written, st.names...)))
	if len(f.written) != 35 || len(slices.Compact(all)) != 45 {
		t.Errorf("%d puts of %d keys", len(f.written), len(slices.Compact(all)))
	}
}
