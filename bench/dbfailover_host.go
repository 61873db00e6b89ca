package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"slices"
	"sync"
	"testing"
)

// errNoServers: a program that the servers need is not on this machine.
var errNoServers = errors.New("servers are missing")

// host is what the test bed takes for a test, so that its servers can be measured: it
// cleans up at the end, and a failure ends it. What it does not define nobody calls; if
// somebody does, the embedded nil says so.
type host struct {
	testing.TB
	ctx context.Context
	end context.CancelFunc

	mu       sync.Mutex
	cleanups []func()
	errs     []error
}

// onHost runs do, and then what was to be cleaned up, the last first. Failures of the
// test bed end the goroutine, as those of a test do, so it is given one of its own.
func onHost(do func(*host) error) error {
	h := &host{}
	h.ctx, h.end = context.WithCancel(context.Background())
	h.apart(func() { h.note(do(h)) })
	h.end()
	for _, f := range slices.Backward(h.cleanups) {
		h.apart(f)
	}
	return errors.Join(h.errs...)
}

// apart runs f to its end, or to the failure that ends it.
func (h *host) apart(f func()) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		f()
	}()
	<-done
}

func (h *host) note(err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if err != nil {
		h.errs = append(h.errs, err)
	}
}

func (h *host) Helper()                  {}
func (h *host) Name() string             { return "bench" }
func (h *host) Context() context.Context { return h.ctx }
func (h *host) Logf(string, ...any)      {}

func (h *host) Cleanup(f func()) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.cleanups = append(h.cleanups, f)
}

func (h *host) Errorf(format string, args ...any) { h.note(fmt.Errorf(format, args...)) }

func (h *host) Fatalf(format string, args ...any) {
	h.note(fmt.Errorf(format, args...))
	runtime.Goexit()
}

func (h *host) Fatal(args ...any) { h.Fatalf("%s", fmt.Sprint(args...)) }

func (h *host) Skipf(format string, args ...any) {
	h.Fatalf("%w: "+format, append([]any{errNoServers}, args...)...)
}

func (h *host) TempDir() string {
	dir, err := os.MkdirTemp("", "hipaakit-bench-")
	if err != nil {
		h.Fatal(err)
	}
	h.Cleanup(func() { h.note(os.RemoveAll(dir)) })
	return dir
}
