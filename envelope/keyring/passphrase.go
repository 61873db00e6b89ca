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

	"github.com/hipaakit/hipaakit/envelope"
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

	// Whoever can write the document chooses the costs that its readers pay, in
	// a computation that no context stops: it must end within seconds.
	maxArgonPasses  = 10
	maxArgonKiB     = 256 << 10
	maxArgonLanes   = 16
	maxPBKDF2Rounds = 2_000_000

	// Nor is anything opened that costs a guesser less than the minimum of OWASP.
	// Whatever was wrapped so is as good as known, and the next key would be
	// wrapped under the same.
	minArgonPasses  = 2
	minArgonKiB     = 19 << 10
	minPBKDF2Rounds = pbkdf2Rounds
)

// Passphrase protects with a passphrase of at least 12 bytes: by Argon2id, and
// where FIPS 140 is enforced by PBKDF2-HMAC-SHA-256, since Argon2 is no approved
// function. Either costs a tenth of a second and more, once for a document. It
// keeps a reference to secret: once that is closed, an open keyring goes on with
// the keys it has, and unwraps and adds no more.
func Passphrase(secret *Secret) (Protector, error) {
	if err := checkSecret(secret, checkPassphrase); err != nil {
		return nil, err
	}
	p := &passphrase{secret: secret, turn: make(chan struct{}, 1)}
	secret.onClose(p.forget)
	return p, nil
}

func checkPassphrase(secret []byte) error {
	if len(secret) < minPassphrase {
		return fmt.Errorf("%w: a passphrase has at least %d bytes", ErrInvalid, minPassphrase)
	}
	return nil
}

type passphrase struct {
	secret *Secret
	// turn lets one caller stretch at a time: stretching takes 64 MiB. It can be
	// waited for with a context, which the secret's lock cannot.
	turn chan struct{}
	// own is what keys are wrapped under: the head of the last check value, so that
	// a document has one head, and opening it is one stretching. other is the last
	// one beside it, such as an imported document's. Both belong to the secret's
	// lock, so that they are gone when the secret is.
	own, other stretched
}

// stretched is what stretching gave for head (kind, salt, cost).
type stretched struct {
	head []byte
	key  unseen
}

func (p *passphrase) Wrap(ctx context.Context, id envelope.KeyID, key []byte) (wrapped []byte, err error) {
	err = p.use(ctx, func(secret []byte) error {
		if p.own.head == nil || fips140.Enforced() && p.own.head[0] == kindArgon2 {
			head := newHead()
			under, err := stretch(secret, head)
			if err != nil {
				return err
			}
			p.own.key.wipe()
			p.own = stretched{head, hide(under)}
		}
		wrapped, err = sealKey(bytes.Clone(p.own.head), p.own.key(), key, documentAAD(id))
		return err
	})
	return wrapped, err
}

func (p *passphrase) Unwrap(ctx context.Context, id envelope.KeyID, wrapped []byte) (key []byte, err error) {
	head, sealed, err := splitHead(wrapped)
	if err != nil {
		return nil, err
	}
	err = p.use(ctx, func(secret []byte) (err error) {
		switch aad := documentAAD(id); {
		case bytes.Equal(head, p.own.head):
			key, err = openKey(p.own.key(), sealed, aad)
			return err
		case bytes.Equal(head, p.other.head):
			key, err = openKey(p.other.key(), sealed, aad)
		default:
			key, err = p.unwrapUnder(secret, head, sealed, aad)
		}
		if err == nil && id == checkID {
			p.own, p.other = p.other, p.own
		}
		return err
	})
	return key, err
}

// unwrapUnder stretches the secret as head says. It remembers only a head that
// proves right: under one from a forged document Wrap would write the next key for
// whoever has chosen its salt.
func (p *passphrase) unwrapUnder(secret, head, sealed, aad []byte) ([]byte, error) {
	under, err := stretch(secret, head)
	if err != nil {
		return nil, err
	}
	key, err := openKey(under, sealed, aad)
	if err != nil {
		clear(under)
		return nil, err
	}
	p.other.key.wipe()
	p.other = stretched{bytes.Clone(head), hide(under)}
	return key, nil
}

func (p *passphrase) forget() {
	p.own.key.wipe()
	p.other.key.wipe()
	p.own, p.other = stretched{}, stretched{}
}

func (p *passphrase) use(ctx context.Context, f func(secret []byte) error) error {
	select {
	case p.turn <- struct{}{}:
		defer func() { <-p.turn }()
	case <-ctx.Done():
	}
	// Also for who got the turn: select takes either when both are ready.
	if err := ctx.Err(); err != nil {
		return err
	}
	return p.secret.use(f)
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
func stretch(secret, head []byte) ([]byte, error) {
	salt, cost := head[1:1+saltSize], head[1+saltSize:]
	first := binary.BigEndian.Uint32(cost)
	if head[0] == kindPBKDF2 {
		if first < minPBKDF2Rounds || first > maxPBKDF2Rounds {
			return nil, fmt.Errorf("%w: %d PBKDF2 rounds; it takes %d to %d", ErrDocument, first, minPBKDF2Rounds, maxPBKDF2Rounds)
		}
		return pbkdf2.Key(sha256.New, string(secret), salt, int(first), KeySize)
	}
	kib, lanes := binary.BigEndian.Uint32(cost[4:]), cost[8]
	if err := checkArgon(first, kib, lanes); err != nil {
		return nil, err
	}
	if fips140.Enforced() {
		return nil, fmt.Errorf("%w: Argon2id is not approved under FIPS 140; wrap the keyring anew where it is not enforced", ErrProtector)
	}
	return argon2.IDKey(secret, salt, first, kib, lanes, KeySize), nil
}

func checkArgon(passes, kib uint32, lanes byte) error {
	if passes < minArgonPasses || passes > maxArgonPasses || kib < minArgonKiB || kib > maxArgonKiB || lanes == 0 || lanes > maxArgonLanes {
		return fmt.Errorf("%w: Argon2id with %d passes, %d KiB, %d lanes; it takes %d to %d, %d to %d, 1 to %d", ErrDocument,
			passes, kib, lanes, minArgonPasses, maxArgonPasses, minArgonKiB, maxArgonKiB, maxArgonLanes)
	}
	return nil
}
