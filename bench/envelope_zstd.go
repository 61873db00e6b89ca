package main

import (
	"github.com/hipaakit/hipaakit/envelope"
)

// compressed is beside zstd alone, in the three ways in which one can use it. The
// goal is beside the one that can be read from the middle as well: frames that know
// nothing of each other. One frame over all finds what repeats across them. What
// encryption adds to them without any format stands in the last column.
func (s envelopeBench) compressed() error {
	for _, in := range s.kinds {
		for _, n := range s.zstd {
			for _, l := range levels {
				if l.ours != envelope.CompressFast && n != 1<<20 && !s.everyLevel {
					continue
				}
				if err := s.level(in, n, l); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

func (s envelopeBench) level(in input, n int, l level) error {
	whole, frames, streamed, err := bareZstd(l, 1)
	if err != nil {
		return err
	}
	o := envelope.Options{Compression: l.ours}
	g := goal{peer: zstdFrames, factor: 1 / 0.95}
	ours := []promise{{oneShot(s.kr, o), g, g}, {stream(s.kr, o), g, g}}
	r, name := s.records(in, n), size(n)+" "+l.name
	raw, err := bareGCM()
	if err != nil {
		return err
	}
	bare := []scheme{whole, frames, streamed, frames.then(raw, cap(r.room))}
	if err := s.stored(in, name, r, ours[0].scheme, bare[:3]); err != nil {
		return err
	}
	return s.bothWays("compressed: "+in.name, name, r, ours, bare)
}

// stored notes how much smaller than the data each leaves it.
func (s envelopeBench) stored(in input, name string, r records, ours scheme, bare []scheme) error {
	ratio, err := ours.ratio(r)
	if err != nil {
		return err
	}
	line := result{Table: "envelope: size stored: " + in.name, Case: name, Unit: smaller, Bytes: r.size(), Ours: ratio, Peers: map[string]float64{}}
	for _, p := range bare {
		if line.Peers[p.name], err = p.ratio(r); err != nil {
			return err
		}
		line.order = append(line.order, p.name)
	}
	s.add(line, goal{})
	return nil
}

// ratio is the size of all records to that of what is stored of them.
func (s scheme) ratio(r records) (float64, error) {
	sealed, err := s.proved(r)
	stored := 0
	for _, b := range sealed {
		stored += len(b)
	}
	return float64(len(r.data)*r.size()) / float64(stored), err
}
