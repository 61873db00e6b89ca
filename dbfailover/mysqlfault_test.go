package dbfailover

import (
	"os"
	"testing"
)

// TestMySQLFaults plays the faults with MySQL's servers, as TestFaults does with MariaDB's;
// under the second profile only where DBFAILOVER_MYSQL=all is set, as "make chaos" does.
func TestMySQLFaults(t *testing.T) {
	t.Parallel()
	table := &faultTable{}
	t.Cleanup(func() { t.Log(table) })
	profiles := []Timers{Fast}
	if os.Getenv("DBFAILOVER_MYSQL") == "all" {
		profiles = append(profiles, Careful)
	}
	for _, a := range acts() {
		t.Run(a.name, func(t *testing.T) {
			t.Parallel()
			for _, timers := range profiles {
				t.Run(timers.String(), func(t *testing.T) {
					t.Parallel()
					a.play(t, timers, table)
				})
			}
		})
	}
}
