//go:build !race

package envelope

const streamSize = 2 << 30
