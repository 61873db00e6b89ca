package diskcache

import (
	"crypto/cipher"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"io"
	"os"
)

func (g *groups) begin() []byte {
	b := append([]byte(groupsMagic), formatVersion)
	b = append(b, make([]byte, 32)...)
	rand.Read(b[8:])
	return b
}

func (g *groups) sealed(head []byte) cipher.AEAD { return g.key.aead("groups", head[8:groupsHeader]) }

func groupAAD(off int64) []byte { return binary.BigEndian.AppendUint64([]byte{'g'}, uint64(off)) }

func frame(dst []byte, seal cipher.AEAD, off int64, plain []byte) []byte {
	dst = binary.BigEndian.AppendUint16(dst, uint16(len(plain)/groupEntry))
	return seal.Seal(dst, nil, plain, groupAAD(off))
}

func appendGroup(b []byte, hash uint64, k groupSecret) []byte {
	b = binary.BigEndian.AppendUint64(b, hash)
	b = binary.BigEndian.AppendUint32(b, k.id)
	return append(b, k.secret[:]...)
}

// appendFrame stores one group more. If that fails, its entries end with this
// process.
func (g *groups) appendFrame(hash uint64, k groupSecret) {
	if g.f == nil && g.replace(false) == nil {
		return // it holds this one already
	}
	if g.f == nil {
		return
	}
	b := frame(nil, g.seal, g.size, appendGroup(nil, hash, k))
	if _, err := g.f.WriteAt(b, g.size); err == nil {
		g.size += int64(len(b))
	}
}

// replace writes the file anew, with exactly what is in the table.
func (g *groups) replace(sync bool) error {
	head := g.begin()
	seal := g.sealed(head)
	b, plain := head, []byte(nil)
	flush := func() {
		if len(plain) > 0 {
			b = frame(b, seal, int64(len(b)), plain)
			clear(plain)
			plain = plain[:0]
		}
	}
	for hash, k := range g.keys {
		if plain = appendGroup(plain, hash, k); len(plain) == groupsFrame*groupEntry {
			flush()
		}
	}
	flush()
	if err := replaceFile(g.root, groupsName, b, sync); err != nil {
		return err
	}
	raw, err := g.root.OpenFile(groupsName, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	g.close()
	g.f, g.seal, g.size = g.wrap(raw), seal, int64(len(b))
	return nil
}

// load reads the file that an earlier process left, as far as it is whole.
func (g *groups) load() error {
	raw, err := g.root.OpenFile(groupsName, os.O_RDWR, 0)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	info, err := raw.Stat()
	f := g.wrap(raw)
	defer f.Close()
	if err != nil || info.Size() < groupsHeader {
		return errDamaged
	}
	b := make([]byte, info.Size())
	if _, err := f.ReadAt(b, 0); err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	if string(b[:7]) != groupsMagic || b[7] != formatVersion {
		return errDamaged
	}
	return g.parse(b)
}

func (g *groups) parse(b []byte) error {
	seal := g.sealed(b)
	for off := groupsHeader; off < len(b); {
		if len(b)-off < 2 {
			return errDamaged
		}
		end := off + 2 + int(binary.BigEndian.Uint16(b[off:]))*groupEntry + sealOverhead
		if end > len(b) {
			return errDamaged
		}
		plain, err := seal.Open(nil, nil, b[off+2:end], groupAAD(int64(off)))
		if err != nil {
			return errDamaged
		}
		for ; len(plain) >= groupEntry; plain = plain[groupEntry:] {
			k := groupSecret{id: binary.BigEndian.Uint32(plain[8:])}
			copy(k.secret[:], plain[12:])
			g.keys[binary.BigEndian.Uint64(plain)] = k
		}
		off = end
	}
	return nil
}

func (g *groups) close() {
	if g.f != nil {
		_ = g.f.Close()
		g.f = nil
	}
}
