package testbed

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// patience bounds every wait for a server, so that a server that never answers
// fails the test with a message instead of hanging it. It is no measurement.
const patience = 90 * time.Second

// process is one running child. Its methods may be called from any goroutine.
type process struct {
	cmd  *exec.Cmd
	done chan struct{} // closed once the child has been reaped
}

// launch starts cmd and sees to it that the child dies with this process. The
// child gets its environment without GODEBUG: a test run under fips140=only is
// about our cryptography, and would take away a Go server's MD5 and SHA-1.
//
// The kernel watches the *thread* that forked, so the goroutine that starts the
// child stays locked to its thread until the child is gone.
func launch(cmd *exec.Cmd) (*process, error) {
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{}
	}
	dieWithParent(cmd.SysProcAttr)
	cmd.Env = slices.DeleteFunc(cmd.Environ(), func(v string) bool { return strings.HasPrefix(v, "GODEBUG=") })
	p := &process{cmd: cmd, done: make(chan struct{})}
	started := make(chan error)
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		started <- err
		if err != nil {
			return
		}
		// How a server exits is the test's doing; only that it is gone matters.
		_ = cmd.Wait()
		close(p.done)
	}()
	if err := <-started; err != nil {
		return nil, fmt.Errorf("start %s: %w", cmd.Path, err)
	}
	return p, nil
}

func (p *process) signal(t testing.TB, sig syscall.Signal) {
	t.Helper()
	if err := p.cmd.Process.Signal(sig); err != nil {
		t.Fatalf("send %v to %s: %v", sig, p.cmd.Path, err)
	}
}

// end sends sig and waits until the child has been reaped. A child that is gone
// already is no error.
func (p *process) end(t testing.TB, sig syscall.Signal) {
	t.Helper()
	if p.gone() {
		return
	}
	_ = p.cmd.Process.Signal(sig)
	select {
	case <-p.done:
	case <-time.After(patience):
		_ = p.cmd.Process.Kill()
		<-p.done
		t.Errorf("%s did not end on %v and was killed", p.cmd.Path, sig)
	}
}

func (p *process) gone() bool {
	select {
	case <-p.done:
		return true
	default:
		return false
	}
}

// await calls ready until it returns nil. It gives up when the child has ended
// or patience is over.
func (p *process) await(ready func() error) error {
	deadline := time.Now().Add(patience)
	for {
		err := ready()
		switch {
		case err == nil:
			return nil
		case p.gone():
			return fmt.Errorf("%s ended before it was ready: %v", p.cmd.Path, p.cmd.ProcessState)
		case time.Now().After(deadline):
			return fmt.Errorf("%s was not ready in time: %w", p.cmd.Path, err)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// stopped is an error as long as a thread of the process runs, where /proc tells.
func (p *process) stopped() error {
	threads, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/stat", p.cmd.Process.Pid))
	for _, file := range threads {
		text, err := os.ReadFile(file)
		if _, state, ok := strings.Cut(string(text), ") "); err == nil && ok && !strings.HasPrefix(state, "T") {
			return fmt.Errorf("a thread is not stopped: %.1s", state)
		}
	}
	return nil
}
