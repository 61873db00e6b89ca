package main

import (
	"fmt"
	"io"
	"math"
	"os"
	"strings"
)

// chart is how times depend on a number of things, both on logarithmic axes: what
// grows with the number rises, what does not is level.
type chart struct {
	title  string
	things string // what there are so many of
	lines  []line
}

type line struct {
	name   string
	ours   bool
	points []point
}

// point is a time, in ns, where there are n things.
type point struct{ n, ns float64 }

// The picture's measures, in its own units, and its frame: what is outside of it is
// for words.
const (
	chartWide, chartHigh = 760, 440
	frameLeft, frameTop  = 70, 44
	frameWide, frameHigh = 480, 336
)

// others are colours for peers that also people who see few colours tell apart, with
// dashes for those who see none (Okabe and Ito, "Color Universal Design", 2008).
var others = []struct{ colour, dashes string }{
	{"#d55e00", "7 4"}, {"#cc79a7", "2 4"}, {"#009e73", "9 3 2 3"}, {"#e69f00", "4 2"},
}

// axis maps values to places, powers of ten at equal distances.
type axis struct {
	low, high float64 // exponents of ten
	from, to  float64 // their places
}

func (a axis) at(v float64) float64 {
	return a.from + (math.Log10(v)-a.low)/(a.high-a.low)*(a.to-a.from)
}

// axes fit all points, up to whole powers of ten.
func (c chart) axes() (x, y axis) {
	x = axis{math.Inf(1), math.Inf(-1), frameLeft, frameLeft + frameWide}
	y = axis{math.Inf(1), math.Inf(-1), frameTop + frameHigh, frameTop}
	for _, l := range c.lines {
		for _, p := range l.points {
			x.low, x.high = min(x.low, math.Floor(math.Log10(p.n))), max(x.high, math.Ceil(math.Log10(p.n)))
			y.low, y.high = min(y.low, math.Floor(math.Log10(p.ns))), max(y.high, math.Ceil(math.Log10(p.ns)))
		}
	}
	x.high, y.high = max(x.high, x.low+1), max(y.high, y.low+1)
	return x, y
}

// draw writes the chart as SVG. The background is white, as a page's may be dark.
func (c chart) draw(w io.Writer) error {
	if len(c.lines) == 0 {
		return fmt.Errorf("a chart of nothing")
	}
	var s strings.Builder
	fmt.Fprintf(&s, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" width="%d" height="%d" font-family="sans-serif" font-size="13" fill="#222">`+"\n", chartWide, chartHigh, chartWide, chartHigh)
	fmt.Fprintf(&s, "<title>%s</title>\n<rect width=\"%d\" height=\"%d\" fill=\"#fff\"/>\n", escaped(c.title), chartWide, chartHigh)
	fmt.Fprintf(&s, `<text x="%d" y="26" font-size="16">%s</text>`+"\n", frameLeft, escaped(c.title))
	x, y := c.axes()
	c.grid(&s, x, y)
	labels := newLabels(y)
	for i, l := range c.lines {
		colour, dashes, width := "#0072b2", "none", 3.0
		if !l.ours {
			o := others[i%len(others)]
			colour, dashes, width = o.colour, o.dashes, 1.8
		}
		var points []string
		for _, p := range l.points {
			points = append(points, fmt.Sprintf("%.1f,%.1f", x.at(p.n), y.at(p.ns)))
		}
		fmt.Fprintf(&s, `<polyline points="%s" fill="none" stroke="%s" stroke-width="%g" stroke-dasharray="%s"/>`+"\n", strings.Join(points, " "), colour, width, dashes)
		last := l.points[len(l.points)-1]
		fmt.Fprintf(&s, `<text x="%.1f" y="%.1f" fill="%s">%s</text>`+"\n", x.at(last.n)+8, labels.place(y.at(last.ns)), colour, escaped(l.name))
	}
	s.WriteString("</svg>\n")
	_, err := io.WriteString(w, s.String())
	return err
}

// grid is the lines at powers of ten, and what they stand for.
func (c chart) grid(s *strings.Builder, x, y axis) {
	const rule = `<line x1="%.1f" y1="%.1f" x2="%.1f" y2="%.1f" stroke="#ddd"/>` + "\n"
	for e := x.low; e <= x.high; e++ {
		at := x.at(math.Pow(10, e))
		fmt.Fprintf(s, rule, at, y.from, at, y.to)
		fmt.Fprintf(s, `<text x="%.1f" y="%.1f" text-anchor="middle">%s</text>`+"\n", at, y.from+20, thousands(e))
	}
	for e := y.low; e <= y.high; e++ {
		at := y.at(math.Pow(10, e))
		fmt.Fprintf(s, rule, x.from, at, x.to, at)
		fmt.Fprintf(s, `<text x="%.1f" y="%.1f" text-anchor="end">%s</text>`+"\n", x.from-8, at+4, powerOfTime(e))
	}
	fmt.Fprintf(s, `<text x="%.1f" y="%.1f" text-anchor="middle">%s</text>`+"\n", (x.from+x.to)/2, y.from+42, escaped(c.things))
}

// save writes the picture to a file.
func (c chart) save(file string) error {
	f, err := os.Create(file)
	if err != nil {
		return err
	}
	err = c.draw(f)
	if closed := f.Close(); err == nil {
		err = closed
	}
	return err
}
