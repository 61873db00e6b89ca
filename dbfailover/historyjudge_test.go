package dbfailover

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/hipaakit/hipaakit/internal/testbed"
)

// settled waits until one server writes and the other one knows.
func (h *history) settled() (writer int, epoch uint64) {
	eventually(h.t, "one writer", func() bool {
		h.repair()
		writer, epoch = h.writer()
		return writer != 0
	})
	return writer, epoch
}

// writer returns the one server that writes, in the epoch that both know; or 0.
func (h *history) writer() (id int, epoch uint64) {
	a, b := h.look(h.t, "north", 1), h.look(h.t, "north", 2)
	if id = 1; a.locked {
		id = 2
	}
	if a.locked == b.locked || a.top.number != b.top.number || a.top.server != b.top.server || a.top.server != uint32(id) {
		return 0, 0
	}
	return id, a.top.number
}

// repair does what an administrator does about a taint: what the tail holds is noted,
// the schemas are copied from the writer at a known position, the taint is lifted.
func (h *history) repair() {
	for id := 1; id <= 2; id++ {
		if h.look(h.t, "north", id).tail == "" || h.look(h.t, "north", 3-id).locked {
			continue
		}
		bad, good := h.pair.Servers[id-1], h.pair.Servers[2-id]
		h.mend(h.t, mending{bad: bad, good: good, copy: func() []string { return h.copy(bad, good) }})
	}
}

// copy returns what loads the table of the good server, and notes what only the bad one has.
func (h *history) copy(bad, good *testbed.Server) []string {
	rows := h.dump(good)
	for text := range h.dump(bad) {
		if _, there := rows[text]; !there {
			h.lost[text] = true
		}
	}
	load := []string{"BEGIN", "DELETE FROM north.history"}
	var values []string
	for text, row := range rows {
		values = append(values, "('"+text+"', "+row+")")
	}
	for some := range slices.Chunk(values, 1000) {
		load = append(load, "INSERT INTO north.history VALUES "+strings.Join(some, ", "))
	}
	return append(load, "COMMIT")
}

func (h *history) dump(s *testbed.Server) map[string]string {
	rows, err := s.Root().Query("SELECT text, CONCAT(server, ', ''', at, '''') FROM north.history")
	must(h.t, err)
	defer rows.Close()
	found := map[string]string{}
	for rows.Next() {
		var text, rest string
		must(h.t, rows.Scan(&text, &rest))
		found[text] = rest
	}
	must(h.t, rows.Err())
	return found
}

// times: on the writer is no row that the other server wrote after an epoch had begun
// on this one, nor the other way round. When it began is in the table of its own server.
func (h *history) times(writer int) {
	opened := map[uint64]string{}
	for _, s := range h.pair.Servers {
		rows, err := s.Root().Query("SELECT number, at + INTERVAL 2000 MICROSECOND, server FROM hipaakit.epoch WHERE app='north' AND server=@@server_id")
		must(h.t, err)
		for rows.Next() {
			var number uint64
			var at, server string
			must(h.t, rows.Scan(&number, &at, &server))
			opened[number] = at + " " + server
		}
		must(h.t, rows.Close())
	}
	numbers := slices.Sorted(maps.Keys(opened))
	for i, number := range numbers {
		from, to := opened[number], "9999-01-01 00:00:00 0"
		if i+1 < len(numbers) {
			to = opened[numbers[i+1]]
		}
		query := "SELECT COUNT(*) FROM north.history WHERE server <> %s AND at > '%s' AND at < '%s'"
		wrong := count(h.t, h.pair.Servers[writer-1], fmt.Sprintf(query, from[strings.LastIndex(from, " "):],
			from[:strings.LastIndex(from, " ")], to[:strings.LastIndex(to, " ")]))
		if wrong > 0 {
			h.t.Errorf("epoch %d: %d rows were written on the other server", number, wrong)
		}
	}
}

// judge: acknowledged rows are with the writer or were in a tail; no row was written to
// a server after the next epoch had begun on the other one, unless it was in a tail.
func (h *history) judge(writer, faults int) {
	t, rows := h.t, h.dump(h.pair.Servers[writer-1])
	h.mu.Lock()
	defer h.mu.Unlock()
	inTails := 0
	for text := range h.acked {
		if _, there := rows[text]; there {
			continue
		}
		if inTails++; !h.lost[text] {
			t.Errorf("%q was acknowledged and is gone", text)
		}
	}
	var epochs int
	must(t, h.pair.Servers[writer-1].Root().QueryRow("SELECT MAX(number) FROM hipaakit.epoch WHERE app='north'").Scan(&epochs))
	h.times(writer)
	if h.semi && inTails > 0 {
		t.Errorf("%d rows were acknowledged under semi-sync and got into a tail", inTails)
	}
	t.Logf("%d faults, %d epochs, %d acknowledged, %d of them in tails", faults, epochs, len(h.acked), inTails)
	if len(h.acked) < 100 || epochs < 2 {
		t.Error("too little happened")
	}
}
