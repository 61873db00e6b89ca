package dbfailover

import (
	"flag"
	"os"
	"testing"
)

// beside is how many tests with servers of their own run at a time. They wait far more
// than they compute (for processes, locks and timers), so the number of processors,
// the default, would leave those idle.
const beside = "4"

func TestMain(m *testing.M) {
	flag.Parse()
	chosen := false
	flag.Visit(func(f *flag.Flag) { chosen = chosen || f.Name == "test.parallel" })
	if !chosen {
		if err := flag.Set("test.parallel", beside); err != nil {
			panic(err)
		}
	}
	os.Exit(m.Run())
}
