package diskcache

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	lru "github.com/hashicorp/golang-lru/v2"
)

// fhir returns n bytes of FHIR JSON: of real bundles if they are beside the
// repository, else of generated ones.
func fhir(b *testing.B, n int) []byte {
	b.Helper()
	names, _ := filepath.Glob("../../shared/data/fhir/*.json")
	var all []byte
	for _, name := range names {
		part, err := os.ReadFile(name)
		if err != nil {
			b.Fatal(err)
		}
		if all = append(all, part...); len(all) > n+200_000 {
			return all[200_000:][:n]
		}
	}
	return observations(n)
}

// observations generates JSON that compresses about as well as a bundle does.
func observations(n int) []byte {
	r := rand.New(rand.NewPCG(1, 2))
	var out bytes.Buffer
	for out.Len() < n {
		fmt.Fprintf(&out, `{"resource":{"resourceType":"Observation","id":"%016x-%016x","status":"final",`+
			`"code":{"coding":[{"system":"http://loinc.org","code":"%d-%d"}]},"valueQuantity":{"value":%.6f,"unit":"mmol/L"}}},`,
			r.Uint64(), r.Uint64(), r.IntN(99999), r.IntN(9), r.Float64()*200)
	}
	return out.Bytes()[:n]
}

func noise(n int) []byte {
	data := make([]byte, n)
	c := rand.NewChaCha8([32]byte{1})
	c.Read(data)
	return data
}

func BenchmarkMemoryHit(b *testing.B) {
	const entries = 10_000
	keys := make([]string, entries)
	// Looked up in another order, and through other strings of the same
	// content, as requests would do.
	lookups := make([]string, entries)
	order := rand.Perm(entries)
	c := open4test(b, filepath.Join(b.TempDir(), "cache"), Options{})
	peer, err := lru.New[string, View](entries)
	if err != nil {
		b.Fatal(err)
	}
	for i := range keys {
		keys[i] = fmt.Sprintf("patients/%08d/bundle.json", i)
		v := NewView(observations(1024))
		mustPut(b, c, keys[i], v, "v")
		peer.Add(strings.Clone(keys[i]), v)
		lookups[order[i]] = keys[i]
	}
	b.Run("diskcache", func(b *testing.B) {
		b.ReportAllocs()
		b.RunParallel(func(pb *testing.PB) {
			for i := rand.IntN(entries); pb.Next(); i++ {
				if _, err := c.Get(lookups[i%entries]); err != nil {
					b.Error(err)
				}
			}
		})
	})
	b.Run("golang-lru", func(b *testing.B) {
		b.ReportAllocs()
		b.RunParallel(func(pb *testing.PB) {
			for i := rand.IntN(entries); pb.Next(); i++ {
				if _, ok := peer.Get(lookups[i%entries]); !ok {
					b.Error("miss")
				}
			}
		})
	})
}

// BenchmarkDiskHit compares a hit that is not in memory with reading the same
// bytes, in plain, from a file of their own. Both come from the page cache.
func BenchmarkDiskHit(b *testing.B) {
	for _, kind := range []string{"fhir", "noise"} {
		for _, size := range []int{4 << 10, 64 << 10, 1 << 20} {
			data := noise(size)
			if kind == "fhir" {
				data = fhir(b, size)
			}
			benchmarkDiskHit(b, fmt.Sprintf("%s/%dKiB", kind, size>>10), data)
		}
	}
}

func benchmarkDiskHit(b *testing.B, name string, data []byte) {
	c := open4test(b, filepath.Join(b.TempDir(), "cache"), Options{MemoryBytes: -1})
	plain := filepath.Join(b.TempDir(), "plain")
	if err := os.WriteFile(plain, data, 0o600); err != nil {
		b.Fatal(err)
	}
	mustPut(b, c, "patients/1/bundle.json", NewView(data), "v")
	b.Run(name+"/diskcache", func(b *testing.B) {
		b.ReportAllocs()
		b.SetBytes(int64(len(data)))
		for b.Loop() {
			if _, err := c.Get("patients/1/bundle.json"); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run(name+"/ReadFile", func(b *testing.B) {
		b.ReportAllocs()
		b.SetBytes(int64(len(data)))
		for b.Loop() {
			if _, err := os.ReadFile(plain); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func BenchmarkPut4KiB(b *testing.B) {
	c := open4test(b, filepath.Join(b.TempDir(), "cache"), Options{MaxBytes: 1 << 30})
	data := NewView(fhir(b, 4096))
	keys := make([]string, 100_000)
	for i := range keys {
		keys[i] = fmt.Sprintf("patients/%08d/bundle.json", i)
	}
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		key := keys[i%len(keys)]
		if err := c.Put(key, data, Meta{Version: "v"}, c.Fence(key)); err != nil {
			b.Fatal(err)
		}
		i++
	}
}

func BenchmarkDrop(b *testing.B) {
	c := open4test(b, filepath.Join(b.TempDir(), "cache"), Options{MaxBytes: 1 << 30})
	b.ReportAllocs()
	for b.Loop() {
		c.Drop("patients/1/bundle.json")
	}
}

// BenchmarkOpen reports the time to find one entry again after a restart.
func BenchmarkOpen(b *testing.B) {
	const entries = 50_000
	dir := filepath.Join(b.TempDir(), "cache")
	c := open4test(b, dir, Options{Keys: testKeys{}})
	data := NewView(fhir(b, 4096))
	for i := range entries {
		mustPut(b, c, fmt.Sprintf("patients/%08d", i), data, "v")
	}
	for b.Loop() {
		if err := c.Close(); err != nil {
			b.Fatal(err)
		}
		c = open4test(b, dir, Options{Keys: testKeys{}})
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/entries, "ns/entry")
	if st := c.Stats(); st.Entries != entries {
		b.Fatalf("%d entries of %d came back", st.Entries, entries)
	}
}
