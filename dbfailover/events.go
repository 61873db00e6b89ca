package dbfailover

import (
	"context"
	"slices"
	"strconv"
	"strings"
)

// event is one row of SHOW BINLOG EVENTS or SHOW RELAYLOG EVENTS.
type event struct {
	file, pos string
	kind      string
	server    uint32
	info      string
}

// events reads a log, as far as take wants.
func events(ctx context.Context, conn driverConn, query string, take func(event) bool) error {
	_, err := each(ctx, conn, query, nil, func(row []string) bool {
		if len(row) < 6 {
			return false
		}
		server, _ := strconv.ParseUint(row[3], 10, 32)
		return take(event{file: row[0], pos: row[1], kind: row[2], server: uint32(server), info: row[5]})
	})
	return err
}

// touches reports whether the event changes one of the schemas. Rows name their
// table in the event before them; statements are searched for the schema's name, as
// the default one or anywhere: rather one too many than one too few.
func (e event) touches(schemas []string) bool {
	switch e.kind {
	case "Table_map":
		_, name, _ := strings.Cut(e.info, "(")
		schema, _, _ := strings.Cut(name, ".")
		return slices.Contains(schemas, schema)
	case "Query", "Query_compressed", "Execute_load_query":
		// Canaries and gates name the application, which may be called as its schema.
		if strings.HasPrefix(e.info, "use `"+controlSchema+"`;") {
			return false
		}
		return slices.ContainsFunc(schemas, func(s string) bool { return mentions(e.info, s) })
	}
	return false
}

// ends reports whether the event is the last of its transaction.
func (e event) ends() bool {
	return e.kind == "Xid" || e.kind == "XA_prepare" || e.kind == "Query" && (e.info == "COMMIT" || e.info == "ROLLBACK")
}

// gtidOf returns the transaction's name, if the event is where one begins.
func gtidOf(e event) (name string, ok bool) {
	switch e.kind {
	case "Gtid", "Gtid_tagged_log_event":
	default:
		return "", false
	}
	if _, rest, mysql := strings.Cut(e.info, "GTID_NEXT= '"); mysql {
		name, _, _ = strings.Cut(rest, "'")
		return name, true
	}
	_, name, _ = strings.Cut(e.info, "GTID ") // MariaDB: also "BEGIN GTID"
	name, _, _ = strings.Cut(name, " ")
	return name, true
}

// mentions finds name as a word of its own.
func mentions(text, name string) bool {
	for rest := text; ; {
		i := strings.Index(rest, name)
		if i < 0 {
			return false
		}
		end := i + len(name)
		if (i == 0 || !wordByte(rest[i-1])) && (end == len(rest) || !wordByte(rest[end])) {
			return true
		}
		rest = rest[i+1:]
	}
}

func wordByte(b byte) bool {
	return b == '_' || b == '$' || b >= 0x80 || '0' <= b && b <= '9' || 'a' <= b|0x20 && b|0x20 <= 'z'
}
