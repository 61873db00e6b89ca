//go:build race

package floe

// The race detector makes sync.Pool drop items at random.
const raceEnabled = true
