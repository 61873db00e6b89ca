package main

import "math/rand/v2"

// workload is a sequence of keys. Each use draws a sequence of its own from the
// same seeds.
type workload struct {
	name string
	make func(n int) func(i int) int // n is how many entries fit
}

// scanned keys are others than those drawn.
const scanned = 1 << 40

var workloads = []workload{
	{"Zipf 1.01", func(n int) func(int) int { return zipf(1.01, 40*n) }},
	{"Zipf 1.2", func(n int) func(int) int { return zipf(1.2, 20*n) }},
	{"Zipf with scans", func(n int) func(int) int { // of three caches' worth, never seen again
		draw := zipf(1.1, 10*n)
		return func(i int) int {
			if i%(8*n) < 3*n {
				return scanned + i
			}
			return draw(i)
		}
	}},
	{"Zipf with a loop", func(n int) func(int) int {
		draw := zipf(1.1, 10*n)
		return func(i int) int {
			if i%2 == 0 {
				return scanned + i/2%(2*n)
			}
			return draw(i)
		}
	}},
	{"loop of 0.9 of the cache", func(n int) func(int) int { return func(i int) int { return i % (9 * n / 10) } }},
	{"loop of 1.5 of the cache", func(n int) func(int) int { return func(i int) int { return i % (3 * n / 2) } }},
	{"changing working set", func(n int) func(int) int { return moving(n, 15*n) }},
	{"fast changing working set", func(n int) func(int) int { return moving(n, 6*n) }},
}

func zipf(s float64, most int) func(int) int {
	z := rand.NewZipf(rand.New(rand.NewPCG(uint64(most), 7)), s, 1, uint64(most))
	return func(int) int { return int(z.Uint64()) }
}

// moving draws from a set that is another one after so many requests.
func moving(n, requests int) func(int) int {
	draw := zipf(1.1, 4*n)
	return func(i int) int { return i/requests*scanned + draw(i) }
}
