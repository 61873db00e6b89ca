package dbfailover

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"database/sql"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/hipaakit/hipaakit/internal/testbed"
)

// Web nodes as processes of their own under random faults, each writing numbered rows
// of what it did. DBFAILOVER_CHAOS says for how long (default 1m), DBFAILOVER_SEED which
// faults; the seed is logged.

// recruit is what a child process has to know.
type recruit struct {
	Node, Folder, CA string
	Servers          [2]Server
	App              string
	Seed             uint64
	Timers           Timers
}

const recruitVar = "DBFAILOVER_CHAOS_NODE"

// TestHistoryNode is the child process, not a test.
func TestHistoryNode(t *testing.T) {
	var r recruit
	if err := json.Unmarshal([]byte(os.Getenv(recruitVar)), &r); err != nil {
		t.Skip("runs as a child of TestHistoryOfProcessesUnderRandomFaults alone")
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM([]byte(r.CA))
	c, err := New(Config{
		Primary: r.Servers[0], Secondary: r.Servers[1], Database: r.App, Topology: Replicated, Timers: r.Timers,
		TLS: &tls.Config{RootCAs: roots}, Credentials: login(r.App + "_app"), Logger: slog.New(slog.NewTextHandler(os.Stderr, nil)),
		App: App{Name: r.App, User: r.App + "_app", Schemas: []string{r.App, r.App + "_log"}, Node: r.Node, Folder: r.Folder, Monitor: login(r.App + "_mon")},
	})
	if err != nil {
		fmt.Fprintln(os.Stderr, err) // which the parent keeps
		t.Fatal(err)
	}
	db := sql.OpenDB(c)
	// The pipe ends with the parent.
	go func() { _, _ = io.Copy(io.Discard, os.Stdin); os.Exit(0) }()
	rng := rand.New(rand.NewPCG(r.Seed, uint64(time.Now().UnixNano())))
	for i := 0; ; i++ {
		if rng.IntN(400) == 0 {
			to := Role(rng.IntN(2))
			go func() { _ = c.Switch(context.Background(), to) }()
		}
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		text := fmt.Sprintf("%s-%d-%d", r.Node, os.Getpid(), i)
		_, err := db.ExecContext(ctx, "INSERT INTO history (text, server, at) VALUES (?, @@server_id, NOW(6))", text)
		cancel()
		if err == nil {
			fmt.Println("ok", text)
		}
		time.Sleep(time.Duration(rng.IntN(10)) * time.Millisecond)
	}
}

// history is the parent's side.
type history struct {
	*duo
	t      *testing.T
	length time.Duration
	semi   bool // semi-sync is active when a fault begins, and Careful needs longer ones
	rng    *rand.Rand
	nodes  []*historyNode

	mu    sync.Mutex
	acked map[string]bool
	lost  map[string]bool // rows of tails, before they were repaired
}

type historyNode struct {
	recruit
	paths [2]*testbed.Proxy
	cmd   *exec.Cmd
	stdin io.WriteCloser
	work  sync.WaitGroup
	log   logBook // of all its processes
}

func TestHistoryOfProcessesUnderRandomFaults(t *testing.T) {
	t.Parallel()
	newHistory(t, Fast, testbed.Options{}).run()
}

// TestHistoryUnderSemiSyncLosesNothing demands what cannot be demanded of asynchronous
// replication: no acknowledged row is ever in a tail, if semi-sync was active when the
// fault began. With Fast a node that has lost its path promotes the other server before
// anybody can veto, and what others write in that moment is acknowledged by a relay log
// whose rows are passed over; so Careful.
func TestHistoryUnderSemiSyncLosesNothing(t *testing.T) {
	t.Parallel()
	h := newHistory(t, Careful, testbed.Options{SemiSync: true})
	h.semi = true
	h.run()
}

// newHistory reads from the environment how long and with which faults.
func newHistory(t *testing.T, timers Timers, o testbed.Options) *history {
	length, seed := time.Minute, uint64(time.Now().UnixNano())
	if d, err := time.ParseDuration(os.Getenv("DBFAILOVER_CHAOS")); err == nil {
		length = d
	}
	if n, err := strconv.ParseUint(os.Getenv("DBFAILOVER_SEED"), 10, 64); err == nil {
		seed = n
	}
	t.Logf("seed %d, for %v", seed, length)
	h := &history{duo: newDuo(t, o), t: t, length: length, rng: rand.New(rand.NewPCG(seed, 1)), acked: map[string]bool{}, lost: map[string]bool{}}
	h.pair.Servers[0].SQL("CREATE TABLE north.history (text VARCHAR(99) PRIMARY KEY, server INT, at TIMESTAMP(6) NOT NULL)")
	h.pair.Servers[1].AwaitCaughtUp(h.pair.Servers[0])
	for i := range 4 {
		h.nodes = append(h.nodes, h.enlist(fmt.Sprintf("p%d", i), seed+uint64(i), timers))
	}
	return h
}

// respite is after how many faults the pair must come to one writer by itself: a state
// without a way out would otherwise be covered up by the next fault.
const respite = 8

func (h *history) run() {
	defer h.end()
	faults := 0
	for end := time.Now().Add(h.length); time.Now().Before(end); faults++ {
		time.Sleep(time.Duration(h.rng.IntN(1500)) * time.Millisecond)
		if h.semi {
			h.protected()
		}
		h.disturb()
		if faults%respite == respite-1 {
			h.settled()
		}
	}
	h.heal()
	h.judge(h.rest(), faults)
}

// rest ends all nodes while one server writes, and returns which. On a machine that is too
// busy for Fast a node may have moved a moment before its end.
func (h *history) rest() (writer int) {
	for {
		writer, number := h.settled()
		for _, n := range h.nodes {
			n.dismiss()
		}
		time.Sleep(time.Second) // what they have begun comes to an end
		if now, still := h.writer(); still == number && now == writer {
			return writer
		}
		for _, n := range h.nodes {
			h.muster(n)
		}
	}
}

// end says what is known, if it failed.
func (h *history) end() {
	for _, n := range h.nodes {
		n.dismiss()
		if h.t.Failed() {
			h.t.Logf("log of %s:\n%s", n.Node, &n.log)
		}
	}
	for id := 1; id <= 2 && h.t.Failed(); id++ {
		h.t.Logf("server %d: %+v", id, h.look(h.t, "north", id))
	}
}

// protected waits until each acknowledged row is on both servers, and each new one will be.
func (h *history) protected() {
	eventually(h.t, "semi-sync is active again", func() bool {
		h.repair()
		writer := h.look(h.t, "north", 1)
		other := h.look(h.t, "north", 2)
		if writer.locked {
			writer, other = other, writer
		}
		return !writer.locked && other.locked && writer.semiSync && !writer.quarantined && !other.quarantined &&
			other.top.number == writer.top.number && other.feed.receiving && other.feed.applying
	})
}

func (h *history) enlist(name string, seed uint64, timers Timers) *historyNode {
	n := &historyNode{recruit: recruit{
		Node: name, Folder: h.t.TempDir(), CA: string(h.pair.Authority.PEM), App: "north", Seed: seed, Timers: timers,
	}}
	for i, s := range h.pair.Servers {
		n.paths[i] = testbed.NewProxy(h.t, s.Addr)
		n.Servers[i] = Server{Addr: n.paths[i].Addr, ServerName: s.Name}
	}
	h.muster(n)
	return n
}

// muster starts the process.
func (h *history) muster(n *historyNode) {
	text, err := json.Marshal(n.recruit)
	must(h.t, err)
	n.cmd = exec.Command(os.Args[0], "-test.run=^TestHistoryNode$", "-test.timeout=0")
	n.cmd.Env = append(os.Environ(), recruitVar+"="+string(text))
	n.stdin, err = n.cmd.StdinPipe()
	must(h.t, err)
	out, err := n.cmd.StdoutPipe()
	must(h.t, err)
	n.cmd.Stderr = &n.log
	must(h.t, n.cmd.Start())
	n.work.Go(func() {
		for lines := bufio.NewScanner(out); lines.Scan(); {
			if text, ok := strings.CutPrefix(lines.Text(), "ok "); ok {
				h.mu.Lock()
				h.acked[text] = true
				h.mu.Unlock()
			}
		}
	})
}

// dismiss ends the process and has read all that it said.
func (n *historyNode) dismiss() {
	_ = n.cmd.Process.Signal(syscall.SIGCONT)
	_ = n.cmd.Process.Kill()
	n.work.Wait()
	_ = n.cmd.Wait()
	_ = n.stdin.Close()
}

func (h *history) disturb() {
	s, n := h.pair.Servers[h.rng.IntN(2)], h.nodes[h.rng.IntN(len(h.nodes))]
	path := n.paths[h.rng.IntN(2)]
	hold := time.Duration(h.rng.IntN(2000)) * time.Millisecond
	if h.semi && hold > time.Second {
		hold *= 4 // a second or less is ridden out, more than four lead to a failover
	}
	kind := h.rng.IntN(7)
	h.t.Logf("%s fault %d, server %d, %s, for %v", time.Now().UTC().Format("15:04:05.000"), kind, s.ID, n.Node, hold)
	switch kind {
	case 0:
		s.Kill()
		time.Sleep(hold)
		s.Start()
	case 1:
		s.Pause()
		time.Sleep(hold)
		s.Resume()
	case 2:
		path.Blackhole()
		time.Sleep(hold)
		path.Heal()
	case 3:
		path.Cut()
		time.Sleep(hold)
		path.Heal()
	case 4:
		feed := h.pair.Feeds[h.rng.IntN(2)]
		feed.Cut()
		time.Sleep(hold / 4)
		feed.Heal()
	case 5:
		n.dismiss()
		h.muster(n)
	case 6:
		_ = n.cmd.Process.Signal(syscall.SIGSTOP)
		time.Sleep(hold)
		_ = n.cmd.Process.Signal(syscall.SIGCONT)
	}
	h.repair()
}

func (h *history) heal() {
	for _, n := range h.nodes {
		n.paths[0].Heal()
		n.paths[1].Heal()
	}
}
