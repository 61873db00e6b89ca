package floe

import (
	"crypto/aes"
	"crypto/cipher"
	"encoding/binary"
	"sync"
	"sync/atomic"

	"github.com/hipaakit/hipaakit/internal/expand"
)

// message is the specification's State: what sealing and opening share.
type message struct {
	params
	key     [messageKeySize]byte
	iv, aad []byte
	current atomic.Pointer[segmentKey]
}

// tails holds *[9]byte: the AEAD is an interface, so its arguments escape. One
// pool for all messages, as the first use of a pool costs more than a segment.
var tails = sync.Pool{New: func() any { return new([9]byte) }}

// segmentKey is the AEAD of one rotation window. Deriving it costs two HKDF
// blocks and an AES key schedule, so the last one used is kept.
type segmentKey struct {
	window uint64
	aead   cipher.AEAD
}

// newMessage also returns the header's tag.
func newMessage(p params, key, iv, aad []byte) (m *message, tag [headerTagSize]byte) {
	m = &message{params: p, iv: iv, aad: aad}
	k := expand.New(key)
	p.kdf(k, iv, aad, purposeHeaderTag, tag[:])
	p.kdf(k, iv, aad, purposeMessageKey, m.key[:])
	return m, tag
}

// aead is DERIVE_KEY. Two goroutines at a window's edge may both derive; they
// get the same key.
func (m *message) aead(position uint64) (cipher.AEAD, error) {
	window := position >> m.rotation
	if k := m.current.Load(); k != nil && k.window == window {
		return k.aead, nil
	}
	purpose := binary.BigEndian.AppendUint64([]byte("DEK:"), window<<m.rotation)
	var key [KeySize]byte
	m.kdf(expand.New(m.key[:]), m.iv, m.aad, purpose, key[:])
	defer clear(key[:])
	block, err := aes.NewCipher(key[:])
	if err != nil {
		return nil, err
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		return nil, err
	}
	m.current.Store(&segmentKey{window, aead})
	return aead, nil
}

// tail is a segment's associated data: its position, and whether it ends the
// message. Return it to tails.
func newTail(position uint64, final bool) *[9]byte {
	t := tails.Get().(*[9]byte)
	binary.BigEndian.PutUint64(t[:], position)
	t[8] = 0
	if final {
		t[8] = 1
	}
	return t
}
