package dbfailover

import (
	"database/sql"
	"errors"
	"slices"
	"testing"
	"testing/synctest"

	"github.com/go-sql-driver/mysql"
)

func begin(t *testing.T, r *rig) *sql.Tx {
	t.Helper()
	r.start(t)
	tx, err := r.db.Begin()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tx.Exec("INSERT INTO note VALUES (1)"); err != nil {
		t.Fatal(err)
	}
	return tx
}

func TestCommitThatWasSentAndNotAnsweredIsUnknown(t *testing.T) {
	inBubble(t, Fast, func(t *testing.T, r *rig) {
		tx := begin(t, r)
		r.servers[0].freeze()
		err := tx.Commit() // a switch frees it
		if !errors.Is(err, ErrCommitUnknown) || errors.Is(err, ErrConnLost) {
			t.Errorf("got %v, want ErrCommitUnknown", err)
		}
		if !errors.Is(err, mysql.ErrInvalidConn) {
			t.Errorf("%v hides the driver's error", err)
		}
		if !slices.Contains(r.servers[0].statements(), "COMMIT") {
			t.Error("COMMIT had not been sent: the test proves nothing")
		}
		r.mustBe(t, StateSecondary, "db2.test")
	})
}

func TestCommitThatWasNotSentIsLost(t *testing.T) {
	inBubble(t, Fast, func(t *testing.T, r *rig) {
		tx := begin(t, r)
		if err := r.c.Switch(t.Context(), Secondary); err != nil {
			t.Fatal(err)
		}
		err := tx.Commit()
		if !errors.Is(err, ErrConnLost) || errors.Is(err, ErrCommitUnknown) {
			t.Errorf("got %v, want ErrConnLost", err)
		}
		synctest.Wait()
		for _, s := range r.servers {
			if slices.Contains(s.statements(), "COMMIT") {
				t.Errorf("%s got a COMMIT all the same", s.name)
			}
		}
	})
}

func TestCommitToAServerThatDiedIsLostOrUnknownButNeverNothing(t *testing.T) {
	inBubble(t, Fast, func(t *testing.T, r *rig) {
		tx := begin(t, r)
		r.servers[0].kill()
		synctest.Wait()
		err := tx.Commit()
		if !errors.Is(err, ErrConnLost) && !errors.Is(err, ErrCommitUnknown) {
			t.Errorf("got %v", err)
		}
	})
}

func TestCommitTheServerRefusedIsNeitherLostNorUnknown(t *testing.T) {
	for errno, unknown := range map[uint16]bool{1290: false, 1213: false, 1927: true, 1053: true, 1317: true, 1180: true, 1598: true} {
		inBubble(t, Fast, func(t *testing.T, r *rig) {
			tx := begin(t, r)
			r.servers[0].set(func(f *fake) { f.commit = errno })
			err := tx.Commit()
			if errors.Is(err, ErrCommitUnknown) != unknown || errors.Is(err, ErrConnLost) || !serverSaid(err, errno) {
				t.Errorf("%d: got %v", errno, err)
			}
		})
	}
}
