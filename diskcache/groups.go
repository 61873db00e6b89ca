package diskcache

import (
	"crypto/cipher"
	"crypto/rand"
	"encoding/binary"
	"os"
	"sync"

	"github.com/hashicorp/golang-lru/v2/simplelru"
)

// The file "groups" holds the secrets of the groups:
//
//	 0   8  "HKCGRP", a zero byte, the format's version
//	 8  32  file id, random
//	40      frames, one behind the other
//
// and a frame is be16 count || sealed: for each, be64 hash of the group || be32
// which of its secrets || the 32 bytes of the secret; its associated data are 'g'
// || be64 offset. A new group appends a frame. Destroying a secret writes the file
// anew, without it and under a new id, syncs it, and replaces the old one.
//
// A group's name is in no file but the sealed metadata of its entries, which are
// sealed under its secret.
const (
	groupsName   = "groups"
	groupsMagic  = "HKCGRP\x00"
	groupsHeader = 40
	groupEntry   = 8 + 4 + 32
	groupsFrame  = 1024 // groups in a frame of a rewritten file

	// maxGroups bounds the table, at some 70 bytes each. A group too many costs
	// another one its secret, and so its entries.
	maxGroups = 1 << 20
	// cachedSeals bounds the keys kept ready, at some 1 KiB each. Deriving one
	// anew takes 2 us.
	cachedSeals = 2048
)

// groups is the table of secrets. A secret is random, so that no key from which
// it could be derived again exists anywhere.
type groups struct {
	root *os.Root
	wrap func(file) file
	most int

	mu   sync.RWMutex
	key  *cacheKey
	keys map[uint64]groupSecret
	aeadOf
	f     file // nil: not yet, or it failed
	stale bool // a destroyed secret is still in the file
	seal  cipher.AEAD
	size  int64
}

type groupSecret struct {
	id     uint32 // distinguishes it from those before it
	secret [32]byte
}

// aeadOf keeps keys of segment and group.
type aeadOf struct {
	sealsMu sync.Mutex
	seals   *simplelru.LRU[sealName, cipher.AEAD]
}

type sealName struct {
	file  uint32
	group groupID
}

func (g *groups) init(root *os.Root, wrap func(file) file, key *cacheKey) {
	g.root, g.wrap, g.key, g.most = root, wrap, key, maxGroups
	g.keys = make(map[uint64]groupSecret)
	g.seals, _ = simplelru.NewLRU[sealName, cipher.AEAD](cachedSeals, nil) // fails for sizes below one only
}

// of returns the group with that hash, with a secret of its own.
func (g *groups) of(hash uint64) groupID {
	g.mu.RLock()
	k, ok := g.keys[hash]
	g.mu.RUnlock()
	if ok {
		return groupID{hash, k.id}
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if k, ok = g.keys[hash]; !ok {
		k = newSecret()
		g.crowd()
		g.keys[hash] = k
		g.appendFrame(hash, k)
	}
	return groupID{hash, k.id}
}

func newSecret() (k groupSecret) {
	var id [4]byte
	for k.id == 0 {
		rand.Read(id[:])
		k.id = binary.BigEndian.Uint32(id[:])
	}
	rand.Read(k.secret[:])
	return k
}

// crowd makes room for one group more.
func (g *groups) crowd() {
	for hash := range g.keys {
		if len(g.keys) < g.most {
			return
		}
		delete(g.keys, hash)
	}
}

// alive reports whether the secret of id still exists. No group is alive, too.
func (g *groups) alive(id groupID) bool {
	if id == (groupID{}) {
		return true
	}
	_, ok := g.secret(id)
	return ok
}

func (g *groups) secret(id groupID) ([32]byte, bool) {
	g.mu.RLock()
	defer g.mu.RUnlock()
	k, ok := g.keys[id.hash]
	return k.secret, ok && k.id == id.secret
}

// aead returns what seals entries of the group in the segment.
func (g *groups) aead(key *cacheKey, s *segment, id groupID, secret []byte) cipher.AEAD {
	name := sealName{s.number, id}
	g.sealsMu.Lock()
	defer g.sealsMu.Unlock()
	if a, ok := g.seals.Get(name); ok {
		return a
	}
	a := s.segmentHeader.aead(key, secret...)
	g.seals.Add(name, a)
	return a
}

// destroy forgets the secret, and then makes sure that it is in no file. An error
// means that it may still be in the old one.
func (g *groups) destroy(hash uint64) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	k, ok := g.keys[hash]
	if !ok && !g.stale {
		return nil
	}
	delete(g.keys, hash)
	g.sealsMu.Lock()
	for _, name := range g.seals.Keys() {
		if name.group.hash == hash {
			g.seals.Remove(name)
		}
	}
	g.sealsMu.Unlock()
	clear(k.secret[:])
	err := g.replace(true)
	g.stale = err != nil
	return err
}

// clear forgets all secrets; the file is gone already.
func (g *groups) clear(key *cacheKey) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.close()
	g.key = key
	clear(g.keys)
	g.sealsMu.Lock()
	g.seals.Purge()
	g.sealsMu.Unlock()
}

func (g *groups) count() int {
	g.mu.RLock()
	defer g.mu.RUnlock()
	return len(g.keys)
}

// bytes is what the file takes on disk.
func (g *groups) bytes() int64 {
	g.mu.RLock()
	defer g.mu.RUnlock()
	return footprint(g.size)
}
