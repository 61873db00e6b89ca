package main

import (
	"fmt"
	"runtime"

	"github.com/hipaakit/hipaakit/envelope"
)

// envelopeSuite seals and opens objects of several sizes beside whoever else does.
func envelopeSuite(b *bench) error {
	kr, err := b.newKeyring()
	if err != nil {
		return err
	}
	defer kr.Close()
	kinds, err := inputs(b.data, b.most())
	if err != nil {
		return err
	}
	if err := b.warm(kr); err != nil {
		return err
	}
	s := envelopeBench{b, kr, kinds}
	for _, part := range []func() error{s.uncompressed, s.compressed, s.twoCores, s.segments, s.allocations} {
		if err := part(); err != nil {
			return err
		}
	}
	return nil
}

type envelopeBench struct {
	*bench
	kr    envelope.Keyring
	kinds []input
}

// warm has package envelope make its encoders and decoder while all cores are there:
// it makes them once, for as many as it finds.
func (b *bench) warm(kr envelope.Keyring) error {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(b.cores))
	for _, l := range levels {
		s := oneShot(kr, envelope.Options{Compression: l.ours})
		if _, err := s.proved(newRecords(make([]byte, 1<<10), 1<<10, 1)); err != nil {
			return fmt.Errorf("level %s: %w", l.name, err)
		}
	}
	return nil
}

// bothWays plays two matches of the same schemes: sealing and opening.
func (s envelopeBench) bothWays(title, name string, r records, ours []promise, peers []scheme) error {
	seal := match{table: "envelope: sealing, " + title, bytes: r.size()}
	open := match{table: "envelope: opening, " + title, bytes: r.size()}
	for _, o := range ours {
		opening, err := o.opening(r)
		if err != nil {
			return err
		}
		seal.ours = append(seal.ours, entrant{name + ", " + o.name, o.seals, o.sealing(r)})
		open.ours = append(open.ours, entrant{name + ", " + o.name, o.opens, opening})
	}
	for _, p := range peers {
		opening, err := p.opening(r)
		if err != nil {
			return err
		}
		seal.peers = append(seal.peers, p.sealing(r))
		open.peers = append(open.peers, opening)
	}
	if err := s.play(seal); err != nil {
		return err
	}
	return s.play(open)
}

// promise is a scheme of ours and what it shall reach.
type promise struct {
	scheme
	seals, opens goal
}
