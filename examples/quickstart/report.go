package main

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
)

// report collects what the tour saw, and prints it.
type report struct {
	out    io.Writer
	failed int
	checks int
	files  []row
}

// row is one file's line in the table.
type row struct {
	name                             string
	size, sealed                     int64
	put, miss, memory, confirm, disk time.Duration
}

func (r *report) heading(text string) { fmt.Fprintf(r.out, "\n%s\n", text) }

// check notes whether what was promised is so.
func (r *report) check(ok bool, format string, args ...any) {
	r.checks++
	mark := "ok  "
	if !ok {
		mark = "FAIL"
		r.failed++
	}
	fmt.Fprintf(r.out, "  %s  %s\n", mark, fmt.Sprintf(format, args...))
}

func (r *report) note(format string, args ...any) {
	fmt.Fprintf(r.out, "        %s\n", fmt.Sprintf(format, args...))
}

func (r *report) table() {
	const line = "  %-34s %9s %9s %6s %9s %9s %9s %9s %9s\n"
	fmt.Fprintf(r.out, "\n"+line, "file", "size", "stored", "ratio", "put", "miss", "RAM hit", "confirm", "disk hit")
	total := row{name: fmt.Sprintf("all %d files", len(r.files))}
	for _, f := range r.files {
		r.line(line, f)
		total.size, total.sealed = total.size+f.size, total.sealed+f.sealed
		total.put, total.miss, total.memory = total.put+f.put, total.miss+f.miss, total.memory+f.memory
		total.confirm, total.disk = total.confirm+f.confirm, total.disk+f.disk
	}
	r.line(line, total)
	fmt.Fprintln(r.out, "  put: seal, tell the peer, store. miss: read from S3. RAM hit, disk hit: nobody asked.")
	fmt.Fprintln(r.out, "  confirm: the first read after a restart, from disk, once S3 said that it is current.")
}

func (r *report) line(format string, f row) {
	ratio := "-"
	if f.size > 0 {
		ratio = fmt.Sprintf("%.2f", float64(f.sealed)/float64(f.size))
	}
	fmt.Fprintf(r.out, format, shorten(f.name, 34), bytesText(f.size), bytesText(f.sealed), ratio,
		timeText(f.put), timeText(f.miss), timeText(f.memory), timeText(f.confirm), timeText(f.disk))
}

func (r *report) verdict() bool {
	if r.failed > 0 {
		fmt.Fprintf(r.out, "\n%d of %d checks FAILED\n", r.failed, r.checks)
		return false
	}
	fmt.Fprintf(r.out, "\nall %d checks true\n", r.checks)
	return true
}

func shorten(s string, n int) string {
	if r := []rune(s); len(r) > n {
		return string(slices.Concat(r[:n/2-1], []rune("…"), r[len(r)-n/2:]))
	}
	return s
}

func bytesText(n int64) string {
	switch {
	case n >= 1<<20:
		return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20))
	case n >= 1<<10:
		return fmt.Sprintf("%.1f KiB", float64(n)/(1<<10))
	}
	return fmt.Sprintf("%d B", n)
}

func timeText(d time.Duration) string {
	switch {
	case d >= time.Second:
		return fmt.Sprintf("%.2f s", d.Seconds())
	case d >= time.Millisecond:
		return fmt.Sprintf("%.1f ms", float64(d)/1e6)
	case d >= time.Microsecond:
		return fmt.Sprintf("%.1f µs", float64(d)/1e3)
	}
	return strings.TrimSpace(fmt.Sprintf("%d ns", d))
}
