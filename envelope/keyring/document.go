package keyring

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"math"
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
	Format  string     `json:"format"`
	Version int        `json:"version"`
	Check   []byte     `json:"check"`
	Keys    []keyEntry `json:"keys"`
}

// keyEntry is one version of a key, wrapped, or what is left of a destroyed one.
type keyEntry struct {
	Name      string    `json:"name"`
	Version   uint32    `json:"version"`
	Created   time.Time `json:"created"`
	Wrapped   []byte    `json:"wrapped,omitempty"`
	Destroyed time.Time `json:"destroyed,omitzero"`
}

func (e keyEntry) id() envelope.KeyID { return envelope.KeyID{Name: e.Name, Version: e.Version} }

func (e keyEntry) destroyed() bool { return !e.Destroyed.IsZero() }

func (e keyEntry) valid() bool {
	return checkName(e.Name) == nil && e.Version > 0 && e.destroyed() == (len(e.Wrapped) == 0)
}

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
	if !plainJSON(b) {
		return d, fmt.Errorf("%w: a member is there twice, has a name in other letters, or a value that others read differently", ErrDocument)
	}
	if d.Format != formatName || d.Version != formatVersion {
		return d, fmt.Errorf("%w: format %.32q, version %d", ErrDocument, d.Format, d.Version)
	}
	// Any passphrase would open it, and the next rotation would write under that.
	if len(d.Check) == 0 || len(d.Keys) == 0 {
		return d, fmt.Errorf("%w: no check value or no keys", ErrDocument)
	}
	for i, e := range d.Keys {
		if !e.valid() || i > 0 && compareIDs(d.Keys[i-1].id(), e.id()) >= 0 {
			return d, fmt.Errorf("%w: key %d is invalid or out of order", ErrDocument, i)
		}
	}
	if name, ok := d.halfDestroyed(); ok {
		return d, fmt.Errorf("%w: key %q is destroyed in its newest version, but not in all", ErrDocument, name)
	}
	return d, nil
}

// encode refuses what no reader would take: saved, it could not be opened again.
func (d document) encode() ([]byte, error) {
	b, err := json.MarshalIndent(d, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("keyring: %w", err)
	}
	if len(b) >= maxDocument {
		return nil, fmt.Errorf("%w: the document would be over %d bytes; keep the keys in several keyrings", ErrInvalid, maxDocument)
	}
	return append(b, '\n'), nil
}

// with returns a copy in which each of entries stands, in the place of the one of
// the same id if there is one.
func (d document) with(entries ...keyEntry) document {
	all := slices.Concat(entries, d.Keys)
	slices.SortStableFunc(all, func(a, b keyEntry) int { return compareIDs(a.id(), b.id()) })
	d.Keys = slices.CompactFunc(all, func(a, b keyEntry) bool { return a.id() == b.id() })
	return d
}

func compareIDs(a, b envelope.KeyID) int {
	return cmp.Or(strings.Compare(a.Name, b.Name), cmp.Compare(a.Version, b.Version))
}

func (d document) search(id envelope.KeyID) (at int, found bool) {
	return slices.BinarySearchFunc(d.Keys, id, func(e keyEntry, id envelope.KeyID) int { return compareIDs(e.id(), id) })
}

func (d document) find(id envelope.KeyID) (keyEntry, bool) {
	if at, found := d.search(id); found {
		return d.Keys[at], true
	}
	return keyEntry{}, false
}

// named returns the versions of the named key, oldest first.
func (d document) named(name string) []keyEntry {
	from, _ := d.search(envelope.KeyID{Name: name})
	to, found := d.search(envelope.KeyID{Name: name, Version: math.MaxUint32})
	if found {
		to++
	}
	return d.Keys[from:to]
}

// newest returns the newest version of the named key, destroyed or not.
func (d document) newest(name string) (keyEntry, bool) {
	versions := d.named(name)
	if len(versions) == 0 {
		return keyEntry{}, false
	}
	return versions[len(versions)-1], true
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
