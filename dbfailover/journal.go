package dbfailover

import (
	"context"
	"log/slog"
)

// entry is one line that is still to be logged.
type entry struct {
	level slog.Level
	text  string
	attrs []any
}

func transitionEntry(t Transition) entry {
	level := slog.LevelWarn
	switch t.To {
	case StatePrimary:
		level = slog.LevelInfo
	case StateDown, StateFrozen:
		level = slog.LevelError
	}
	return entry{level, "dbfailover: state changed", []any{
		"from", t.From.String(), "to", t.To.String(), "active", t.Active.String(),
		"epoch", t.Epoch, "reason", t.Reason,
	}}
}

func healthEntry(r Role, h checked) entry {
	level := slog.LevelWarn
	switch h.health {
	case HealthOK:
		level = slog.LevelInfo
	case HealthRefusing:
		// A wrong password or certificate mends itself for nobody.
		level = slog.LevelError
	}
	return entry{level, "dbfailover: check changed", []any{
		"server", r.String(), "health", h.health.String(), "reason", h.reason,
	}}
}

func forgetEntry() entry {
	return entry{slog.LevelError, "dbfailover: the epoch could not be kept on disk", nil}
}

func wrongEntry(r Role, what string) entry {
	return entry{slog.LevelError, "dbfailover: the account cannot be fenced", []any{"server", r.String(), "reason", what}}
}

// note logs what became of a task; c.mu is held.
func (c *Connector) note(t *task, o outcome) {
	e := entry{slog.LevelInfo, "dbfailover: task done", []any{
		"task", t.kind.String(), "server", t.to.String(), "epoch", t.epoch.number,
	}}
	if o.err != nil {
		_, reason := judge(o.err)
		if n := c.replicated.pair.trials; n.of(t.kind, t.to) > 0 && n.reason(t.kind, t.to) == reason {
			return // said already; Status has the number
		}
		e.level, e.text = slog.LevelWarn, "dbfailover: task failed"
		e.attrs = append(e.attrs, "reason", reason)
	}
	c.pending = append(c.pending, e)
}

// flush logs what is pending, in order, without c.mu: a handler may be slow, or
// ask for Status.
func (c *Connector) flush() {
	c.logging.Lock()
	defer c.logging.Unlock()
	c.mu.Lock()
	entries := c.pending
	c.pending = nil
	c.mu.Unlock()
	for _, e := range entries {
		c.log.Log(context.Background(), e.level, e.text, e.attrs...)
	}
}
