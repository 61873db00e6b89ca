package dbfailover

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/hipaakit/hipaakit/internal/testbed"
)

// backup holds the lock of a backup of server id until it is ended. Under MySQL's, rows are
// written and replicated, and accounts cannot be changed; MariaDB's holds up both.
func (d *duo) backup(t *testing.T, id int) (end func()) {
	t.Helper()
	begin, over := "FLUSH TABLES WITH READ LOCK", "UNLOCK TABLES"
	if d.flavour == MySQL {
		begin, over = "LOCK INSTANCE FOR BACKUP", "UNLOCK INSTANCE"
	}
	holder, err := d.pair.Servers[id-1].Root().Conn(t.Context())
	must(t, err)
	_, err = holder.ExecContext(t.Context(), begin)
	must(t, err)
	return func() {
		_, err := holder.ExecContext(t.Context(), over)
		must(t, err)
		_ = holder.Close()
	}
}

// errLockWait: the server's lock_wait_timeout is over.
const errLockWait = 1205

func TestSwitchToAServerUnderABackupIsRefused(t *testing.T) {
	t.Parallel()
	d := newDuo(t, testbed.Options{})
	d.tables(t)
	a := d.node(t, "north", "a", Fast)
	a.well(t, StatePrimary, 1)
	end := d.backup(t, 2)
	a.write(t, "before")
	if err := a.c.Switch(t.Context(), Secondary); err == nil || d.flavour == MySQL && !serverSaid(err, errLockWait) {
		t.Errorf("Switch: %v", err)
	}
	if id := a.write(t, "after"); id != 1 || d.look(t, "north", 1).top.number != 1 {
		t.Errorf("written to server %d, epoch %+v", id, d.look(t, "north", 1).top)
	}
	end()
	eventually(t, "the Switch is made", func() bool { return a.c.Switch(t.Context(), Secondary) == nil })
	a.firstGood(t, "then") // it is slow to be believed to write again
}

// The writer dies during the other one's backup. Nothing is begun that only the backup's end
// could finish: the writer goes on when it is back.
func TestMySQLFailoverUnderABackupLeavesTheWriterItsEpoch(t *testing.T) {
	t.Parallel()
	d := newDuo(t, testbed.Options{})
	d.tables(t)
	one := d.pair.Servers[0]
	a := d.node(t, "north", "a", Fast)
	a.well(t, StatePrimary, 1)
	a.write(t, "before")
	d.pair.Servers[1].AwaitCaughtUp(one)
	end := d.backup(t, 2)
	one.Kill()
	a.reaches(t, StateDown, 1)
	if s := d.look(t, "north", 2); s.top.number != 1 || s.quarantined || !s.locked {
		t.Errorf("server 2: %+v", s)
	}
	one.Start()
	if id, _ := a.firstGood(t, "back"); id != 1 {
		t.Errorf("written to server %d", id)
	}
	one.Kill()
	a.reaches(t, StateDown, 1)
	end()
	a.reaches(t, StateSecondary, 2)
	a.write(t, "over")
}

// The backup began in the middle of a move: the old server has been fenced for good, the new
// one cannot be opened. The old one takes the epoch after it.
func TestMySQLBackupInTheMiddleOfAMoveLeadsBack(t *testing.T) {
	t.Parallel()
	d := newDuo(t, testbed.Options{})
	d.tables(t)
	a := d.node(t, "north", "a", Fast)
	a.well(t, StatePrimary, 1)
	a.write(t, "before")
	defer d.backup(t, 2)()
	_, _, err := d.station(t, "north", 1).fence(t.Context(), epoch{number: 2, server: 2}, true, nil)
	must(t, err)
	a.reaches(t, StatePrimary, 3)
	if id := a.write(t, "after"); id != 1 {
		t.Errorf("written to server %d", id)
	}
}

// Nobody is locked out for a move to a server that could not be opened, an operator's either;
// a dead writer's successor is asked by the promotion itself.
func TestMoveToAServerThatCannotBeOpenedBeginsNothing(t *testing.T) {
	for what, c := range map[string]struct {
		task task
		want int // steps
	}{
		"planned":         {task: task{planned: true}},
		"forced":          {task: task{force: true}},
		"it cannot write": {},
		"it is dead":      {task: task{hopeless: true}, want: 4},
	} {
		synctest.Test(t, func(t *testing.T) {
			times, err := Fast.timing()
			must(t, err)
			var book []string
			h := hand{timing: times, stations: [2]station{
				&puppet{name: "old", book: &book, at: "1-1-9", gtid: "1-1-9"},
				&puppet{name: "new", book: &book, at: "1-1-9", fails: map[string]error{"ready": refusal(errLockWait)}},
			}}
			c.task.kind, c.task.to, c.task.epoch, c.task.from, c.task.began = taskMove, Secondary, epoch{2, 2, ""}, epoch{1, 1, ""}, time.Now()
			o := h.carry(t.Context(), &c.task)
			if len(book) < c.want || c.want == 0 && len(book) > 0 || (o.err == nil) != (c.want > 0) {
				t.Errorf("%s: asked %q, %v", what, book, o.err)
			}
		})
	}
}
