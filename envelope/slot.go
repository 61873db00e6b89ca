package envelope

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
)

const (
	saltSize      = 32
	wrappedSize   = dataKeySize + gcmOverhead
	slotFixedSize = 1 + 4 + saltSize + wrappedSize // without the name
)

// slot is the data key, encrypted for one key of a keyring.
type slot struct {
	key     KeyID
	salt    [saltSize]byte
	wrapped []byte
}

func (s slot) append(b []byte) []byte {
	b = append(b, byte(len(s.key.Name)))
	b = append(b, s.key.Name...)
	b = binary.BigEndian.AppendUint32(b, s.key.Version)
	b = append(b, s.salt[:]...)
	return append(b, s.wrapped...)
}

// parseSlots refuses bytes that are left over: every header has one encoding.
func parseSlots(b []byte, count int) ([]slot, error) {
	if count < 1 || count > maxSlots {
		return nil, fmt.Errorf("%w: %d slots", ErrCorrupt, count)
	}
	slots := make([]slot, count)
	for i := range slots {
		n := 0
		if len(b) > 0 {
			n = int(b[0])
		}
		if len(b) < n+slotFixedSize || checkKeyName(string(b[1:1+n])) != nil {
			return nil, fmt.Errorf("%w: slot %d", ErrCorrupt, i)
		}
		s := &slots[i]
		s.key = KeyID{Name: string(b[1 : 1+n]), Version: binary.BigEndian.Uint32(b[1+n:])}
		copy(s.salt[:], b[5+n:])
		s.wrapped = b[5+n+saltSize : n+slotFixedSize]
		b = b[n+slotFixedSize:]
	}
	if len(b) > 0 {
		return nil, fmt.Errorf("%w: bytes behind the slots", ErrCorrupt)
	}
	return slots, nil
}

// checkKeyName allows what is harmless in a log line: the name in a forged header
// stands in the error that refuses it.
func checkKeyName(name string) error {
	if name == "" || len(name) > maxKeyName || strings.ContainsFunc(name, notInKeyName) {
		return fmt.Errorf("%w: a key's name is 1 to %d of a-z, 0-9, '-', '_', '.'", ErrInvalid, maxKeyName)
	}
	return nil
}

func notInKeyName(r rune) bool {
	return (r < 'a' || r > 'z') && (r < '0' || r > '9') && r != '-' && r != '_' && r != '.'
}

// slotInfo is the HKDF info of a slot's key. The binding is in it, so that a
// slot moved to another object's header unwraps nothing.
func slotInfo(salt [saltSize]byte, binding [sha256.Size]byte) []byte {
	info := make([]byte, 0, len(labelSlot)+saltSize+sha256.Size)
	info = append(info, labelSlot...)
	info = append(info, salt[:]...)
	return append(info, binding[:]...)
}

// wrap makes the slot of the named key's latest version.
func wrap(ctx context.Context, kr Keyring, name string, k *dataKey, prefix []byte, binding [sha256.Size]byte) (slot, error) {
	if err := checkKeyName(name); err != nil {
		return slot{}, err
	}
	id, err := kr.Latest(ctx, name)
	if err != nil {
		return slot{}, fmt.Errorf("envelope: key %q: %w", name, err)
	}
	// A keyring may know the key under another name; only this one is written.
	if err := checkKeyName(id.Name); err != nil {
		return slot{}, err
	}
	s := slot{key: id}
	rand.Read(s.salt[:])
	key, err := kr.Derive(ctx, id, slotInfo(s.salt, binding))
	if err != nil {
		return slot{}, fmt.Errorf("envelope: key %v: %w", id, err)
	}
	defer clear(key[:])
	aead, err := newAEAD(key[:])
	if err != nil {
		return slot{}, err
	}
	s.wrapped = aead.Seal(make([]byte, 0, wrappedSize), nil, k.secret[:], prefix)
	return s, nil
}

// unwrap opens the first slot whose key the keyring knows, and no other. It says
// that the key is destroyed only if all are: one that is not known here may be
// known tomorrow.
func unwrap(ctx context.Context, kr Keyring, slots []slot, prefix []byte, binding [sha256.Size]byte) (*dataKey, KeyID, error) {
	var missing error = ErrKeyDestroyed
	for _, s := range slots {
		key, err := kr.Derive(ctx, s.key, slotInfo(s.salt, binding))
		if errors.Is(err, ErrKeyUnknown) {
			if !errors.Is(err, ErrKeyDestroyed) {
				missing = ErrKeyUnknown
			}
			continue
		}
		if err != nil {
			return nil, s.key, fmt.Errorf("envelope: key %v: %w", s.key, err)
		}
		k, err := s.open(key[:], prefix)
		clear(key[:])
		return k, s.key, err
	}
	return nil, slots[0].key, fmt.Errorf("%w: %v", missing, slots[0].key)
}

func (s slot) open(key, prefix []byte) (*dataKey, error) {
	aead, err := newAEAD(key)
	if err != nil {
		return nil, err
	}
	plain, err := aead.Open(nil, nil, s.wrapped, prefix)
	if err != nil {
		return nil, fmt.Errorf("%w: data key under %v", ErrCorrupt, s.key)
	}
	defer clear(plain)
	return dataKeyOf(plain), nil
}
