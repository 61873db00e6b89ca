// Command bench measures hipaakit beside its peers, in one run, on this machine.
//
//	go -C bench run . [-only NAME,...] [-quick] [-data DIR] [-json FILE] [-picture FILE] [-markdown]
//
// Ours and the peers take turns in short rounds, so that what else the machine
// does meets all of them alike; the tables show medians. Read the ratios, which stand
// in brackets behind each peer and say how many times better ours is, not the times.
// Everything runs on one core, but for what says otherwise, and is measured in time on
// the processor, but for what waits for a disk or a second core. A goal is met, or not,
// by the numbers of this very run.
//
// Each contender's output is opened and compared before it is timed.
package main

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
)

// suites are the measured packages by name.
var suites = map[string]func(*bench) error{
	"dbfailover": dbfailoverSuite,
	"diskcache":  diskcacheSuite,
	"envelope":   envelopeSuite,
	"s3store":    s3storeSuite,
}

func main() {
	b := bench{plan: full, progress: os.Stderr}
	only := flag.String("only", "", "comma-separated `packages` to measure (default: all of "+known()+")")
	quick := flag.Bool("quick", false, "fewer and shorter rounds, fewer sizes: done within 90 seconds for envelope, and three minutes each for diskcache and dbfailover")
	flag.StringVar(&b.data, "data", "", "absolute path of a `folder` of files to measure with, or of folders, one for each kind of data (default: made here)")
	jsonFile := flag.String("json", "", "write the results to this `file` as well")
	flag.StringVar(&b.picture, "picture", "", "draw what an operation of the cache costs by the number of its entries, as SVG, into this `file`")
	flag.BoolVar(&b.markdown, "markdown", false, "print the tables as Markdown, as in docs/performance.md")
	flag.Parse()
	if *quick {
		b.plan = brief
	}
	if err := b.run(*only, *jsonFile, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// bench is one run.
type bench struct {
	plan
	data     string
	markdown bool
	picture  string    // file for the chart; empty: none
	progress io.Writer // what is being measured, as a run takes minutes; nil: nowhere
	cores    int       // of the machine
	dir      string    // for files; removed at the end
	results  []result
	charts   []chart
}

func known() string { return strings.Join(slices.Sorted(maps.Keys(suites)), ", ") }

func (b *bench) run(only, jsonFile string, out io.Writer) (err error) {
	names, err := selected(only)
	if err != nil {
		return err
	}
	// One core: ours would seal on all of them, while the peers use one.
	b.cores = runtime.GOMAXPROCS(1)
	defer runtime.GOMAXPROCS(b.cores)
	if b.data != "" && !filepath.IsAbs(b.data) {
		return fmt.Errorf("-data %s is not absolute: 'go -C' changes the folder first, so give the whole path", b.data)
	}
	if b.dir, err = os.MkdirTemp("", "hipaakit-bench-"); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(b.dir)) }()
	for _, name := range names {
		if err := suites[name](b); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return b.report(jsonFile, out)
}

func (b *bench) report(jsonFile string, out io.Writer) error {
	write := printText
	if b.markdown {
		write = printMarkdown
	}
	write(out, machine(b.cores), b.results)
	if err := b.draw(); err != nil {
		return err
	}
	if jsonFile == "" {
		return nil
	}
	text, err := json.MarshalIndent(b.results, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(jsonFile, append(text, '\n'), 0o644)
}

// draw saves the picture, if one was asked for.
func (b *bench) draw() error {
	switch {
	case b.picture == "":
		return nil
	case len(b.charts) == 0:
		return errors.New("-picture: only of diskcache there is one; leave -only away, or name it there")
	}
	return b.charts[0].save(b.picture)
}

func selected(only string) ([]string, error) {
	if only == "" {
		return slices.Sorted(maps.Keys(suites)), nil
	}
	names := strings.Split(only, ",")
	for _, name := range names {
		if suites[name] == nil {
			return nil, fmt.Errorf("-only %s: nothing of that name is measured; there are %s", name, known())
		}
	}
	return names, nil
}
