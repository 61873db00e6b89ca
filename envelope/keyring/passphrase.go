package keyring

import (
	"bytes"
	"context"
	"crypto/fips140"
	"crypto/pbkdf2"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"fmt"

	"golang.org/x/crypto/argon2"
)

const (
	minPassphrase = 12
	saltSize      = 16

	// Argon2id: the second recommended option of RFC 9106, section 4.
	argonPasses = 3
	argonKiB    = 64 << 10
	argonLanes  = 4
	// pbkdf2Rounds is what OWASP asks of PBKDF2-HMAC-SHA-256.
	pbkdf2Rounds = 600_000

	// A document must not make a reader work or allocate without bound.
	maxArgonPasses  = 64
	maxArgonKiB     = 4 << 20
	maxPBKDF2Rounds = 100_000_000
)

// Passphrase protects with a passphrase of at least 12 bytes: by Argon2id, and
// where FIPS 140 is enforced by PBKDF2-HMAC-SHA-256, since Argon2 is no approved
// function. Either costs a tenth of a second and more, once for a document. It
// keeps a reference to secret.
func Passphrase(secret *Secret) (Protector, error) {
	if len(secret.bytes()) < minPassphrase {
		return nil, fmt.Errorf("%w: a passphrase has at least %d bytes", ErrInvalid, minPassphrase)
	}
	return &passphrase{secret: secret, turn: make(chan struct{}, 1)}, nil
}

type passphrase struct {
	secret *Secret
	// turn lets one caller stretch at a time: stretching takes 64 MiB.
	turn chan struct{}
	head []byte // kind, salt and cost of key
	key  []byte
}

func (p *passphrase) Wrap(ctx context.Context, key, aad []byte) ([]byte, error) {
	release, err := p.acquire(ctx)
	if err != nil {
		return nil, err
	}
	defer release()
	if p.head == nil || fips140.Enforced() && p.head[0] == kindArgon2 {
		if err := p.stretch(newHead()); err != nil {
			return nil, err
		}
	}
	return sealKey(bytes.Clone(p.head), p.key, key, aad)
}

func (p *passphrase) Unwrap(ctx context.Context, wrapped, aad []byte) ([]byte, error) {
	head, sealed, err := splitHead(wrapped)
	if err != nil {
		return nil, err
	}
	release, err := p.acquire(ctx)
	if err != nil {
		return nil, err
	}
	defer release()
	if !bytes.Equal(head, p.head) {
		if err := p.stretch(bytes.Clone(head)); err != nil {
			return nil, err
		}
	}
	return openKey(p.key, sealed, aad)
}

func (p *passphrase) acquire(ctx context.Context) (release func(), err error) {
	select {
	case p.turn <- struct{}{}:
		return func() { <-p.turn }, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func newHead() []byte {
	salt := make([]byte, saltSize)
	rand.Read(salt)
	if fips140.Enforced() {
		head := append([]byte{kindPBKDF2}, salt...)
		return binary.BigEndian.AppendUint32(head, pbkdf2Rounds)
	}
	head := append([]byte{kindArgon2}, salt...)
	head = binary.BigEndian.AppendUint32(head, argonPasses)
	head = binary.BigEndian.AppendUint32(head, argonKiB)
	return append(head, argonLanes)
}

func splitHead(wrapped []byte) (head, sealed []byte, err error) {
	size := 0
	if len(wrapped) > 0 {
		size = map[byte]int{kindArgon2: 1 + saltSize + 9, kindPBKDF2: 1 + saltSize + 4}[wrapped[0]]
	}
	if size == 0 || len(wrapped) < size {
		return nil, nil, fmt.Errorf("%w: not protected by a passphrase", ErrProtector)
	}
	return wrapped[:size], wrapped[size:], nil
}

// stretch derives the wrapping key that head describes.
func (p *passphrase) stretch(head []byte) (err error) {
	salt, cost := head[1:1+saltSize], head[1+saltSize:]
	first := binary.BigEndian.Uint32(cost)
	if head[0] == kindPBKDF2 {
		if first == 0 || first > maxPBKDF2Rounds {
			return fmt.Errorf("%w: %d PBKDF2 rounds", ErrDocument, first)
		}
		p.key, err = pbkdf2.Key(sha256.New, string(p.secret.bytes()), salt, int(first), KeySize)
	} else {
		kib, lanes := binary.BigEndian.Uint32(cost[4:]), cost[8]
		if first == 0 || first > maxArgonPasses || kib > maxArgonKiB || lanes == 0 {
			return fmt.Errorf("%w: Argon2id with %d passes, %d KiB, %d lanes", ErrDocument, first, kib, lanes)
		}
		if fips140.Enforced() {
			return fmt.Errorf("%w: Argon2id is not approved under FIPS 140; wrap the keyring anew where it is not enforced", ErrProtector)
		}
		p.key = argon2.IDKey(p.secret.bytes(), salt, first, kib, lanes, KeySize)
	}
	p.head = head
	return err
}
