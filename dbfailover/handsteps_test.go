package dbfailover

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

// puppet is a station that answers what it is told to, a millisecond later, and writes
// down what it was asked.
type puppet struct {
	name  string
	book  *[]string
	at    string             // where it stands
	gtid  string             // recorded by fence, answered by promote
	left  []int              // threads left, call by call; none in the end
	tails []string           // found, call by call; the last for good
	fails map[string]error   // by the name of the call
	slow  map[string]float64 // seconds that a call takes, whoever waits
	hangs string             // the call that ends with its context
	locks []error            // what lock answers at first
}

func (p *puppet) asked(ctx context.Context, call string, details ...any) error {
	*p.book = append(*p.book, strings.TrimSpace(p.name+" "+call+" "+fmt.Sprint(details...)))
	if call == p.hangs {
		<-ctx.Done()
		return ctx.Err()
	}
	time.Sleep(time.Millisecond + time.Duration(p.slow[call]*float64(time.Second)))
	return p.fails[call]
}

func (p *puppet) threads() (left int) {
	if len(p.left) > 0 {
		left, p.left = p.left[0], p.left[1:]
	}
	return left
}

func (p *puppet) lock(ctx context.Context, number uint64) (int, string, error) {
	err := p.asked(ctx, "lock", number)
	if err == nil && len(p.locks) > 0 {
		err, p.locks = p.locks[0], p.locks[1:]
	}
	if err != nil {
		return 0, "", err
	}
	return p.threads(), p.at, nil
}

func (p *puppet) fence(ctx context.Context, e epoch, own bool, tail *string) (int, string, error) {
	found := "not looked for"
	if tail != nil {
		found = *tail
	}
	err := p.asked(ctx, "fence", e.number, " own=", own, " tail=", found)
	return p.threads(), p.gtid, err
}

func (p *puppet) disown(ctx context.Context, e epoch) error {
	return p.asked(ctx, "disown", e.number)
}

func (p *puppet) ready(context.Context) error { return p.fails["ready"] }

func (p *puppet) promote(ctx context.Context, number uint64, quarantine, force bool) (string, error) {
	return p.gtid, p.asked(ctx, "promote", number, " quarantine=", quarantine, " force=", force)
}

func (p *puppet) unfence(ctx context.Context, number uint64) error {
	return p.asked(ctx, "unfence", number)
}

func (p *puppet) tail(ctx context.Context, since string) (found string, err error) {
	if found = p.tails[0]; len(p.tails) > 1 {
		p.tails = p.tails[1:]
	}
	return found, p.asked(ctx, "tail", since)
}

func (p *puppet) position(ctx context.Context) (string, error) {
	return p.at, p.asked(ctx, "position")
}
func (p *puppet) resume(ctx context.Context) error              { return p.asked(ctx, "resume") }
func (p *puppet) lift(ctx context.Context, number uint64) error { return p.asked(ctx, "lift", number) }
func (p *puppet) beat(ctx context.Context, _ uint64) error      { return p.asked(ctx, "beat") }
func (p *puppet) refusals(context.Context) ([]string, error)    { return nil, nil }
func (p *puppet) leave()                                        {}

// step is one task of the hand between an old server, at 1-1-20, and a new one.
type step struct {
	name     string
	task     task
	old, new puppet
	want     []string // what is asked, positions left out
	err      error    // nil: it succeeds
	gtid     string   // of the outcome
}

func TestEveryStepOfATaskIsTakenInOrder(t *testing.T) {
	const there = "1-1-20"
	gone := map[string]error{"lock": syscall.ECONNREFUSED}
	plan, urgent := task{planned: true}, task{hopeless: true}
	for _, c := range []step{
		{name: "planned", task: plan, old: puppet{gtid: there}, new: puppet{at: there, gtid: "1-1-20,2-2-9"},
			want: []string{"old lock 1", "old fence 2 own=true tail=not looked for", "new promote 2 quarantine=false force=false"}, gtid: "1-1-20,2-2-9"},
		{name: "threads are left at first", task: plan, old: puppet{gtid: there, left: []int{2, 1}}, new: puppet{at: there},
			want: []string{"old lock 1", "old lock 1", "old lock 1", "old fence 2 own=true tail=not looked for", "new promote 2 quarantine=false force=false"}},
		{name: "the new one does not follow", task: plan, new: puppet{at: "1-1-19"}, err: errBehind,
			want: []string{"old lock 1", "old unfence 1"}},
		{name: "it cannot be asked", task: plan, new: puppet{fails: map[string]error{"position": syscall.ECONNREFUSED}}, err: syscall.ECONNREFUSED,
			want: []string{"old lock 1", "old unfence 1"}},
		{name: "another node opened the old one again", task: plan, old: puppet{gtid: "1-1-25"}, new: puppet{at: there}, err: errBehind,
			want: []string{"old lock 1", "old fence 2 own=true tail=not looked for"}},
		{name: "the fence is refused", task: plan, old: puppet{fails: map[string]error{"fence": refusal(errOvertaken)}}, new: puppet{at: there}, err: refusal(errOvertaken),
			want: []string{"old lock 1", "old fence 2 own=true tail=not looked for", "old unfence 1"}},
		{name: "the fence leaves a thread", task: plan, old: puppet{left: []int{0, 1}}, new: puppet{at: there}, err: errThreads,
			want: []string{"old lock 1", "old fence 2 own=true tail=not looked for", "old unfence 1"}},
		{name: "planned, the old one is gone", task: plan, old: puppet{fails: gone}, err: syscall.ECONNREFUSED, want: []string{"old lock 1"}},
		{name: "planned, gone for a while", task: task{planned: true, hopeless: true}, old: puppet{fails: gone}, err: syscall.ECONNREFUSED, want: []string{"old lock 1"}},
		{name: "gone", task: urgent, old: puppet{fails: gone}, new: puppet{gtid: "2-2-9"},
			want: []string{"old lock 1", "new promote 2 quarantine=true force=false"}, gtid: "2-2-9"},
		{name: "gone a moment after it was seen", task: task{}, old: puppet{fails: gone}, err: syscall.ECONNREFUSED, want: []string{"old lock 1"}},
		{name: "it answers and refuses", task: urgent, old: puppet{fails: map[string]error{"lock": refusal(1045)}}, err: refusal(1045), want: []string{"old lock 1"}},
		{name: "it answers, and an operator answers for it", task: task{force: true}, old: puppet{fails: map[string]error{"lock": refusal(1045)}},
			want: []string{"old lock 1", "new promote 2 quarantine=true force=true"}},
		{name: "decided on old news", task: urgent, old: puppet{fails: gone, slow: map[string]float64{"lock": 60}}, err: errStale, want: []string{"old lock 1"}},
		{name: "gone after it was locked", task: urgent, old: puppet{fails: map[string]error{"fence": syscall.ECONNREFUSED}}, new: puppet{at: there},
			want: []string{"old lock 1", "old fence 2 own=true tail=not looked for", "new promote 2 quarantine=true force=false"}},
		{name: "alive, and the new one does not follow", task: task{}, old: puppet{tails: []string{"3 transactions"}}, new: puppet{at: "1-1-19"},
			want: []string{"old lock 1", "old tail 1-1-19", "old fence 2 own=false tail=3 transactions", "new promote 2 quarantine=true force=false"}},
		{name: "the same, and a thread is left", task: task{}, old: puppet{tails: []string{""}, left: []int{0, 1}}, new: puppet{at: "1-1-19"}, err: errThreads,
			want: []string{"old lock 1", "old tail 1-1-19", "old fence 2 own=false tail="}},
		{name: "the same, and its log cannot be read", task: task{}, old: puppet{tails: []string{""}, fails: map[string]error{"tail": errReading}}, new: puppet{at: "1-1-19"}, err: errReading,
			want: []string{"old lock 1", "old tail 1-1-19"}},
		{name: "it lacks writes of its own", task: task{lost: true}, new: puppet{at: there},
			want: []string{"old lock 1", "old fence 2 own=false tail=" + tailLost, "new promote 2 quarantine=true force=false"}},
		{name: "onto one that had a tail", task: task{force: true, passed: true}, old: puppet{tails: []string{"7 transactions"}}, new: puppet{at: "1-1-19"},
			want: []string{"old lock 1", "old tail 1-1-19", "old fence 2 own=false tail=7 transactions; and " + tailPassed, "new promote 2 quarantine=true force=true"}},

		{name: "open", task: task{kind: taskOpen, epoch: epoch{2, 2, there}}, new: puppet{gtid: there},
			want: []string{"new promote 2 quarantine=false force=false"}, gtid: there},
		{name: "open, and nobody knows where the old one stood", task: task{kind: taskOpen},
			want: []string{"new promote 2 quarantine=true force=false"}},
		{name: "fence", task: task{kind: taskFence}, want: []string{"new fence 2 own=false tail=not looked for"}},
		{name: "fence, a thread is left", task: task{kind: taskFence}, new: puppet{left: []int{1}}, err: errThreads, want: []string{"new fence 2 own=false tail=not looked for"}},
		{name: "fence one that lacks writes", task: task{kind: taskFence, lost: true, judge: true}, want: []string{"new fence 2 own=false tail=" + tailLost}},
		{name: "judge", task: task{kind: taskFence, judge: true, epoch: epoch{2, 1, there}}, new: puppet{tails: []string{""}},
			want: []string{"new lock 2", "new tail 1-1-20", "new fence 2 own=false tail=", "new tail 1-1-20"}},
		{name: "judge, and it was written meanwhile", task: task{kind: taskFence, judge: true, epoch: epoch{2, 1, there}}, new: puppet{tails: []string{"", "1 transaction"}},
			want: []string{"new lock 2", "new tail 1-1-20", "new fence 2 own=false tail=", "new tail 1-1-20", "new fence 2 own=false tail=1 transaction"}},
		{name: "judge one that cannot be locked", task: task{kind: taskFence, judge: true}, new: puppet{fails: map[string]error{"lock": refusal(1045)}}, err: refusal(1045),
			want: []string{"new lock 2"}},
		{name: "unlock", task: task{kind: taskUnlock}, want: []string{"new unfence 2"}},
		{name: "resume", task: task{kind: taskResume}, want: []string{"new resume"}},
		{name: "lift", task: task{kind: taskLift}, want: []string{"new lift 2"}},
	} {
		synctest.Test(t, func(t *testing.T) { c.play(t) })
	}
}

func (c step) play(t *testing.T) {
	times, err := Careful.timing()
	must(t, err)
	var book []string
	c.old.name, c.new.name, c.old.book, c.new.book = "old", "new", &book, &book
	if c.old.at == "" {
		c.old.at = "1-1-20"
	}
	h := hand{timing: times, stations: [2]station{&c.old, &c.new}}
	t1 := c.task
	if t1.kind == 0 {
		t1.kind = taskMove
	}
	if t1.epoch.number == 0 {
		t1.epoch = epoch{2, 2, ""}
	}
	t1.to, t1.from, t1.began = Secondary, epoch{1, 1, "1-1-5"}, time.Now()
	o := h.carry(t.Context(), &t1)
	asked := slices.DeleteFunc(book, func(line string) bool { return strings.HasSuffix(line, "position") })
	if !slices.Equal(asked, c.want) {
		t.Errorf("%s: asked\n%s\nwant\n%s", c.name, strings.Join(asked, "\n"), strings.Join(c.want, "\n"))
	}
	if (o.err == nil) != (c.err == nil) || o.err != nil && !errors.Is(o.err, c.err) && !strings.Contains(o.err.Error(), c.err.Error()) {
		t.Errorf("%s: %v, want %v", c.name, o.err, c.err)
	}
	if o.err == nil && t1.kind != taskFence && c.gtid != o.epoch.gtid {
		t.Errorf("%s: the epoch's position is %q, want %q", c.name, o.epoch.gtid, c.gtid)
	}
	if answers := o.err == nil || present(c.err); o.reached != answers {
		t.Errorf("%s: reached %v", c.name, o.reached)
	}
}

// A server that hangs is given up early where it has been dead for a while.
func TestHowLongTheOldServerMayTake(t *testing.T) {
	times, err := Careful.timing()
	must(t, err)
	for _, hopeless := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			var book []string
			h := hand{timing: times, stations: [2]station{
				&puppet{name: "old", book: &book, hangs: "lock"}, &puppet{name: "new", book: &book, gtid: "2-2-9"}}}
			begin := time.Now()
			o := h.carry(t.Context(), &task{kind: taskMove, to: Secondary, epoch: epoch{2, 2, ""}, hopeless: hopeless, began: begin})
			want := times.act
			if hopeless {
				want = times.timeout / 5
			}
			if took := time.Since(begin); took < want || took > want+10*time.Millisecond || (o.err == nil) != hopeless {
				t.Errorf("hopeless %v: %v after %v, want %v", hopeless, o.err, took, want)
			}
		})
	}
}
