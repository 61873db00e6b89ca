//go:build !race

package floe

const raceEnabled = false
