package dbfailover

import "fmt"

// Health is what the last check of a server says.
type Health uint8

const (
	// HealthUnknown: not checked yet, or the check says nothing about the server:
	// the credentials callback failed, a name was not resolved, this process was
	// paused. It counts neither for nor against the server.
	HealthUnknown Health = iota
	// HealthOK: logged in over verified TLS and answered a query in time.
	HealthOK
	// HealthRefusing: something answered there, and refused us: too many
	// connections, a wrong password, a certificate that does not verify. Never a
	// reason to switch: the server is alive, and the other one would be flooded,
	// refuse the same password or hide an attack.
	HealthRefusing
	// HealthDead: refused, reset, unreachable, closed or silent.
	HealthDead
)

// String returns "unknown", "ok", "refusing" or "dead".
func (h Health) String() string {
	switch h {
	case HealthUnknown:
		return "unknown"
	case HealthOK:
		return "ok"
	case HealthRefusing:
		return "refusing"
	case HealthDead:
		return "dead"
	}
	return fmt.Sprintf("health(%d)", uint8(h))
}

// MarshalText makes a Health readable in JSON and logs.
func (h Health) MarshalText() ([]byte, error) { return []byte(h.String()), nil }

// alive is true of a server that somebody answers for.
func (h Health) alive() bool { return h == HealthOK || h == HealthRefusing }
