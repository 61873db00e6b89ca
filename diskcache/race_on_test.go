//go:build race

package diskcache

// lessUnderRace is for work of one goroutine alone, of which the race detector learns
// nothing, and which it makes ten times as slow.
func lessUnderRace(n int) int { return n / 6 }

const underRace = true
