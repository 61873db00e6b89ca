//go:build !race

package invalidate

const underRace = false
