//go:build race

package envelope

// streamSize is less under the race detector, which is some ten times slower.
const streamSize = 128 << 20
