package diskcache

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"os"
	"os/exec"
	"strconv"
	"sync"
	"testing"
	"time"
)

// The test binary runs itself as the process to be killed.
const (
	childDir   = "DISKCACHE_TEST_CHILD"
	childRound = "DISKCACHE_TEST_ROUND"
	childMax   = "DISKCACHE_TEST_MAX"

	// killRounds says how often to kill; default 20.
	killRounds = "DISKCACHE_KILL_ROUNDS"
)

func TestMain(m *testing.M) {
	if dir := os.Getenv(childDir); dir != "" {
		child(dir)
		return
	}
	os.Exit(m.Run())
}

// child works on the cache until it is killed, and tells before and after
// every operation what it does. Each worker has keys of its own, so their
// operations are in order. A line is one write to a pipe, which outlives us.
func child(dir string) {
	round, _ := strconv.Atoi(os.Getenv(childRound))
	maxBytes, _ := strconv.ParseInt(os.Getenv(childMax), 10, 64)
	c, err := Open(context.Background(), dir, Options{
		MaxBytes: maxBytes, Keys: testKeys{}, Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	var wg sync.WaitGroup
	for w := range 3 {
		wg.Go(func() {
			rng := rand.New(rand.NewPCG(uint64(round), uint64(w)))
			for n := round * 1_000_000; ; n++ {
				childStep(c, rng, fmt.Sprintf("key-%d-%d", w, rng.IntN(15)), n, maxBytes)
			}
		})
	}
	wg.Wait()
}

func childPut(c *Cache, key string, n, size int) error {
	m := Meta{Version: fmt.Sprint(n)}
	if n%25 == 0 {
		return c.PutFrom(context.Background(), key, bytes.NewReader(content(key, n, size)), -1, m, c.Fence(key))
	}
	return c.Put(key, NewView(content(key, n, size)), m, c.Fence(key))
}

func childStep(c *Cache, rng *rand.Rand, key string, n int, maxBytes int64) {
	switch rng.IntN(8) {
	case 0, 1:
		fmt.Printf("begin %s drop 0 0\n", key)
		c.Drop(key)
		fmt.Printf("end %s drop 0 0\n", key)
		return
	case 2: // used entries are copied when their segment is reclaimed
		_, _ = c.Get(key)
		return
	}
	size := rng.IntN(2000)
	if rng.IntN(4) == 0 {
		size = rng.IntN(400 << 10)
	}
	if n%25 == 0 { // a stream, of up to two megabytes
		size = rng.IntN(2 << 20)
		if maxBytes < 64<<20 {
			size /= 8
		}
	}
	fmt.Printf("begin %s put %d %d\n", key, n, size)
	err := childPut(c, key, n, size)
	for errors.Is(err, ErrFenced) { // another worker has dropped a key that shares the counter
		err = childPut(c, key, n, size)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Printf("end %s put %d %d\n", key, n, size)
}

// outcome is what a key may hold: what was done last, or what was being done.
type outcome struct{ done, doing put }

// put is one that was made, or the zero value: dropped, or never stored.
type put struct{ n, size int }

// runAndKill runs a child for a while and returns what it said.
func runAndKill(t *testing.T, dir string, round int, maxBytes int64, operations int) []string {
	t.Helper()
	cmd, out := startChild(t, dir, round, maxBytes)
	var lines []string
	for scan := bufio.NewScanner(out); scan.Scan(); {
		lines = append(lines, scan.Text())
		if len(lines) == 2*operations {
			_ = cmd.Process.Kill() // SIGKILL; the workers are in the middle of something
		}
	}
	_ = cmd.Wait()
	if len(lines) < 2*operations {
		t.Fatalf("the child ended by itself after %d lines", len(lines))
	}
	return lines
}

// during calls f while a child has the cache open.
func during(t *testing.T, dir string, f func(pid int)) {
	t.Helper()
	cmd, out := startChild(t, dir, 1, 16<<20)
	scan := bufio.NewScanner(out)
	if scan.Scan() {
		f(cmd.Process.Pid)
	}
	_ = cmd.Process.Kill()
	for scan.Scan() {
	}
	_ = cmd.Wait()
}

// startChild runs this binary as a child; what it complains of goes to the
// standard error. It is killed if it should hang.
func startChild(t *testing.T, dir string, round int, maxBytes int64) (*exec.Cmd, io.Reader) {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(exe)
	cmd.Stderr = os.Stderr
	cmd.Env = append(os.Environ(), childDir+"="+dir,
		fmt.Sprintf("%s=%d", childRound, round), fmt.Sprintf("%s=%d", childMax, maxBytes))
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	hang := time.AfterFunc(2*time.Minute, func() { _ = cmd.Process.Kill() })
	t.Cleanup(func() { hang.Stop() })
	return cmd, out
}

// replay follows the child's words.
func replay(t *testing.T, state map[string]outcome, lines []string) {
	t.Helper()
	for _, line := range lines {
		var when, key, op string
		var p put
		if _, err := fmt.Sscan(line, &when, &key, &op, &p.n, &p.size); err != nil {
			continue // the last line may be torn
		}
		if when == "begin" {
			state[key] = outcome{done: state[key].done, doing: p}
		} else {
			state[key] = outcome{done: p, doing: p}
		}
	}
}

// TestKilledProcessLosesNothingAndRevivesNothing kills a process with SIGKILL
// at random points, again and again, on one folder. With room for everything, each
// key must hold exactly what was done last, or what was being done: nothing
// else is lost, and nothing dropped comes back. With little room there are
// misses, but the rest holds.
func TestKilledProcessLosesNothingAndRevivesNothing(t *testing.T) {
	t.Parallel()
	rounds := 20
	if n, err := strconv.Atoi(os.Getenv(killRounds)); err == nil {
		rounds = n
	}
	seed := rand.Uint64()
	t.Logf("seed %d, %d rounds", seed, rounds)
	for _, maxBytes := range []int64{256 << 20, 2 << 20} {
		t.Run(fmt.Sprint(maxBytes>>20), func(t *testing.T) {
			dir := newDir(t)
			state := make(map[string]outcome)
			rng := rand.New(rand.NewPCG(uint64(maxBytes), seed))
			for round := range rounds / 2 {
				replay(t, state, runAndKill(t, dir, 1+round+int(seed%1000)*1000, maxBytes, 20+rng.IntN(300)))
				c := open4test(t, dir, Options{MaxBytes: maxBytes, Keys: testKeys{}})
				for key, o := range state {
					state[key] = checkOutcome(t, c, key, o, maxBytes < 100<<20)
				}
				if err := c.Close(); err != nil {
					t.Fatal(err)
				}
			}
		})
	}
}

// checkOutcome returns what the key holds from now on.
func checkOutcome(t *testing.T, c *Cache, key string, o outcome, mayEvict bool) outcome {
	t.Helper()
	e, err := c.Get(key)
	if errors.Is(err, ErrMiss) {
		dropped := o.done == put{} || o.doing == put{}
		// A large Put that was under way may have left a record without a
		// body, which hides what was there before.
		torn := o.done != o.doing
		if !dropped && !torn && !mayEvict {
			t.Errorf("%s is lost: %+v", key, o)
		}
		return outcome{}
	}
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range []put{o.done, o.doing} {
		if p != (put{}) && e.Version == fmt.Sprint(p.n) && is(e, content(key, p.n, p.size)) && e.Suspect {
			return outcome{done: p, doing: p}
		}
	}
	t.Errorf("%s holds version %s (%d bytes, suspect %v), but should %+v", key, e.Version, e.Data.Len(), e.Suspect, o)
	return o
}

func TestDroppedStaysDroppedWhenTheProcessIsKilledAtOnce(t *testing.T) {
	dir := newDir(t)
	state := make(map[string]outcome)
	drops := 0
	for round := 1; round <= 5; round++ {
		lines := runAndKill(t, dir, round, 256<<20, 40)
		replay(t, state, lines)
		c := open4test(t, dir, Options{MaxBytes: 256 << 20, Keys: testKeys{}})
		for key, o := range state {
			if o == (outcome{}) {
				drops++
				wantMiss(t, c, key)
			} else {
				state[key] = checkOutcome(t, c, key, o, false)
			}
		}
		if err := c.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if drops == 0 {
		t.Error("no key was in the state that the test is about")
	}
}
