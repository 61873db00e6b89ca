package testbed

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// helperVar makes the test binary play the parent that is killed.
const helperVar = "TESTBED_HELPER_PARENT"

func TestMain(m *testing.M) {
	if os.Getenv(helperVar) == "1" {
		helperParent()
	}
	os.Exit(m.Run())
}

func helperParent() {
	p, err := launch(exec.Command("sleep", "1000"))
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	fmt.Println(p.cmd.Process.Pid)
	<-p.done
	os.Exit(1)
}

func TestChildDiesWithAKilledTestRun(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("only Linux kills children with their parent")
	}
	parent := exec.Command(os.Args[0])
	parent.Env = append(os.Environ(), helperVar+"=1")
	out, err := parent.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := parent.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	child, err := strconv.Atoi(strings.TrimSpace(line))
	if err != nil {
		t.Fatalf("the helper says %q", line)
	}
	if err := parent.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = parent.Wait()
	for range 1000 {
		if ended(child) {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	_ = syscall.Kill(child, syscall.SIGKILL)
	t.Fatal("the child outlived its parent")
}

// ended is also true of a zombie that its new parent has not reaped yet.
func ended(pid int) bool {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	return err != nil || strings.Contains(string(stat), ") Z ")
}

func TestAwaitGivesUpWhenTheChildHasEnded(t *testing.T) {
	p, err := launch(exec.Command("false"))
	if err != nil {
		t.Fatal(err)
	}
	never := func() error { return errors.New("not yet") }
	if err := p.await(never); err == nil || !strings.Contains(err.Error(), "exit status 1") {
		t.Fatalf("got %v, want the child's exit status", err)
	}
}

func TestLaunchReportsAMissingProgram(t *testing.T) {
	if _, err := launch(exec.Command("/nonexistent/server")); !errors.Is(err, os.ErrNotExist) {
		t.Fatalf("got %v", err)
	}
}

func TestChildDoesNotGetOurGodebug(t *testing.T) {
	t.Setenv("GODEBUG", "http2debug=0") // harmless: it takes effect here at once
	t.Setenv("TESTBED_KEPT", "inherited")
	for want, env := range map[string][]string{
		"[] [inherited]": nil,
		"[] [given]":     {"GODEBUG=fips140=only", "TESTBED_KEPT=given"},
	} {
		var out strings.Builder
		cmd := exec.Command("/bin/sh", "-c", `printf '[%s] [%s]' "$GODEBUG" "$TESTBED_KEPT"`)
		cmd.Env, cmd.Stdout = env, &out
		p, err := launch(cmd)
		if err != nil {
			t.Fatal(err)
		}
		<-p.done
		if out.String() != want {
			t.Errorf("the child sees %s, want %s", out.String(), want)
		}
	}
}
