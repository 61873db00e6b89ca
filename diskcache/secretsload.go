package diskcache

import (
	"encoding/binary"
	"errors"
	"io"
	"os"
)

// load reads the file that an earlier process left, as far as it is whole. Of what
// cannot be read it is not known which secrets are in it: so it is written over, now or
// when the next one is destroyed. Nobody else is here yet.
func (s *secrets) load(g *groups) error {
	raw, err := s.root.OpenFile(groupsName, os.O_RDWR, 0)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	s.unread = true
	if err != nil {
		return err
	}
	f := s.wrap(raw)
	if err := s.loadFrom(f, g); err != nil {
		return errors.Join(err, f.Close())
	}
	s.f, s.unread = f, false
	for _, page := range s.debts(maxPages) {
		if err := s.put(g, page); err != nil {
			return err
		}
	}
	return nil
}

func (s *secrets) loadFrom(f file, g *groups) error {
	head := make([]byte, pageBytes)
	if n, err := f.ReadAt(head, 0); n < pageBytes {
		return err
	}
	if string(head[:7]) != groupsMagic || head[7] != formatVersion {
		return errDamaged
	}
	s.seal = s.sealedBy(head)
	b := make([]byte, pageBytes)
	pages := uint32(g.most / pageGroups)
	for page := range pages {
		n, err := f.ReadAt(b, pageOffset(page))
		if n == 0 && errors.Is(err, io.EOF) {
			return nil
		}
		clear(b[n:])
		if whole := s.open(g, page, b); !whole || n < len(b) {
			s.owe(page)
		}
		for len(g.holds) < int(page+1)*pageGroups {
			g.free = append(g.free, uint32(len(g.holds)))
			g.holds = append(g.holds, 0)
		}
	}
	return f.Truncate(pageOffset(pages)) // MaxBytes may have been larger
}

// open takes over one page.
func (s *secrets) open(g *groups, page uint32, b []byte) bool {
	if allZero(b) {
		return true
	}
	plain, err := s.seal.Open(nil, nil, b[:pageGroups*groupEntry+sealOverhead], pageAAD(page))
	if err != nil {
		return false
	}
	defer clear(plain)
	whole := true
	for at := plain; len(at) > 0; at = at[groupEntry:] {
		hash, place := binary.BigEndian.Uint64(at), uint32(len(g.holds))
		k := groupSecret{id: binary.BigEndian.Uint32(at[8:]), place: place, secret: [32]byte(at[12:])}
		g.holds = append(g.holds, hash)
		// A power failure can leave a group in its old place beside the new one.
		if _, twice := g.keys[hash]; k.id == 0 || twice {
			g.free = append(g.free, place)
			whole = whole && !twice
			continue
		}
		g.keys[hash] = k
	}
	return whole
}

func allZero(b []byte) bool {
	for _, x := range b {
		if x != 0 {
			return false
		}
	}
	return true
}
