package dbfailover

import (
	"context"
	"errors"
	"slices"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

// stuck is a move from a server whose killed threads do not end.
type stuck struct {
	name string
	task task
	old  puppet
	at   string // where the new server stands
	want []string
	err  error
}

// Threads that outlive their kill end no service for long: the server that has them is
// locked and told of the epoch, the other one is opened in quarantine, and what comes late
// will be the tail.
func TestThreadsThatDoNotEndHoldUpAPlannedMoveAlone(t *testing.T) {
	const there = "1-1-20"
	past := []string{"old disown 2", "new promote 2 quarantine=true force=false"}
	for _, c := range []stuck{
		{name: "it cannot write", at: there, want: past},
		{name: "and another node is at it, too", at: there, old: puppet{locks: slices.Repeat([]error{nil, refusal(errBusy)}, 9)}, want: past},
		{name: "and the new server does not follow", at: "1-1-19", want: past},
		{name: "and lacks writes of its own", task: task{lost: true}, at: "1-1-1", want: past},
		{name: "another epoch has begun there", at: there, old: puppet{fails: map[string]error{"disown": refusal(errOvertaken)}},
			err: refusal(errOvertaken), want: past[:1]},
		{name: "it is gone then", at: there, old: puppet{fails: map[string]error{"disown": syscall.ECONNREFUSED}}, err: syscall.ECONNREFUSED, want: past[:1]},
		{name: "this process was stopped", at: "1-1-19", old: puppet{slow: map[string]float64{"lock": 20}}, err: errStale},
		{name: "planned", task: task{planned: true}, at: there, err: errThreads},
		{name: "it was dead, and is back", task: task{hopeless: true}, at: there, err: errThreads},
		{name: "an operator answers for it", task: task{force: true}, at: there, want: []string{"new promote 2 quarantine=true force=true"}},
	} {
		synctest.Test(t, func(t *testing.T) { c.play(t) })
	}
}

func (c stuck) play(t *testing.T) {
	times, err := Careful.timing()
	must(t, err)
	var book []string
	c.old.name, c.old.book, c.old.at, c.old.left = "old", &book, "1-1-20", slices.Repeat([]int{1}, 1e4)
	h := hand{timing: times, stations: [2]station{&c.old, &puppet{name: "new", book: &book, at: c.at, gtid: "2-2-9"}}}
	c.task.kind, c.task.to, c.task.epoch, c.task.from, c.task.began = taskMove, Secondary, epoch{2, 2, ""}, epoch{1, 1, "1-1-5"}, time.Now()
	o := h.carry(t.Context(), &c.task)
	asked := slices.DeleteFunc(book, func(line string) bool { return strings.HasSuffix(line, "position") || line == "old lock 1" })
	if !slices.Equal(asked, c.want) {
		t.Errorf("%s: asked %q, want %q", c.name, asked, c.want)
	}
	if (o.err == nil) != (c.err == nil) || o.err != nil && !errors.Is(o.err, c.err) && o.err.Error() != c.err.Error() {
		t.Errorf("%s: %v, want %v", c.name, o.err, c.err)
	}
	if o.err == nil && o.epoch.gtid != "2-2-9" {
		t.Errorf("%s: the epoch's position is %q", c.name, o.epoch.gtid)
	}
}

// Only a server that is there, and stuck to the end, is passed by.
func TestWhatLockingComesTo(t *testing.T) {
	busy, silent := refusal(errBusy), context.DeadlineExceeded
	for what, c := range map[string]struct {
		locks []error // nil: threads are left
		want  error
	}{
		"threads to the end":                 {locks: slices.Repeat([]error{nil}, 1e4), want: errThreads},
		"threads, and then it hangs":         {locks: []error{nil, nil}, want: errThreads},
		"it hangs":                           {want: silent},
		"threads, and then another epoch":    {locks: []error{nil, refusal(errOvertaken)}, want: refusal(errOvertaken)},
		"threads, and then it is gone":       {locks: []error{nil, syscall.ECONNREFUSED}, want: syscall.ECONNREFUSED},
		"another node is at it to the end":   {locks: slices.Repeat([]error{busy}, 1e4), want: busy},
		"another node is at it, and threads": {locks: append([]error{nil}, slices.Repeat([]error{busy}, 1e4)...), want: errThreads},
	} {
		synctest.Test(t, func(t *testing.T) {
			var book []string
			s := &halting{puppet: puppet{name: "old", book: &book, at: "1-1-20", locks: c.locks, left: slices.Repeat([]int{1}, 1e4)}}
			at, err := (&hand{}).lock(t.Context(), s, 1, 3*time.Second)
			if !errors.Is(err, c.want) && err.Error() != c.want.Error() {
				t.Errorf("%s: %v, want %v", what, err, c.want)
			}
			if errors.Is(c.want, errThreads) && at != "1-1-20" {
				t.Errorf("%s: it stood at %q", what, at)
			}
		})
	}
}

// halting hangs once its answers are used up.
type halting struct{ puppet }

func (s *halting) lock(ctx context.Context, number uint64) (int, string, error) {
	if len(s.locks) == 0 {
		<-ctx.Done()
		return 0, "", ctx.Err()
	}
	return s.puppet.lock(ctx, number)
}
