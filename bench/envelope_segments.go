package main

import (
	"github.com/hipaakit/hipaakit/envelope"
)

// segments is the choice of the default segment length: ours is the default, its
// peers are other lengths. Long ones seal faster, short ones make ranges cheaper.
func (s envelopeBench) segments() error {
	raw, err := bareGCM()
	if err != nil {
		return err
	}
	in, o := s.kinds[0], envelope.Options{Compression: envelope.CompressNone}
	title := "by segment length, ours " + size(envelope.DefaultSegmentLength)
	others := s.others(o)
	for _, n := range s.segmentSizes {
		ours := []promise{{oneShot(s.kr, o), goal{}, goal{}}}
		if err := s.bothWays(title, size(n), s.records(in, n), ours, append(others, raw)); err != nil {
			return err
		}
	}
	title = "envelope: reading 64 KiB of " + size(s.large) + ", " + title
	for _, c := range []struct {
		name  string
		level envelope.Compression
	}{{"uncompressed", envelope.CompressNone}, {"compressed", envelope.CompressFast}} {
		if err := s.ranges(title, c.name, envelope.Options{Compression: c.level}); err != nil {
			return err
		}
	}
	return nil
}

// others are envelopes of each segment length that is not the default.
func (s envelopeBench) others(o envelope.Options) []scheme {
	var all []scheme
	for _, n := range s.segmentLengths {
		if n == envelope.DefaultSegmentLength {
			continue
		}
		o.SegmentLength = n
		other := oneShot(s.kr, o)
		other.name = size(n)
		all = append(all, other)
	}
	return all
}
