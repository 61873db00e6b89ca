package dbfailover

import (
	"context"
	"testing"
	"testing/synctest"
	"time"
)

// cutStation stands still: its feed broke between the two looks of a move.
type cutStation struct {
	station
	at       string
	recorded string
	promoted bool
}

func (s *cutStation) lock(context.Context, uint64) (int, string, error) { return 0, s.at, nil }
func (s *cutStation) position(context.Context) (string, error)          { return s.at, nil }
func (s *cutStation) tail(context.Context, string) (string, error)      { return "", nil }
func (s *cutStation) ready(context.Context) error                       { return nil }
func (s *cutStation) unfence(context.Context, uint64) error             { return nil }
func (s *cutStation) fence(context.Context, epoch, bool, *string) (int, string, error) {
	return 0, s.recorded, nil
}
func (s *cutStation) promote(context.Context, uint64, bool, bool) (string, error) {
	s.promoted = true
	return s.at, nil
}

// "Others go on and keep out what comes later": one canary between step 1 and step 3, and
// the feed breaks. The old server has been fenced for good; Force (and a failover from a
// writer whose disk is full) ends in an error and nobody is open.
func TestForceGoesOnWhenTheFeedBreaksInTheMiddle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		times, err := Fast.timing()
		must(t, err)
		from, to := &cutStation{at: "2-2-10", recorded: "2-2-11"}, &cutStation{at: "1-1-5,2-2-10"}
		h := hand{timing: times, stations: [2]station{to, from}}
		o := h.carry(t.Context(), &task{
			kind: taskMove, to: Primary, epoch: epoch{3, 1, ""}, from: epoch{2, 2, "2-2-5"}, force: true, began: time.Now(),
		})
		if o.err != nil || !to.promoted {
			t.Errorf("promoted %v, error %v", to.promoted, o.err)
		}
	})
}
