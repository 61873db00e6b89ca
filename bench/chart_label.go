package main

import (
	"html"
	"math"
	"strings"
)

// labels are names that stand beside the ends of lines and never upon each other.
type labels struct {
	lowest float64
	taken  []float64
}

const lineHeight = 15

func newLabels(y axis) *labels { return &labels{lowest: y.from} }

// place is where a name goes that belongs at y: there, or as near above as there is
// room, or below if that is outside of the frame.
func (l *labels) place(y float64) float64 {
	y += 4 // the middle of a letter, not its foot
	for step := 0.0; ; step++ {
		for _, at := range []float64{y - step*5, y + step*5} {
			if at >= frameTop && at <= l.lowest+4 && l.free(at) {
				l.taken = append(l.taken, at)
				return at
			}
		}
		if step > chartHigh {
			return y // more names than there is room for
		}
	}
}

func (l *labels) free(y float64) bool {
	for _, t := range l.taken {
		if math.Abs(t-y) < lineHeight {
			return false
		}
	}
	return true
}

// thousands is a power of ten with what separates thousands.
func thousands(exponent float64) string {
	n := int(exponent)
	digits := "1" + strings.Repeat("0", n)
	for i := len(digits) - 3; i > 0; i -= 3 {
		digits = digits[:i] + "," + digits[i:]
	}
	return digits
}

// powerOfTime is a power of ten of nanoseconds, in the unit that fits.
func powerOfTime(exponent float64) string {
	units := []string{" ns", " µs", " ms", " s"}
	e := int(exponent)
	unit := min(e/3, len(units)-1)
	return thousands(float64(e-3*unit)) + units[unit]
}

func escaped(s string) string { return html.EscapeString(s) }
