package keyring

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hipaakit/hipaakit/envelope"
)

// The test binary runs itself as the process that is killed.
const (
	childFile = "KEYRING_TEST_FILE"
	childName = "KEYRING_TEST_NAME"
	childEnd  = "KEYRING_TEST_ROTATIONS"
)

func TestMain(m *testing.M) {
	if path := os.Getenv(childFile); path != "" {
		if err := rotateForever(path, os.Getenv(childName), os.Getenv(childEnd)); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

// rotateForever rotates until it is killed, or as often as end says, and says what
// it has added. A line is one write to a pipe, which outlives the process.
func rotateForever(path, name, end string) error {
	p, err := Raw(NewSecret(bytes.Repeat([]byte{1}, KeySize)))
	if err != nil {
		return err
	}
	k, err := Open(context.Background(), File(path), p)
	if err != nil {
		return err
	}
	for n := 0; fmt.Sprint(n) != end; {
		id, err := k.Rotate(context.Background(), name)
		if errors.Is(err, ErrChanged) {
			continue
		}
		if err != nil {
			return err
		}
		fmt.Println(id)
		n++
	}
	return nil
}

func startChild(t *testing.T, path, name, end string) (*exec.Cmd, io.Reader) {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(exe)
	cmd.Env = append(os.Environ(), childFile+"="+path, childName+"="+name, childEnd+"="+end)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cmd.Process.Kill() })
	return cmd, out
}

// killSometime kills the child after a few of its rotations and some of the next,
// and returns what it said it had added.
func killSometime(t *testing.T, path string, rng *rand.Rand) (added []string) {
	t.Helper()
	cmd, out := startChild(t, path, envelope.DefaultKey, "never")
	lines := bufio.NewScanner(out)
	for range 1 + rng.IntN(4) {
		if !lines.Scan() {
			t.Fatal("the child ended by itself")
		}
		added = append(added, lines.Text())
	}
	time.Sleep(time.Duration(rng.IntN(3000)) * time.Microsecond)
	cmd.Process.Kill()
	for lines.Scan() {
		added = append(added, lines.Text())
	}
	cmd.Wait()
	return added
}

// TestKilledProcessLosesNothingThatItAcknowledged kills one after the other, at
// moments that a seed chooses. What they leave opens, and holds every version that
// was acknowledged; what a save left half done goes with the next RemoveOld.
func TestKilledProcessLosesNothingThatItAcknowledged(t *testing.T) {
	_, path := testKeyring(t)
	rng := rand.New(rand.NewPCG(7, 7))
	want := map[string]bool{"default/1": true}
	for round := range 25 {
		for _, id := range killSometime(t, path, rng) {
			want[id] = true
		}
		k, err := Open(t.Context(), File(path), testProtector(t, 1))
		if err != nil {
			t.Fatalf("round %d: %v", round, err)
		}
		have := map[string]bool{}
		ids, _ := k.Keys()
		for _, id := range ids {
			have[id.String()] = true
		}
		for id := range want {
			if !have[id] {
				t.Fatalf("round %d: %s is lost", round, id)
			}
		}
		if len(have) > len(want)+round+1 { // one for each kill, saved and not acknowledged
			t.Fatalf("round %d: %d versions, %d acknowledged", round, len(have), len(want))
		}
		k.Close()
	}
	t.Logf("%d rotations, %d half done", len(want), len(leftBehind(t, path)))
	if err := osFile(path).RemoveOld(t.Context()); err != nil || len(leftBehind(t, path)) > 0 {
		t.Errorf("%v, %v", leftBehind(t, path), err)
	}
}

// leftBehind lists what is beside the keyring and its lock.
func leftBehind(t *testing.T, path string) (names []string) {
	t.Helper()
	entries, err := os.ReadDir(filepath.Dir(path))
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if e.Name() != filepath.Base(path) && !strings.HasSuffix(e.Name(), ".lock") {
			names = append(names, e.Name())
		}
	}
	return names
}

// TestProcessesRotatingAtOnceLoseNothing, of one name and of two.
func TestProcessesRotatingAtOnceLoseNothing(t *testing.T) {
	_, path := testKeyring(t)
	const each = 15
	names := []string{"shared", "shared", "own"}
	var said []string
	var finish []func() error
	for _, name := range names {
		cmd, out := startChild(t, path, name, fmt.Sprint(each))
		finish = append(finish, func() error {
			for lines := bufio.NewScanner(out); lines.Scan(); {
				said = append(said, lines.Text())
			}
			return cmd.Wait()
		})
	}
	for _, wait := range finish {
		if err := wait(); err != nil {
			t.Error(err)
		}
	}
	k := openTest(t, File(path), testProtector(t, 1))
	have := []string{id(1).String()}
	have = append(have, said...)
	slices.Sort(have)
	var want []string
	ids, _ := k.Keys()
	for _, id := range ids {
		want = append(want, id.String())
	}
	slices.Sort(want)
	if !slices.Equal(have, want) || len(have) != 1+len(names)*each {
		t.Errorf("acknowledged %v, kept %v", have, want)
	}
}
