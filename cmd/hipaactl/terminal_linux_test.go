package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
	"unsafe"
)

// asCommand in the environment makes the test binary the command itself, which
// a test can then run on a terminal of its own.
const asCommand = "HIPAACTL_TEST_AS_COMMAND"

func TestMain(m *testing.M) {
	if os.Getenv(asCommand) != "" {
		main()
	}
	os.Exit(m.Run())
}

// pty is a pseudo-terminal: what is written to keyboard is typed at screen.
type pty struct{ keyboard, screen *os.File }

func newPTY(t *testing.T) pty {
	t.Helper()
	keyboard, err := os.OpenFile("/dev/ptmx", os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { keyboard.Close() })
	var unlock, number int32
	ioctl(t, keyboard, syscall.TIOCSPTLCK, unsafe.Pointer(&unlock))
	ioctl(t, keyboard, syscall.TIOCGPTN, unsafe.Pointer(&number))
	screen, err := os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { screen.Close() })
	return pty{keyboard, screen}
}

func ioctl(t *testing.T, f *os.File, request uintptr, arg unsafe.Pointer) {
	t.Helper()
	c, err := f.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	var failed syscall.Errno
	err = c.Control(func(fd uintptr) {
		_, _, failed = syscall.Syscall(syscall.SYS_IOCTL, fd, request, uintptr(arg))
	})
	if err != nil || failed != 0 {
		t.Fatalf("ioctl %#x: %v, %v", request, err, failed)
	}
}

func (p pty) echoes(t *testing.T) bool {
	t.Helper()
	var state syscall.Termios
	ioctl(t, p.screen, syscall.TCGETS, unsafe.Pointer(&state))
	return state.Lflag&syscall.ECHO != 0
}

// start runs the command on the terminal.
func (p pty) start(ctx context.Context, t *testing.T, args ...string) (*exec.Cmd, *bytes.Buffer) {
	t.Helper()
	var errOut bytes.Buffer
	c := exec.CommandContext(ctx, os.Args[0], args...)
	c.Env = append(os.Environ(), asCommand+"=1")
	c.Stdin, c.Stderr = p.screen, &errOut
	c.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true, Ctty: 0}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	return c, &errOut
}

// awaitPrompt returns once the command reads without echo.
func (p pty) awaitPrompt(ctx context.Context, t *testing.T) {
	t.Helper()
	for p.echoes(t) {
		select {
		case <-ctx.Done():
			t.Fatal("the command does not ask")
		case <-time.After(time.Millisecond):
		}
	}
}

// hangGuard ends what would otherwise hang.
func hangGuard(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(cancel)
	return ctx
}

func TestCtrlCEndsThePromptAndRestoresTheTerminal(t *testing.T) {
	ctx, p := hangGuard(t), newPTY(t)
	c, errOut := p.start(ctx, t, "keys", "show")
	p.awaitPrompt(ctx, t)
	if _, err := p.keyboard.Write([]byte{3}); err != nil {
		t.Fatal(err)
	}
	if err := c.Wait(); c.ProcessState.ExitCode() != 1 || !strings.Contains(errOut.String(), "interrupted") {
		t.Errorf("%v: %s", err, errOut)
	}
	if !p.echoes(t) {
		t.Error("the terminal does not show what is typed any more")
	}
}

func TestPassphraseTypedTwiceMakesAKeyring(t *testing.T) {
	const passphrase = "correct horse battery"
	for second, want := range map[string]int{passphrase: 0, "correct horse batterz": 1} {
		ctx, p := hangGuard(t), newPTY(t)
		file := filepath.Join(t.TempDir(), "keyring.json")
		c, errOut := p.start(ctx, t, "keys", "init", "-keyring", file)
		p.awaitPrompt(ctx, t)
		fmt.Fprintf(p.keyboard, "%s\n%s\n", passphrase, second)
		c.Wait()
		if code := c.ProcessState.ExitCode(); code != want || strings.Contains(errOut.String(), "horse") {
			t.Errorf("exit %d: %s", code, errOut)
		}
		if _, err := os.Stat(file); (err == nil) != (want == 0) {
			t.Errorf("exit %d, and the keyring: %v", want, err)
		}
	}
}
