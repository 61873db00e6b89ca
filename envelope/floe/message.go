package floe

import (
	"crypto/aes"
	"crypto/cipher"
	"encoding/binary"
	"sync"
	"sync/atomic"
)

// message is the specification's State: what sealing and opening share.
type message struct {
	params
	key     []byte // MessageKey
	iv, aad []byte
	current atomic.Pointer[segmentKey]
	tails   sync.Pool // *[9]byte; the AEAD is an interface, so its arguments escape
}

// segmentKey is the AEAD of one rotation window. Deriving it costs two HKDF
// blocks and an AES key schedule, so the last one used is kept.
type segmentKey struct {
	window uint64
	aead   cipher.AEAD
}

func newMessage(p params, key, iv, aad []byte) (*message, error) {
	messageKey, err := p.kdf(key, iv, aad, "MESSAGE_KEY:", messageKeySize)
	if err != nil {
		return nil, err
	}
	return &message{
		params: p, key: messageKey, iv: iv, aad: aad,
		tails: sync.Pool{New: func() any { return new([9]byte) }},
	}, nil
}

// aead is DERIVE_KEY. Two goroutines at a window's edge may both derive; they
// get the same key.
func (m *message) aead(position uint64) (cipher.AEAD, error) {
	window := position >> m.rotation
	if k := m.current.Load(); k != nil && k.window == window {
		return k.aead, nil
	}
	purpose := binary.BigEndian.AppendUint64([]byte("DEK:"), window<<m.rotation)
	key, err := m.kdf(m.key, m.iv, m.aad, string(purpose), KeySize)
	if err != nil {
		return nil, err
	}
	block, err := aes.NewCipher(key)
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
func (m *message) tail(position uint64, final bool) *[9]byte {
	t := m.tails.Get().(*[9]byte)
	binary.BigEndian.PutUint64(t[:], position)
	t[8] = 0
	if final {
		t[8] = 1
	}
	return t
}
