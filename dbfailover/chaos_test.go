package dbfailover

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"
)

// Random faults under a writing application, the whole connector in fake time.
// Every statement has a number of its own, so the servers' books tell whether one
// was sent twice, and where.
func TestRandomFaultsNeverSendAStatementTwice(t *testing.T) {
	for seed := range uint64(2) {
		for _, timers := range []Timers{Careful, Fast} {
			inBubble(t, timers, func(t *testing.T, r *rig) {
				r.start(t)
				c := &chaos{rig: r, rng: rand.New(rand.NewPCG(seed, 2)), acked: map[string]bool{}}
				c.run(t)
				if t.Failed() {
					t.Fatalf("seed %d, %v", seed, timers)
				}
			})
		}
	}
}

type chaos struct {
	*rig
	rng *rand.Rand

	mu    sync.Mutex
	acked map[string]bool
}

func (c *chaos) run(t *testing.T) {
	var work sync.WaitGroup
	for writer := range 4 {
		work.Go(func() { c.write(writer) })
	}
	for range 40 {
		time.Sleep(time.Duration(c.rng.IntN(900)) * time.Millisecond)
		server := c.servers[c.rng.IntN(2)]
		switch c.rng.IntN(5) {
		case 0:
			server.kill()
		case 1:
			server.freeze()
		case 2, 3:
			server.restart()
		case 4:
			_ = c.c.Switch(t.Context(), Role(c.rng.IntN(2)))
		}
	}
	for _, server := range c.servers {
		server.restart()
	}
	work.Wait()
	c.judge(t)
	c.mustBe(t, home(c.c.Status().Active), "") // and all is well again
}

func (c *chaos) write(writer int) {
	for i := range 200 {
		statement := fmt.Sprintf("INSERT %d-%d", writer, i)
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		_, err := c.db.ExecContext(ctx, statement)
		cancel()
		c.mu.Lock()
		c.acked[statement] = err == nil
		c.mu.Unlock()
		time.Sleep(137 * time.Millisecond)
	}
}

func (c *chaos) judge(t *testing.T) {
	arrived := map[string]int{}
	for _, server := range c.servers {
		for _, statement := range server.statements() {
			if strings.HasPrefix(statement, "INSERT") {
				arrived[statement]++
			}
		}
	}
	good := 0
	for statement, acked := range c.acked {
		if acked {
			good++
		}
		if n := arrived[statement]; n > 1 || acked && n != 1 {
			t.Errorf("%s arrived %d times (acknowledged: %v)", statement, n, acked)
		}
	}
	if good < len(c.acked)/4 || len(c.c.Status().Recent) < 3 {
		t.Errorf("only %d of %d acknowledged, transitions %v: too little happened", good, len(c.acked), c.c.Status().Recent)
	}
}
