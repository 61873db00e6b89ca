package main

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func someChart() chart {
	return chart{title: "a < b & c", things: "entries", lines: []line{
		{"ours", true, []point{{1e4, 2e3}, {1e5, 2e3}, {1e7, 4e3}}},
		{"close by", false, []point{{1e4, 3e3}, {1e7, 4.1e3}}},
		{"peer", false, []point{{1e4, 1e7}, {1e5, 1e8}}},
	}}
}

func drawn(t *testing.T, c chart) string {
	t.Helper()
	var out bytes.Buffer
	if err := c.draw(&out); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

func TestChartIsWellFormedAndNamesEveryLine(t *testing.T) {
	svg := drawn(t, someChart())
	d := xml.NewDecoder(strings.NewReader(svg))
	text, polylines := "", 0
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		switch e := token.(type) {
		case xml.StartElement:
			if e.Name.Local == "polyline" {
				polylines++
			}
		case xml.CharData:
			text += string(e) + "\n"
		}
	}
	if polylines != 3 {
		t.Errorf("%d lines", polylines)
	}
	for _, want := range []string{"a < b & c", "ours", "close by", "peer", "entries", "10,000\n", "10,000,000\n", "1 µs\n", "100 ms\n"} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is not in it", want)
		}
	}
}

// TestChartIsLogarithmic: ten times as much is always the same way.
func TestChartIsLogarithmic(t *testing.T) {
	x, y := someChart().axes()
	if x.at(1e4) != frameLeft || math.Abs(x.at(1e7)-(frameLeft+frameWide)) > 1e-9 {
		t.Errorf("%v and %v are not the frame's sides", x.at(1e4), x.at(1e7))
	}
	if y.at(1e3) != frameTop+frameHigh || math.Abs(y.at(1e8)-frameTop) > 1e-9 {
		t.Errorf("%v and %v are not the frame's foot and head", y.at(1e3), y.at(1e8))
	}
	if up, again := y.at(1e4)-y.at(1e5), y.at(1e6)-y.at(1e7); math.Abs(up-again) > 1e-9 || up <= 0 {
		t.Errorf("%v and %v", up, again)
	}
	level := drawn(t, chart{lines: []line{{"", true, []point{{100, 50}, {1000, 50}}}}})
	if !strings.Contains(level, `<polyline points="70.0,145.`) && !strings.Contains(level, `<polyline points="70.0,`) {
		t.Error(level)
	}
}

func TestLabelsDoNotCoverEachOther(t *testing.T) {
	l := newLabels(axis{from: frameTop + frameHigh})
	var placed []float64
	for range 12 {
		at := l.place(200)
		for _, other := range placed {
			if math.Abs(other-at) < lineHeight {
				t.Fatalf("%v and %v", other, at)
			}
		}
		if at < frameTop || at > frameTop+frameHigh+4 {
			t.Errorf("%v is outside", at)
		}
		placed = append(placed, at)
	}
	for range 100 {
		l.place(200) // and it ends when there is no more room
	}
}

func TestPowersInWords(t *testing.T) {
	for want, got := range map[string]string{
		"1 ns": powerOfTime(0), "100 ns": powerOfTime(2), "10 µs": powerOfTime(4), "1 ms": powerOfTime(6), "1 s": powerOfTime(9), "10,000 s": powerOfTime(13),
		"1": thousands(0), "1,000": thousands(3), "100,000": thousands(5),
	} {
		if got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

func TestPictureIsSaved(t *testing.T) {
	file := filepath.Join(t.TempDir(), "cost.svg")
	if err := someChart().save(file); err != nil {
		t.Fatal(err)
	}
	if got, err := os.ReadFile(file); err != nil || string(got) != drawn(t, someChart()) {
		t.Errorf("%d bytes, %v", len(got), err)
	}
	if err := (&bench{picture: file + "2"}).draw(); err == nil || !strings.Contains(err.Error(), "-picture") {
		t.Errorf("a run without a picture: %v", err)
	}
	if err := (chart{}).draw(io.Discard); err == nil {
		t.Error("a picture of nothing")
	}
	if err := someChart().save(filepath.Join(file, "x")); err == nil {
		t.Error("saved into a file as if it were a folder")
	}
}
