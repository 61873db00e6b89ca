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
	case StateDown:
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
