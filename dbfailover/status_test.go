package dbfailover

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

func TestEveryTransitionIsLoggedOnceCountedAndListed(t *testing.T) {
	inBubble(t, Fast, func(t *testing.T, r *rig) {
		r.start(t)
		r.servers[0].kill()
		time.Sleep(time.Second)
		r.servers[0].restart()
		time.Sleep(time.Second)
		if err := r.c.Switch(t.Context(), Primary); err != nil {
			t.Fatal(err)
		}
		s := r.c.Status()
		want := []string{"INIT PRIMARY 1", "PRIMARY SUSPECT 1", "SUSPECT SECONDARY 2", "SECONDARY PRIMARY 3"}
		if len(s.Recent) != len(want) {
			t.Fatalf("transitions %+v", s.Recent)
		}
		entered := map[State]uint64{StateInit: 1}
		for i, tr := range s.Recent {
			if got := fmt.Sprint(tr.From, " ", tr.To, " ", tr.Epoch); got != want[i] {
				t.Errorf("transition %d: %s, want %s", i, got, want[i])
			}
			line := fmt.Sprintf("from=%v to=%v active=%v epoch=%d", tr.From, tr.To, tr.Active, tr.Epoch)
			if n := strings.Count(r.log.String(), line); n != 1 || tr.Reason == "" {
				t.Errorf("%q was logged %d times, for the reason %q", line, n, tr.Reason)
			}
			entered[tr.To]++
		}
		for state, n := range entered {
			if s.Entered[state] != n {
				t.Errorf("%v entered %d times, want %d", state, s.Entered[state], n)
			}
		}
	})
}

// A handler that looks at the status while it logs must not wait for itself.
func TestLogHandlerMayAskForTheStatus(t *testing.T) {
	inBubble(t, Fast, func(t *testing.T, r *rig) {
		var connector atomic.Pointer[Connector]
		var asked atomic.Int32
		r.config.Logger = slog.New(slog.NewTextHandler(writer(func(b []byte) (int, error) {
			if c := connector.Load(); c != nil {
				asked.Add(1)
				_ = c.Status()
			}
			return len(b), nil
		}), nil))
		r.start(t)
		connector.Store(r.c)
		r.servers[0].kill()
		time.Sleep(time.Second)
		r.mustBe(t, StateSecondary, "db2.test")
		if asked.Load() == 0 {
			t.Error("nothing was logged")
		}
	})
}

type writer func([]byte) (int, error)

func (w writer) Write(b []byte) (int, error) { return w(b) }

func TestStatusReadsWellAsJSON(t *testing.T) {
	inBubble(t, Careful, func(t *testing.T, r *rig) {
		r.start(t)
		r.mustBe(t, StatePrimary, "db1.test")
		data, err := json.Marshal(r.c.Status())
		if err != nil {
			t.Fatal(err)
		}
		for _, part := range []string{
			`"State":"PRIMARY"`, `"Active":"primary"`, `"Epoch":1`, `"Topology":"independent"`, `"Timers":"careful"`,
			`"Addr":"db2.test:3306","Health":"ok"`, `"Entered":{"INIT":1,"PRIMARY":1}`, `"Connections":1`,
		} {
			if !strings.Contains(string(data), part) {
				t.Errorf("%s is missing in %s", part, data)
			}
		}
	})
}
