package floe

import (
	"bytes"
	"errors"
	"io"
	"testing"
)

// faulty stores what it is given but for one call, in which bad does something else.
type faulty struct {
	stored   bytes.Buffer
	call, at int
	bad      func(p []byte) (int, error)
}

func (f *faulty) Write(p []byte) (int, error) {
	if f.call++; f.call == f.at {
		return f.bad(p)
	}
	return f.stored.Write(p)
}

// TestNothingIsWrittenBehindAHole lets one write fail in each way that there is and
// the next ones succeed: none may come, or the hole would be within the message.
func TestNothingIsWrittenBehindAHole(t *testing.T) {
	for name, bad := range map[string]func([]byte) (int, error){
		"fails":      func([]byte) (int, error) { return 0, io.ErrClosedPipe },
		"takes less": func(p []byte) (int, error) { return len(p) - 1, nil },
		"panics":     func([]byte) (int, error) { panic("disk gone") },
	} {
		s, err := NewSealer(testKey, []byte("aad"), 4096)
		if err != nil {
			t.Fatal(err)
		}
		out := &faulty{at: 2, bad: bad}
		w := NewWriter(out, s)
		func() {
			defer func() { recover() }()
			w.Write(pattern(5 * w.batch))
		}()
		n, write := w.Write(pattern(w.batch * 2))
		if n != 0 || write == nil {
			t.Errorf("%s: a later Write takes %d bytes, %v", name, n, write)
		}
		for call, err := range map[string]error{"Close": w.Close(), "Finish": w.Finish(pattern(10)), "second Close": w.Close()} {
			if err == nil || !errors.Is(err, write) {
				t.Errorf("%s: %s answers %v, Write %v", name, call, err, write)
			}
		}
		if out.call != 2 {
			t.Errorf("%s: %d writes", name, out.call)
		}
	}
}

// TestStoppedStreamStaysStopped ends a stream by Stop, which then would let it go on.
func TestStoppedStreamStaysStopped(t *testing.T) {
	s, err := NewSealer(testKey, []byte("aad"), 4096)
	if err != nil {
		t.Fatal(err)
	}
	out := &faulty{}
	w, asked := NewWriter(out, s), 0
	w.Stop = func() error {
		if asked++; asked == 2 {
			return io.ErrClosedPipe
		}
		return nil
	}
	if _, err := w.Write(pattern(5 * w.batch)); err != io.ErrClosedPipe {
		t.Errorf("Write: %v", err)
	}
	if err := w.Close(); err != io.ErrClosedPipe || asked != 2 || out.call != 1 {
		t.Errorf("Close: %v, asked %d times, %d writes", err, asked, out.call)
	}
}
