package keyring

import (
	"fmt"
	"log/slog"
	"sync"
)

const redacted = "[redacted]"

// Secret holds bytes that must never be printed: it shows as "[redacted]" under
// every verb of fmt, in slog, JSON and every encoding that uses text. Close wipes
// it; the zero Secret is a closed one. Safe for concurrent use.
type Secret struct {
	// A closure, because fmt cannot call the methods of a struct's unexported
	// fields, and with %s follows even a pointer to the bytes.
	reveal func() *hidden
}

// hidden is what all copies of a Secret share.
type hidden struct {
	mu    sync.Mutex
	bytes []byte // nil once closed
	// derived wipes what was made of the bytes and lets do the same as they do.
	derived []func()
}

// NewSecret returns a Secret that owns b, which the caller must forget.
func NewSecret(b []byte) *Secret {
	h := &hidden{bytes: b}
	return &Secret{func() *hidden { return h }}
}

// use calls f with the bytes, or answers [ErrClosed]. It holds the lock all the
// while: whoever was given the bytes to keep could find them wiped, and would
// wrap a key under zeros that everybody knows. f must not close the Secret.
func (s *Secret) use(f func(secret []byte) error) error {
	if s == nil || s.reveal == nil {
		return errSecret
	}
	h := s.reveal()
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.bytes == nil {
		return errSecret
	}
	return f(h.bytes)
}

// onClose has Close call wipe, under the lock that use takes.
func (s *Secret) onClose(wipe func()) {
	h := s.reveal()
	h.mu.Lock()
	defer h.mu.Unlock()
	h.derived = append(h.derived, wipe)
}

// Format implements [fmt.Formatter]; String alone would leave %d to print bytes.
func (Secret) Format(f fmt.State, _ rune) { fmt.Fprint(f, redacted) }

// LogValue implements [slog.LogValuer].
func (Secret) LogValue() slog.Value { return slog.StringValue(redacted) }

// MarshalText implements [encoding.TextMarshaler].
func (Secret) MarshalText() ([]byte, error) { return []byte(redacted), nil }

// Close waits for whoever uses the bytes just now and overwrites them, and the
// key that a [Passphrase] made of them. Protectors that hold the Secret answer
// [ErrClosed] from then on. Copies that the runtime made are beyond reach.
func (s *Secret) Close() error {
	if s == nil || s.reveal == nil {
		return nil
	}
	h := s.reveal()
	h.mu.Lock()
	defer h.mu.Unlock()
	clear(h.bytes)
	for _, wipe := range h.derived {
		wipe()
	}
	h.bytes, h.derived = nil, nil
	return nil
}
