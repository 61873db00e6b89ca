package dbfailover

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// metrics writes a [Page] in Prometheus' text format 0.0.4 (prometheus.io,
// "Exposition formats"), with names as OpenMetrics 1.0 wants them: base units at the
// end, _total behind counters alone. Labels take few values, all known beforehand, but
// for the names of application and node in dbfailover_info: reasons are for the page.
type metrics struct {
	b    *bytes.Buffer
	name string // of the family that is being written
}

func writeMetrics(b *bytes.Buffer, p Page) {
	m := metrics{b: b}
	m.family("info", "gauge", "What this connector was configured as.")
	m.sample(1, "topology", p.Topology, "timers", p.Timers, "app", p.App, "node", p.Node)
	m.state(p)
	m.servers(p)
	m.replication(p)
	m.pool(p)
}

// family begins a metric; its samples follow at once, as the format demands.
func (m *metrics) family(name, kind, help string) {
	m.name = "dbfailover_" + name
	fmt.Fprintf(m.b, "# HELP %s %s\n# TYPE %s %s\n", m.name, help, m.name, kind)
}

var labelEscapes = strings.NewReplacer(`\`, `\\`, "\n", `\n`, `"`, `\"`)

// sample writes one value with pairs of label names and values.
func (m *metrics) sample(value float64, labels ...string) {
	m.b.WriteString(m.name)
	for i := 0; i+1 < len(labels); i += 2 {
		open := byte(',')
		if i == 0 {
			open = '{'
		}
		m.b.WriteByte(open)
		m.b.WriteString(labels[i] + `="` + labelEscapes.Replace(labels[i+1]) + `"`)
	}
	if len(labels) > 0 {
		m.b.WriteByte('}')
	}
	m.b.WriteString(" " + strconv.FormatFloat(value, 'g', -1, 64) + "\n")
}

func (m *metrics) gauge(name, help string, value float64) {
	m.family(name, "gauge", help)
	m.sample(value)
}

func (m *metrics) state(p Page) {
	m.family("state", "gauge", "1 for the state the connector is in, 0 for the others.")
	for s := StateInit; s <= StateFrozen; s++ {
		m.sample(truth(s == p.State), "state", s.String())
	}
	m.gauge("state_entered_timestamp_seconds", "When the state was entered, Unix time.", stamp(p.Since))
	m.family("transitions_total", "counter", "How often a state was entered.")
	for s := StateInit; s <= StateFrozen; s++ {
		m.sample(float64(p.Entered[s]), "to", s.String())
	}
	m.gauge("epoch", "The epoch of the server in use.", float64(p.Epoch))
	m.gauge("vetoed", "1 if other web nodes reach the server that this one has lost.", truth(p.Vetoed))
	m.gauge("rpo_zero", "1 while semi-synchronous replication has acknowledged writes on both servers.", truth(p.RPOZero))
	m.gauge("alarms", "How many things somebody has to look at; the page says which.", float64(len(p.Alarms)))
}

func (m *metrics) servers(p Page) {
	m.each(p, "server_active", "1 for the server in use.", func(s ServerStatus) (float64, bool) {
		return truth(s.Role == p.Active), true
	})
	m.family("server_health", "gauge", "1 for what the last check says of the server, 0 for the rest.")
	for role, s := range p.Servers {
		for h := HealthUnknown; h <= HealthDead; h++ {
			m.sample(truth(h == s.Health), "server", Role(role).String(), "health", h.String())
		}
	}
	m.each(p, "server_check_failures", "Failed checks in a row.", func(s ServerStatus) (float64, bool) {
		return float64(s.Failures), true
	})
	m.each(p, "server_checked_timestamp_seconds", "When the last check ended, Unix time.", func(s ServerStatus) (float64, bool) {
		return stamp(s.Checked), !s.Checked.IsZero()
	})
	m.each(p, "server_check_duration_seconds", "What the last check took.", func(s ServerStatus) (float64, bool) {
		return s.RoundTrip.Seconds(), !s.Checked.IsZero()
	})
	m.each(p, "server_read_only", "The server's read_only variable.", func(s ServerStatus) (float64, bool) {
		return truth(s.ReadOnly), true
	})
	m.each(p, "server_connections", "Connections that the application has open.", func(s ServerStatus) (float64, bool) {
		return float64(s.Connections), true
	})
}

// each writes one gauge with a sample for each server that has a value.
func (m *metrics) each(p Page, name, help string, value func(ServerStatus) (float64, bool)) {
	m.family(name, "gauge", help)
	for role, s := range p.Servers {
		if v, ok := value(s); ok {
			m.sample(v, "server", Role(role).String())
		}
	}
}

func (m *metrics) replication(p Page) {
	if p.Servers[Primary].Replication == nil && p.Servers[Secondary].Replication == nil {
		return
	}
	for _, g := range []struct {
		name, help string
		value      func(*Replication) (float64, bool)
	}{
		{"epoch", "The highest epoch that the server has recorded.", func(r *Replication) (float64, bool) { return float64(r.Epoch), true }},
		{"account_locked", "1 if the application is locked out.", func(r *Replication) (float64, bool) { return truth(r.Locked), true }},
		{"receiving", "1 if the server receives from the other one.", func(r *Replication) (float64, bool) { return truth(r.Receiving), true }},
		{"applying", "1 if the server applies what it received.", func(r *Replication) (float64, bool) { return truth(r.Applying), true }},
		{"lag_seconds", "How far it is behind; missing while unknown.", func(r *Replication) (float64, bool) { return float64(r.Lag), r.Lag >= 0 }},
		{"error_code", "Error that stopped applying, 0 for none.", func(r *Replication) (float64, bool) { return float64(r.Error), true }},
		{"quarantined", "1 if it takes over no writes of the application.", func(r *Replication) (float64, bool) { return truth(r.Quarantined), true }},
		{"tainted", "1 if it has writes that the other one never got.", func(r *Replication) (float64, bool) { return truth(r.Tail != ""), true }},
	} {
		m.each(p, "replication_"+g.name, g.help, func(s ServerStatus) (float64, bool) {
			if s.Replication == nil {
				return 0, false
			}
			return g.value(s.Replication)
		})
	}
}

func (m *metrics) pool(p Page) {
	if p.Pool == nil {
		return
	}
	m.gauge("pool_in_use_connections", "Connections of the pool in use.", float64(p.Pool.InUse))
	m.gauge("pool_idle_connections", "Connections of the pool that wait for work.", float64(p.Pool.Idle))
	m.gauge("pool_max_open_connections", "The pool's limit, 0 for none.", float64(p.Pool.MaxOpenConnections))
	m.family("pool_waits_total", "counter", "How often work waited for a connection.")
	m.sample(float64(p.Pool.WaitCount))
	m.family("pool_wait_seconds_total", "counter", "How long work waited for connections.")
	m.sample(p.Pool.WaitDuration.Seconds())
}

func truth(is bool) float64 {
	if is {
		return 1
	}
	return 0
}

// stamp is Unix time to the millisecond. A float64 of nanoseconds would not be exact.
func stamp(t time.Time) float64 {
	if t.IsZero() {
		return 0
	}
	return float64(t.UnixMilli()) / 1000
}
