package dbfailover

import (
	"fmt"
	"html/template"
	"strconv"
	"time"
)

// view is a [Page] in the words of the HTML page.
type view struct {
	Page
	Style   template.CSS
	Title   string
	Tone    string // good, warn or bad: the colour beside the word, never in its place
	For     string // how long the state has lasted
	Refresh int
	Rows    []viewRow
	Moves   []viewMove // newest first
	Counts  []viewCount
}

// viewRow is one line of the servers' table.
type viewRow struct {
	Name  string
	Cells [2]viewCell // by Role
}

type viewCell struct{ Text, Tone string }

type viewMove struct {
	Transition
	Tone, Ago string
}

type viewCount struct {
	State State
	Times uint64
}

func newView(p Page, refresh int) view {
	v := view{
		Page: p, Style: template.CSS(pageCSS), Refresh: refresh, Tone: tone(p.State), For: ago(p.Now, p.Since),
		Title: p.State.String() + " - " + p.App,
	}
	if p.App == "" {
		v.Title = p.State.String() + " - database"
	}
	for i := range p.Recent {
		t := p.Recent[len(p.Recent)-1-i]
		v.Moves = append(v.Moves, viewMove{Transition: t, Tone: tone(t.To), Ago: before(p.Now, t.At)})
	}
	for s := StateInit; s <= StateFrozen; s++ {
		if n := p.Entered[s]; n > 0 {
			v.Counts = append(v.Counts, viewCount{s, n})
		}
	}
	v.Rows = rows(p)
	return v
}

// rows has a line for each thing that one server shows and the other may not.
func rows(p Page) []viewRow {
	lines := []struct {
		name string
		cell func(ServerStatus) viewCell
	}{
		{"Address", func(s ServerStatus) viewCell { return viewCell{Text: s.Addr} }},
		{"In use", func(s ServerStatus) viewCell { return viewCell{Text: yes(s.Role == p.Active && p.State.serving())} }},
		{"Check", func(s ServerStatus) viewCell { return checkCell(s) }},
		{"Checked", func(s ServerStatus) viewCell { return viewCell{Text: before(p.Now, s.Checked)} }},
		{"Took", func(s ServerStatus) viewCell { return viewCell{Text: took(s)} }},
		{"Failed in a row", func(s ServerStatus) viewCell { return viewCell{Text: strconv.Itoa(s.Failures)} }},
		{"Sessions open", func(s ServerStatus) viewCell { return viewCell{Text: strconv.Itoa(s.Connections)} }},
		{"read_only", func(s ServerStatus) viewCell { return viewCell{Text: yes(s.ReadOnly)} }},
	}
	var all []viewRow
	for _, l := range lines {
		all = append(all, viewRow{l.name, [2]viewCell{l.cell(p.Servers[Primary]), l.cell(p.Servers[Secondary])}})
	}
	return append(all, replicationRows(p.Servers)...)
}

// replicationRows are there once either server has shown any of it.
func replicationRows(servers [2]ServerStatus) (all []viewRow) {
	if servers[Primary].Replication == nil && servers[Secondary].Replication == nil {
		return nil
	}
	for _, l := range []struct {
		name string
		cell func(*Replication) viewCell
	}{
		{"Server id", func(r *Replication) viewCell { return viewCell{Text: strconv.FormatUint(uint64(r.ServerID), 10)} }},
		{"Epoch", func(r *Replication) viewCell {
			return viewCell{Text: fmt.Sprintf("%d on server %d", r.Epoch, r.EpochServer)}
		}},
		{"Account", func(r *Replication) viewCell {
			if r.Locked {
				return viewCell{Text: "locked"}
			}
			return viewCell{Text: "open"}
		}},
		{"Receiving", func(r *Replication) viewCell { return runs(r.Receiving, 0) }},
		{"Applying", func(r *Replication) viewCell { return runs(r.Applying, r.Error) }},
		{"Lag", func(r *Replication) viewCell { return lag(r.Lag) }},
		{"Quarantined", func(r *Replication) viewCell { return alarming(yes(r.Quarantined), r.Quarantined) }},
		{"Tail", func(r *Replication) viewCell {
			if r.Tail == "" {
				return viewCell{Text: "none"}
			}
			return viewCell{r.Tail, "bad"}
		}},
		{"Position", func(r *Replication) viewCell { return viewCell{Text: r.Position} }},
	} {
		row := viewRow{Name: l.name}
		for role, s := range servers {
			row.Cells[role] = viewCell{Text: "not read yet"}
			if s.Replication != nil {
				row.Cells[role] = l.cell(s.Replication)
			}
		}
		all = append(all, row)
	}
	return all
}

func checkCell(s ServerStatus) viewCell {
	c := viewCell{Text: s.Health.String(), Tone: "bad"}
	switch s.Health {
	case HealthOK:
		return viewCell{c.Text, "good"}
	case HealthUnknown:
		c.Tone = "warn"
	}
	if s.Reason != "" {
		c.Text += ": " + s.Reason
	}
	return c
}

func runs(is bool, errno int) viewCell {
	switch {
	case is:
		return viewCell{"yes", "good"}
	case errno != 0:
		return viewCell{fmt.Sprintf("no: error %d", errno), "bad"}
	}
	return viewCell{"no", "bad"}
}

func lag(seconds int) viewCell {
	if seconds < 0 {
		return viewCell{"unknown", "warn"}
	}
	return alarming(fmt.Sprintf("%d s", seconds), seconds > 0)
}

func alarming(text string, is bool) viewCell {
	if is {
		return viewCell{text, "warn"}
	}
	return viewCell{Text: text}
}

func tone(s State) string {
	switch s {
	case StatePrimary:
		return "good"
	case StateDown, StateFrozen:
		return "bad"
	}
	return "warn"
}

func yes(is bool) string {
	if is {
		return "yes"
	}
	return "no"
}

func took(s ServerStatus) string {
	if s.Checked.IsZero() {
		return "never"
	}
	return fmt.Sprintf("%.1f ms", float64(s.RoundTrip)/float64(time.Millisecond))
}

// before is when something happened, in such words.
func before(now, then time.Time) string {
	if then.IsZero() {
		return "never"
	}
	return ago(now, then) + " ago"
}

// ago is how long that is, as a person says it. The wall clock may have been set back.
func ago(now, then time.Time) string {
	d := max(0, now.Sub(then))
	switch {
	case then.IsZero():
		return "never"
	case d < time.Minute:
		return fmt.Sprintf("%.1f s", d.Seconds())
	case d < time.Hour:
		return fmt.Sprintf("%d min", d/time.Minute)
	case d < 48*time.Hour:
		return fmt.Sprintf("%d h", d/time.Hour)
	}
	return fmt.Sprintf("%d days", d/(24*time.Hour))
}
