package main

import (
	"github.com/tink-crypto/tink-go/v2/streamingaead"

	"github.com/hipaakit/hipaakit/envelope"
)

// uncompressed is the cost of the cryptography alone.
func (s envelopeBench) uncompressed() error {
	peers, err := s.peers()
	if err != nil {
		return err
	}
	o := envelope.Options{Compression: envelope.CompressNone}
	kinds := s.kinds
	if !s.everyInput {
		kinds = kinds[:1]
	}
	for _, in := range kinds {
		for _, n := range s.plain {
			seals, opens := plainGoals(n)
			ours := []promise{{oneShot(s.kr, o), seals, opens}, {stream(s.kr, o), seals, opens}}
			if err := s.bothWays("uncompressed: "+in.name, size(n), s.records(in, n), ours, peers); err != nil {
				return err
			}
		}
	}
	return nil
}

func (s envelopeBench) peers() ([]scheme, error) {
	raw, err := bareGCM()
	if err != nil {
		return nil, err
	}
	tink4K, err := tinkStream("Tink 4 KiB", streamingaead.AES256GCMHKDF4KBKeyTemplate())
	if err != nil {
		return nil, err
	}
	tink1M, err := tinkStream("Tink 1 MiB", streamingaead.AES256GCMHKDF1MBKeyTemplate())
	if err != nil {
		return nil, err
	}
	age, err := ageFile()
	if err != nil {
		return nil, err
	}
	read, err := newReadAll(s.dir)
	return []scheme{raw, dare(), tink4K, tink1M, age, read}, err
}

// plainGoals are what an object of n bytes shall reach. What it costs whatever its
// size (a data key, seven derivations, a wrapped key, a header's MAC) shows in small
// ones; no peer does as much.
func plainGoals(n int) (seals, opens goal) {
	switch {
	case n >= 1<<20:
		seals = goal{peer: rawGCM, factor: 1 / 0.85, ahead: true}
		return seals, goal{peer: rawGCM, factor: 1 / 0.85}
	case n >= 64<<10:
		seals = goal{peer: rawGCM, factor: 1 / 0.48}
	default:
		seals = goal{most: 15_000}
	}
	return seals, seals
}
