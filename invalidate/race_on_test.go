//go:build race

package invalidate

// underRace: the race detector makes the simulation ten times as slow.
const underRace = true
