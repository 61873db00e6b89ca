package keyring

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/hipaakit/hipaakit/envelope"
)

const (
	formatName    = "hipaakit keyring"
	formatVersion = 1
	maxDocument   = 16 << 20
	maxName       = 64
)

// document is the keyring as it is stored.
type document struct {
	Format  string       `json:"format"`
	Version int          `json:"version"`
	Keys    []wrappedKey `json:"keys"`
}

type wrappedKey struct {
	Name    string    `json:"name"`
	Version uint32    `json:"version"`
	Created time.Time `json:"created"`
	Wrapped []byte    `json:"wrapped"`
}

func (w wrappedKey) id() envelope.KeyID { return envelope.KeyID{Name: w.Name, Version: w.Version} }

func readDocument(r io.Reader) ([]byte, error) {
	doc, err := io.ReadAll(io.LimitReader(r, maxDocument+1))
	if err != nil {
		return nil, fmt.Errorf("keyring: reading: %w", err)
	}
	if len(doc) > maxDocument {
		return nil, fmt.Errorf("%w: over %d bytes", ErrDocument, maxDocument)
	}
	return doc, nil
}

func parseDocument(b []byte) (document, error) {
	var d document
	dec := json.NewDecoder(bytes.NewReader(b))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&d); err != nil {
		return d, fmt.Errorf("%w: no valid JSON of this form", ErrDocument)
	}
	if _, err := dec.Token(); err != io.EOF {
		return d, fmt.Errorf("%w: something follows the JSON", ErrDocument)
	}
	if d.Format != formatName || d.Version != formatVersion {
		return d, fmt.Errorf("%w: format %.32q, version %d", ErrDocument, d.Format, d.Version)
	}
	// Any passphrase would open it, and the next rotation would write under that.
	if len(d.Keys) == 0 {
		return d, fmt.Errorf("%w: no keys", ErrDocument)
	}
	for i, k := range d.Keys {
		if checkName(k.Name) != nil || k.Version == 0 || i > 0 && d.Keys[i-1].compare(k) >= 0 {
			return d, fmt.Errorf("%w: key %d is invalid or out of order", ErrDocument, i)
		}
	}
	return d, nil
}

func (d document) encode() ([]byte, error) {
	b, err := json.MarshalIndent(d, "", "  ")
	return append(b, '\n'), err
}

// with returns a copy that has k as well.
func (d document) with(k wrappedKey) document {
	d.Keys = append(slices.Clone(d.Keys), k)
	slices.SortFunc(d.Keys, wrappedKey.compare)
	return d
}

func (k wrappedKey) compare(o wrappedKey) int {
	if c := strings.Compare(k.Name, o.Name); c != 0 {
		return c
	}
	return int(int64(k.Version) - int64(o.Version))
}

// latest is the newest version of the named key, 0 if there is none.
func (d document) latest(name string) uint32 {
	var v uint32
	for _, k := range d.Keys {
		if k.Name == name {
			v = max(v, k.Version)
		}
	}
	return v
}

func checkName(name string) error {
	letter := func(r rune) bool {
		return r >= 'a' && r <= 'z' || r >= '0' && r <= '9' || r == '-' || r == '_' || r == '.'
	}
	if name == "" || len(name) > maxName || strings.ContainsFunc(name, func(r rune) bool { return !letter(r) }) {
		return fmt.Errorf("%w: a key's name is 1 to %d of a-z, 0-9, '-', '_', '.'", ErrInvalid, maxName)
	}
	return nil
}
