package keyring

import (
	"fmt"
	"log/slog"
)

const redacted = "[redacted]"

// Secret holds bytes that must never be printed: it shows as "[redacted]" under
// every verb of fmt, in slog, JSON and every encoding that uses text. Close wipes
// it.
type Secret struct {
	// A closure, because fmt cannot call the methods of a struct's unexported
	// fields, and with %s follows even a pointer to the bytes.
	reveal func() []byte
}

// NewSecret returns a Secret that owns b, which the caller must forget.
func NewSecret(b []byte) *Secret { return &Secret{func() []byte { return b }} }

func (s Secret) bytes() []byte { return s.reveal() }

// Format implements [fmt.Formatter]; String alone would leave %d to print bytes.
func (Secret) Format(f fmt.State, _ rune) { fmt.Fprint(f, redacted) }

// LogValue implements [slog.LogValuer].
func (Secret) LogValue() slog.Value { return slog.StringValue(redacted) }

// MarshalText implements [encoding.TextMarshaler].
func (Secret) MarshalText() ([]byte, error) { return []byte(redacted), nil }

// Close overwrites the bytes. Copies that the runtime made are beyond reach.
func (s *Secret) Close() error {
	clear(s.bytes())
	return nil
}
