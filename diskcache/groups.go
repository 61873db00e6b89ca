package diskcache

import (
	"crypto/cipher"
	"crypto/rand"
	"encoding/binary"
	"sync"

	"github.com/hashicorp/golang-lru/v2/simplelru"
)

const (
	// maxPages bounds the table to some million groups, at 100 bytes of memory each. A
	// group too many costs another one its secret, and so its entries.
	maxPages = 1 << 20 / pageGroups
	// groupsShare bounds it on disk: one part in 16 of MaxBytes.
	groupsShare = 16
	// cachedSeals bounds the keys kept ready, at some 1 KiB each. Deriving one
	// anew takes 2 us.
	cachedSeals = 2048
)

// groups is the table of secrets. A secret is random, so that no key from which
// it could be derived again exists anywhere. Each has a place in the file of secrets
// (secrets.go), and the place of one that is gone is written over.
type groups struct {
	secrets secrets

	mu    sync.RWMutex
	keys  map[uint64]groupSecret
	holds []uint64 // by place: the hash of the group that has it, if any
	free  []uint32 // places that are nobody's, among those
	most  int      // places

	aeadOf
}

type groupSecret struct {
	id     uint32 // distinguishes it from those before it
	place  uint32
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

func (g *groups) init(maxBytes int64) {
	g.most = int(min(max(maxBytes/groupsShare/pageBytes, 1), maxPages)) * pageGroups
	g.keys = make(map[uint64]groupSecret)
	g.seals, _ = simplelru.NewLRU[sealName, cipher.AEAD](cachedSeals, nil) // fails for sizes below one only
}

// of returns the group with that hash, with a secret of its own. Should the disk
// refuse a new one, its entries end with this process.
func (g *groups) of(hash uint64) groupID {
	g.mu.RLock()
	k, ok := g.keys[hash]
	g.mu.RUnlock()
	if !ok {
		var added bool
		if k, added = g.add(hash); added {
			g.secrets.write(g, k.place/pageGroups)
		}
	}
	return groupID{hash, k.id}
}

// add finds or makes the secret, and reports whether it is new.
func (g *groups) add(hash uint64) (k groupSecret, added bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if k, ok := g.keys[hash]; ok {
		return k, false
	}
	k = newSecret()
	k.place = g.somePlace()
	g.holds[k.place] = hash
	g.keys[hash] = k
	g.secrets.owe(k.place / pageGroups)
	return k, true
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

// somePlace returns one that is nobody's, or any group's that must make room.
func (g *groups) somePlace() uint32 {
	if n := len(g.free); n > 0 {
		place := g.free[n-1]
		g.free = g.free[:n-1]
		return place
	}
	if len(g.holds) < g.most {
		g.holds = append(g.holds, 0)
		return uint32(len(g.holds) - 1)
	}
	for hash, k := range g.keys {
		delete(g.keys, hash)
		return k.place
	}
	return 0 // not reached: there is at least one place
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

// destroy forgets the secret, in memory; secrets.erase makes sure that it is on no
// disk.
func (g *groups) destroy(hash uint64) {
	g.mu.Lock()
	k, known := g.keys[hash]
	if known {
		g.secrets.owe(k.place / pageGroups)
		delete(g.keys, hash) // which clears the secret's memory
		g.free = append(g.free, k.place)
	}
	g.mu.Unlock()
	g.forgetSeals(func(name sealName) bool { return name.group.hash == hash })
}

func (g *groups) forgetSeals(which func(sealName) bool) {
	g.sealsMu.Lock()
	defer g.sealsMu.Unlock()
	for _, name := range g.seals.Keys() {
		if which(name) {
			g.seals.Remove(name)
		}
	}
}

// clear forgets all secrets; the file is gone already.
func (g *groups) clear() {
	g.secrets.close()
	g.mu.Lock()
	clear(g.keys)
	g.holds, g.free = nil, nil
	g.mu.Unlock()
	g.forgetSeals(func(sealName) bool { return true })
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
	return secretsBytes(len(g.holds))
}
