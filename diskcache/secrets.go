package diskcache

import (
	"context"
	"crypto/cipher"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"os"
	"sync"
)

// The file "groups" holds the secrets of the groups. It is of pages of 4 KiB:
//
//	0   8  "HKCGRP", a zero byte, the format's version
//	8  32  file id, random
//	       zeros, to the end of the page
//
// and then, each sealed by itself, with 'g' || be32 number of the page, from 0, as
// associated data, and zeros behind it,
//
//	92 times: be64 hash of the group || be32 which of its secrets || the 32 bytes of
//	the secret; all zeros if the place is nobody's
//
// A page of zeros only holds no secret. A new group's page is written again with it,
// a destroyed one's without it and synced: each costs 4 KiB, however many groups there
// are.
//
// A group's name is in no file but the sealed metadata of its entries, which are
// sealed under its secret.
const (
	groupsName  = "groups"
	groupsMagic = "HKCGRP\x00"
	groupEntry  = 8 + 4 + 32
	pageBytes   = diskBlock
	pageGroups  = (pageBytes - sealOverhead) / groupEntry
)

// secretsBytes is what a file with so many places takes.
func secretsBytes(places int) int64 {
	if places == 0 {
		return 0
	}
	return int64(1+(places+pageGroups-1)/pageGroups) * pageBytes
}

// secrets is that file. It has a gate of its own: a disk that stalls in the middle of
// a page must not stop those who need a secret that is in memory.
type secrets struct {
	root    *os.Root
	wrap    func(file) file
	key     *cacheKey
	breaker *breaker

	mu   sync.Mutex
	owed map[uint32]struct{} // pages that may hold what is not in memory any more

	gate     gate
	f        file // nil: not yet
	seal     cipher.AEAD
	unread   bool // there is a file, all of which is owed
	unsynced bool // a page has been written over, which the disk might not know yet
}

func (s *secrets) init(root *os.Root, wrap func(file) file, key *cacheKey, b *breaker) {
	s.root, s.wrap, s.key, s.breaker = root, wrap, key, b
	s.owed, s.gate = make(map[uint32]struct{}), newGate()
	s.unsynced = true // by the process before
}

func (s *secrets) owe(page uint32) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.owed[page] = struct{}{}
}

func (s *secrets) paid(page uint32) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.owed, page)
}

// debts returns up to so many.
func (s *secrets) debts(most int) (pages []uint32) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for page := range s.owed {
		if len(pages) == most {
			break
		}
		pages = append(pages, page)
	}
	return pages
}

// write brings a page up to date that is owed, and another one, which could not be
// written before. If that fails, what is new in it ends with this process.
func (s *secrets) write(g *groups, page uint32) {
	if !s.gate.tryLock() {
		return
	}
	defer s.gate.unlock()
	_ = s.guarded(func() error {
		if err := s.put(g, page); err != nil {
			return err
		}
		for _, page := range s.debts(1) {
			return s.put(g, page)
		}
		return nil
	})
}

// erase returns when nothing is on disk any more that is not in memory.
func (s *secrets) erase(ctx context.Context, g *groups) error {
	if err := s.gate.lockContext(ctx); err != nil {
		return err
	}
	defer s.gate.unlock()
	debts := s.debts(maxPages)
	if len(debts) == 0 && !s.unread && (s.f == nil || !s.unsynced) {
		return nil
	}
	return s.guarded(func() error { return s.pay(g, debts) })
}

func (s *secrets) guarded(do func() error) error {
	if err := s.breaker.enter(); err != nil {
		return err
	}
	err := do()
	s.breaker.exit(writing, deviceError(err))
	return err
}

func (s *secrets) pay(g *groups, debts []uint32) error {
	if s.f == nil {
		if err := s.create(g); err != nil {
			return err
		}
		debts = s.debts(maxPages)
	}
	for _, page := range debts {
		if err := s.put(g, page); err != nil {
			return err
		}
	}
	if err := s.f.Sync(); err != nil {
		return err
	}
	s.unsynced = false
	return nil
}

// put writes a page as it should be. It needs the gate, as create does.
func (s *secrets) put(g *groups, page uint32) error {
	if s.f == nil {
		if err := s.create(g); err != nil {
			return err
		}
	}
	s.paid(page) // before it is read from memory: what changes from then on is owed again
	plain := g.page(page)
	b := s.seal.Seal(make([]byte, 0, pageBytes), nil, plain, pageAAD(page))
	clear(plain)
	if _, err := s.f.WriteAt(b[:pageBytes], pageOffset(page)); err != nil {
		s.owe(page)
		return err
	}
	s.unsynced = true
	return nil
}

// create begins an empty file in place of whatever is there. All pages are owed to it.
func (s *secrets) create(g *groups) error {
	raw, err := s.root.OpenFile(groupsName, os.O_CREATE|os.O_TRUNC|os.O_RDWR, 0o600)
	if err != nil {
		return err
	}
	head := append([]byte(groupsMagic), formatVersion)
	head = append(head, make([]byte, pageBytes-len(head))...)
	rand.Read(head[8:40])
	f := s.wrap(raw)
	if _, err := f.WriteAt(head, 0); err != nil {
		return errors.Join(err, f.Close())
	}
	s.f, s.seal, s.unread, s.unsynced = f, s.sealedBy(head), false, true
	for page := range g.pages() {
		s.owe(page)
	}
	return nil
}

func (s *secrets) sealedBy(head []byte) cipher.AEAD { return s.key.aead("groups", head[8:40]) }

func pageAAD(page uint32) []byte { return binary.BigEndian.AppendUint32([]byte{'g'}, page) }

func pageOffset(page uint32) int64 { return (1 + int64(page)) * pageBytes }

// page returns what a page should hold.
func (g *groups) page(page uint32) []byte {
	g.mu.RLock()
	defer g.mu.RUnlock()
	b := make([]byte, pageGroups*groupEntry)
	first := int(page) * pageGroups
	for i := first; i < min(first+pageGroups, len(g.holds)); i++ {
		hash := g.holds[i]
		if k, ok := g.keys[hash]; ok && int(k.place) == i {
			at := b[(i-first)*groupEntry:]
			binary.BigEndian.PutUint64(at, hash)
			binary.BigEndian.PutUint32(at[8:], k.id)
			copy(at[12:], k.secret[:])
		}
	}
	return b
}

// pages is how many there are.
func (g *groups) pages() uint32 {
	g.mu.RLock()
	defer g.mu.RUnlock()
	return uint32((len(g.holds) + pageGroups - 1) / pageGroups)
}

func (s *secrets) close() {
	if s.f != nil {
		_ = s.f.Close()
	}
	s.f, s.unread = nil, false
	s.mu.Lock()
	defer s.mu.Unlock()
	clear(s.owed)
}
