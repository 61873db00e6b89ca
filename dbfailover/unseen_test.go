package dbfailover

import (
	"strings"
	"testing"

	"github.com/hipaakit/hipaakit/internal/testbed"
)

// A server whose performance_schema has been made small: a thread that had no room there is
// in the other list alone, and goes by the definer's name there while it calls a routine.
func TestMySQLFenceCountsThreadsThatPerformanceSchemaLacks(t *testing.T) {
	for name, line := range map[string]string{
		"performance_schema_max_thread_instances": "performance-schema-max-thread-instances=40",
		"performance_schema_max_thread_classes":   "performance-schema-max-thread-classes=0",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newDuo(t, testbed.Options{})
			d.tables(t)
			one := d.pair.Servers[0]
			one.SQL("CREATE DEFINER=root@localhost PROCEDURE north.slow() BEGIN DO SLEEP(1.5); DO SLEEP(1.5); INSERT INTO north.note (text) VALUES ('late'); END")
			one.Stop()
			one.Configure(line)
			one.Start()
			s := d.station(t, "north", 1)
			must(t, s.unfence(t.Context(), 1))
			if list, err := s.refusals(t.Context()); err != nil || len(list) != 1 || !strings.Contains(list[0], name) {
				t.Errorf("what New says of it: %q, %v", list, err)
			}
			app := d.direct(t, "north", 1)
			for range 30 { // idle: their names can be believed
				c, err := app.Conn(t.Context())
				must(t, err)
				defer c.Close()
			}
			done := make(chan error)
			go func() {
				_, err := app.Exec("CALL slow()")
				done <- err
			}()
			eventually(t, "it runs", func() bool {
				return count(t, one, "SELECT COUNT(*) FROM information_schema.PROCESSLIST WHERE INFO LIKE 'DO SLEEP%'") == 1
			})
			left, _, err := s.lock(t.Context(), 1)
			must(t, err)
			late := <-done == nil
			if left == 0 && late {
				t.Error("nobody was left, and then a row was committed")
			}
			if !late {
				t.Error("the scene was not set: the call was found")
			}
			eventually(t, "nobody is left in the end", func() bool {
				left, _, err := s.lock(t.Context(), 1)
				must(t, err)
				return left == 0
			})
		})
	}
}
