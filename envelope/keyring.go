package envelope

import (
	"context"
	"fmt"
)

// DerivedKeySize is the length in bytes of what [Keyring.Derive] returns.
const DerivedKeySize = 32

// DefaultKey is the name of the key that seals where nothing else is said.
const DefaultKey = "default"

// maxKeyName is what fits a slot's length byte with room to spare.
const maxKeyName = 64

// KeyID names one version of one key of a keyring. It is written in the clear
// into every envelope, so a name must not say anything about a person.
type KeyID struct {
	Name    string
	Version uint32 // from 1
}

func (id KeyID) String() string { return fmt.Sprintf("%s/%d", id.Name, id.Version) }

// Keyring gives an envelope its keys without letting go of them. Package
// envelope/keyring has implementations. Safe for concurrent use.
type Keyring interface {
	// Latest returns the version of the named key that seals now, or an error
	// that is [ErrKeyUnknown].
	Latest(ctx context.Context, name string) (KeyID, error)
	// Derive returns HKDF-Expand-SHA-384(key, info, [DerivedKeySize]). A key
	// that the keyring does not have is [ErrKeyUnknown]; every other error means
	// that the keyring could not be asked.
	Derive(ctx context.Context, id KeyID, info []byte) ([DerivedKeySize]byte, error)
}
