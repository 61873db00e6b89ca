package keyring

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/subtle"
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"github.com/hipaakit/hipaakit/envelope"
)

// KeySize is the length in bytes of a keyring's keys and of a raw protector key.
const KeySize = 32

// Protector wraps the keys of a keyring. Safe for concurrent use.
type Protector interface {
	// Wrap encrypts key ([KeySize] bytes) so that it unwraps under the same id only.
	Wrap(ctx context.Context, id envelope.KeyID, key []byte) ([]byte, error)
	// Unwrap undoes Wrap. What does not verify is [ErrProtector]; the caller owns
	// the key.
	Unwrap(ctx context.Context, id envelope.KeyID, wrapped []byte) ([]byte, error)
}

// Remote is a [Protector] behind a network, such as a key management service. A
// keyring unwraps the keys of a Remote one by one, when they are asked for, and
// forgets each when its lifetime is over.
//
// One that also has a method Timeout() time.Duration says how long a call of it may
// take: an unwrapping is given up 10 seconds after that, which are for the reading of
// the document. Default 20 seconds.
type Remote interface {
	Protector
	// Generate makes a key ([KeySize] bytes) and wraps it, in one call. The
	// caller owns the key.
	Generate(ctx context.Context, id envelope.KeyID) (key, wrapped []byte, err error)
	// Lifetime is how long a key stays in memory before it is unwrapped again.
	Lifetime() time.Duration
	// Grace is how much longer a key is used while the service cannot be reached.
	Grace() time.Duration
}

const (
	kindRaw    = 1
	kindArgon2 = 2
	kindPBKDF2 = 3
)

// Raw protects with 32 random bytes from a source of the application's own,
// such as a secrets manager. It keeps a reference to key: once that is closed, an
// open keyring goes on with the keys it has, and unwraps and adds no more.
func Raw(key *Secret) (Protector, error) {
	if err := checkSecret(key, checkRawKey); err != nil {
		return nil, err
	}
	return raw{key}, nil
}

// checkRawKey refuses zeros too: they come from a buffer that was never filled,
// or was wiped already.
func checkRawKey(key []byte) error {
	if len(key) != KeySize {
		return fmt.Errorf("%w: a raw key has %d bytes, not %d", ErrInvalid, KeySize, len(key))
	}
	if subtle.ConstantTimeCompare(key, make([]byte, KeySize)) == 1 {
		return fmt.Errorf("%w: a raw key of zeros only; take %d random bytes", ErrInvalid, KeySize)
	}
	return nil
}

// checkSecret makes a missing or closed secret a caller's mistake.
func checkSecret(s *Secret, check func([]byte) error) error {
	err := s.use(check)
	if errors.Is(err, ErrClosed) {
		return fmt.Errorf("%w: the secret is missing, empty or closed", ErrInvalid)
	}
	return err
}

type raw struct{ key *Secret }

func (p raw) Wrap(_ context.Context, id envelope.KeyID, key []byte) (wrapped []byte, err error) {
	err = p.key.use(func(under []byte) (err error) {
		wrapped, err = sealKey([]byte{kindRaw}, under, key, documentAAD(id))
		return err
	})
	return wrapped, err
}

func (p raw) Unwrap(_ context.Context, id envelope.KeyID, wrapped []byte) (key []byte, err error) {
	if len(wrapped) == 0 || wrapped[0] != kindRaw {
		return nil, fmt.Errorf("%w: not protected by a raw key", ErrProtector)
	}
	err = p.key.use(func(under []byte) (err error) {
		key, err = openKey(under, wrapped[1:], documentAAD(id))
		return err
	})
	return key, err
}

// documentAAD ties a wrapped key to its name and version.
func documentAAD(id envelope.KeyID) []byte {
	aad := append([]byte("hipaakit keyring v1"), byte(len(id.Name)))
	aad = append(aad, id.Name...)
	return binary.BigEndian.AppendUint32(aad, id.Version)
}

func sealKey(head, under, key, aad []byte) ([]byte, error) {
	aead, err := newAEAD(under)
	if err != nil {
		return nil, err
	}
	return aead.Seal(head, nil, key, aad), nil
}

func openKey(under, sealed, aad []byte) ([]byte, error) {
	aead, err := newAEAD(under)
	if err != nil {
		return nil, err
	}
	key, err := aead.Open(nil, nil, sealed, aad)
	if err != nil || len(key) != KeySize {
		return nil, ErrProtector
	}
	return key, nil
}

func newAEAD(key []byte) (cipher.AEAD, error) {
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCMWithRandomNonce(block)
}
