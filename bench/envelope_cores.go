package main

import (
	"fmt"
	"sync"

	"github.com/hipaakit/hipaakit/envelope"
)

// twoCores is what a second core gains, beside what it gains the bare algorithms on
// two halves of the same data: no format can gain more. Gains are of the best times:
// a neighbour on the second core is no property of the code.
func (s envelopeBench) twoCores() error {
	raw, err := bareGCM()
	if err != nil {
		return err
	}
	whole, _, _, err := bareZstd(levels[0], 2)
	if err != nil {
		return err
	}
	plain := envelope.Options{Compression: envelope.CompressNone}
	for _, n := range s.plan.cores {
		if err := s.gains("uncompressed", size(n), s.records(s.kinds[0], n), plain, raw); err != nil {
			return err
		}
		for _, in := range s.kinds {
			if err := s.gains("compressed", size(n)+" "+in.name, s.records(in, n), envelope.Options{}, whole); err != nil {
				return err
			}
		}
	}
	return nil
}

// gains notes the gains of sealing and opening.
func (s envelopeBench) gains(title, name string, r records, o envelope.Options, bare scheme) error {
	peerSeals, peerOpens, err := bare.halves(r)
	if err != nil {
		return err
	}
	seals, opens := []contender{peerSeals}, []contender{peerOpens}
	for _, ours := range []scheme{oneShot(s.kr, o), stream(s.kr, o)} {
		opening, err := ours.opening(r)
		if err != nil {
			return err
		}
		seals, opens = append(seals, ours.sealing(r)), append(opens, opening)
	}
	if err := s.gain(title, "seal "+name, seals); err != nil {
		return err
	}
	return s.gain(title, "open "+name, opens)
}

const (
	// enough of a second core for its gain to say anything, and for a goal to be
	// judged. A machine that is shared may have none to give for seconds, and starting
	// a thread may take as long as half of a small object.
	enough = 1.6
	tries  = 4
)

// gain notes the gains of all but the first, which is their peer. Of several tries
// it takes the one in which the peer gained the most: it is the machine's.
func (s envelopeBench) gain(title, name string, cs []contender) error {
	var gained []float64
	for try := 0; try < tries && (try == 0 || gained[0] < enough); try++ {
		g, err := s.gainOnce(cs)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		if try == 0 || g[0] > gained[0] {
			gained = g
		}
	}
	peer, void := "halves, "+cs[0].name, ""
	if gained[0] < enough {
		void = "no second core"
	}
	for i, c := range cs[1:] {
		s.add(result{
			Table: "envelope: gain of a second core, " + title, Case: name + ", " + c.name, Unit: gain, Ours: gained[i+1],
			Peers: map[string]float64{peer: gained[0]}, order: []string{peer}, Void: void,
		}, goal{peer: peer, factor: 1 / 0.9})
	}
	return nil
}

// gainOnce is the time on one core to that on two, of each.
func (s envelopeBench) gainOnce(cs []contender) ([]float64, error) {
	var both []contender
	for _, c := range cs {
		c.waits = true
		for _, c.cores = range []int{1, 2} {
			both = append(both, c)
		}
	}
	times, err := s.pace.measure(both)
	if err != nil {
		return nil, err
	}
	gained := make([]float64, len(cs))
	for i := range cs {
		gained[i] = times[2*i].best / times[2*i+1].best
	}
	return gained, nil
}

// halves are the contenders that cut each record in two and seal, or open, both
// halves at the same time.
func (s scheme) halves(r records) (sealing, opening contender, err error) {
	var parts [2]records
	var sealed [2][][]byte
	for h := range parts {
		parts[h] = records{room: make([]byte, 0, cap(r.room))}
		for _, data := range r.data {
			from := h * (len(data) / 2)
			to := []int{len(data) / 2, len(data)}[h]
			parts[h].data = append(parts[h].data, data[from:to])
		}
		if sealed[h], err = s.proved(parts[h]); err != nil {
			return
		}
	}
	sealing = pass(s.name, len(r.data), both(func(h, i int) error {
		_, err := s.seal(parts[h].room, parts[h].data[i])
		return err
	}))
	opening = pass(s.name, len(r.data), both(func(h, i int) error {
		_, err := s.open(parts[h].room, sealed[h][i])
		return err
	}))
	return
}

// both does half 0 here and half 1 in a goroutine, and waits for it.
func both(do func(half, i int) error) func(i int) error {
	return func(i int) error {
		var wg sync.WaitGroup
		var there error
		wg.Go(func() { there = do(1, i) })
		here := do(0, i)
		wg.Wait()
		if here != nil {
			return here
		}
		return there
	}
}
