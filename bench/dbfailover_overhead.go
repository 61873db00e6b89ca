package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
)

const ourModule = "github.com/hipaakit/hipaakit"

// overhead runs the package's own benchmark: a driver that does nothing can be put
// under the connector from inside only. It has both take turns, in chunks of 500
// operations, and tells medians.
func (b *bench) overhead() error {
	program, err := b.buildBenchmark()
	if err != nil {
		return err
	}
	times := 2_000_000
	switch {
	case b.pace.rounds <= 3:
		times = 1000
	case b.pace.rounds < thorough.rounds:
		times = 300_000
	}
	cmd := exec.Command(program, "-test.run=^$", "-test.bench=^BenchmarkOverhead$", "-test.cpu=1", "-test.benchtime="+strconv.Itoa(times)+"x")
	cmd.Dir = b.dir
	out, err := cmd.CombinedOutput()
	if err != nil {
		return fmt.Errorf("BenchmarkOverhead: %w\n%s", err, out)
	}
	rows, err := overheads(string(out))
	if err != nil {
		return err
	}
	for _, r := range rows {
		g := goal{most: 150}
		if r.Unit == allocations {
			g = goal{none: true}
		} else if r.Case == threeOperations {
			g.most *= 3
		}
		b.add(r, g)
	}
	return nil
}

func (b *bench) buildBenchmark() (string, error) {
	found, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", ourModule).Output()
	if err != nil {
		return "", fmt.Errorf("find %s: %w", ourModule, err)
	}
	program := filepath.Join(b.dir, "dbfailover.test")
	build := exec.Command("go", "test", "-c", "-o", program, "./dbfailover")
	build.Dir, build.Stderr = strings.TrimSpace(string(found)), os.Stderr
	return program, build.Run()
}

const (
	tableOverhead = "dbfailover: what it adds to a driver that does nothing"
	tableGarbage  = "dbfailover: allocations that it adds"
)

// overheads reads the benchmark's lines: a name, a count, and pairs of value and unit.
func overheads(out string) ([]result, error) {
	var times, allocs []result
	for line := range strings.Lines(out) {
		fields := strings.Fields(line)
		name, ok := strings.CutPrefix(line, "BenchmarkOverhead/")
		if !ok || len(fields) < 4 {
			continue
		}
		name, _, _ = strings.Cut(strings.Fields(name)[0], "-")
		values := map[string]float64{}
		for i := 2; i+1 < len(fields); i += 2 {
			v, err := strconv.ParseFloat(fields[i], 64)
			if err != nil {
				return nil, fmt.Errorf("BenchmarkOverhead: %q: %w", line, err)
			}
			values[fields[i+1]] = v
		}
		bare, ours := values["bare-ns/op"], values["ours-ns/op"]
		if bare <= 0 || ours <= 0 {
			return nil, fmt.Errorf("BenchmarkOverhead: no times in %q", line)
		}
		times = append(times, adds(tableOverhead, name, nanoseconds, bare, max(1, ours-bare)))
		allocs = append(allocs, adds(tableGarbage, name, allocations, values["bare-allocs/op"], max(0, values["ours-allocs/op"]-values["bare-allocs/op"])))
	}
	if len(times) == 0 {
		return nil, fmt.Errorf("BenchmarkOverhead told nothing:\n%s", out)
	}
	return append(times, allocs...), nil
}

const (
	bareOperation   = "the same without"
	threeOperations = "begin, exec, commit"
)

// adds is a result in which ours is what is added to the peer.
func adds(table, name, unit string, bare, added float64) result {
	if name == "transaction" {
		name = threeOperations
	}
	return result{
		Table: table, Case: name, Unit: unit, Ours: added, Peers: map[string]float64{bareOperation: bare}, order: []string{bareOperation},
		Note: "Through database/sql, one caller. Ours is what is added; the driver underneath writes and reads one packet to nowhere for each operation.",
	}
}
