package envelope

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
)

// Binding is where an envelope belongs. It is not stored in the envelope; who
// opens it must say it again, so that an envelope copied over another name, or
// into another store, does not open.
type Binding struct {
	// Store identifies the store. Choose it once and for all; it is not the
	// bucket's name, since a replica in another region must open. Required.
	Store string
	// Key is the object's name within the store. Required.
	Key string
	// Context is whatever else must be the same, in order.
	Context []string
}

func (b Binding) check() error {
	switch {
	case b.Store == "":
		return fmt.Errorf("%w: the binding needs a store id", ErrInvalid)
	case b.Key == "":
		return fmt.Errorf("%w: the binding needs the object's key", ErrInvalid)
	}
	return nil
}

// digest is SHA-256 over the fields, each behind its length: without lengths
// {"a","bc"} and {"ab","c"} would be one binding.
func (b Binding) digest() [sha256.Size]byte {
	var all []byte
	for _, field := range append([]string{b.Store, b.Key}, b.Context...) {
		all = binary.BigEndian.AppendUint32(all, uint32(len(field)))
		all = append(all, field...)
	}
	return sha256.Sum256(all)
}
