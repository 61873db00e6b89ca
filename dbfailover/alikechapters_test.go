package dbfailover

import (
	"bytes"
	"context"
	"database/sql"
	"database/sql/driver"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"strings"
	"sync"
	"time"

	"github.com/go-sql-driver/mysql"
)

// chapters are what TestEverythingIsAsTheDriverHasIt tells, by name.
var chapters = map[string]func(*tale){
	"nothing asked":      func(a *tale) { a.exec(""); a.query("SELEKT 1"); a.prepared("SELEKT ?", 1) },
	"life of a row":      lifeOfARow,
	"types of columns":   typesOfColumns,
	"values given":       valuesGiven,
	"values refused":     valuesRefused,
	"null":               nullEverywhere,
	"times":              times,
	"escapes":            escapes,
	"long data":          longData,
	"load data":          loadedData,
	"raw bytes":          rawBytes,
	"many columns":       func(a *tale) { a.prepared("SELECT "+strings.Repeat("?, ", 499)+"?", many(500)...) },
	"many results":       manyResults,
	"statements":         statements,
	"several at once":    statementsSideBySide,
	"transactions":       transactions,
	"refused":            refused,
	"context":            contexts,
	"connection returns": connectionReturns,
	"concurrent":         concurrent,
	"raw driver":         rawDriver,
	"encrypted":          func(a *tale) { a.query("SHOW SESSION STATUS LIKE 'Ssl_version'") },
	"collation": func(a *tale) {
		a.query("SELECT @@collation_connection, @@character_set_client, @@sql_mode, @@time_zone")
	},
}

func many(n int) (list []any) {
	for i := range n {
		list = append(list, i)
	}
	return list
}

func lifeOfARow(a *tale) {
	a.exec("CREATE TABLE tale (id INT PRIMARY KEY AUTO_INCREMENT, value BOOL)")
	a.query("SELECT * FROM tale")
	a.exec("INSERT INTO tale (value) VALUES (true)")
	a.exec("INSERT INTO tale (value) VALUES (?), (?)", true, false)
	a.exec("UPDATE tale SET value = ? WHERE value = ?", true, true) // found, not changed
	a.exec("UPDATE tale SET value = ? WHERE value = ?", false, true)
	a.query("SELECT value FROM tale ORDER BY id")
	a.exec("DELETE FROM tale WHERE value = ?", false)
	a.exec("DELETE FROM tale")
}

func typesOfColumns(a *tale) {
	kinds := []string{"BIT(8)", "BOOL", "TINYINT UNSIGNED NOT NULL", "SMALLINT", "MEDIUMINT", "INT(7) NOT NULL", "INT UNSIGNED",
		"BIGINT NOT NULL", "BIGINT UNSIGNED", "FLOAT", "DOUBLE NOT NULL", "DECIMAL(7,3)", "DECIMAL(10) NOT NULL", "CHAR(5)", "VARCHAR(10) NOT NULL",
		"BINARY(4)", "VARBINARY(9)", "TINYBLOB", "BLOB", "LONGBLOB", "TINYTEXT", "TEXT", "LONGTEXT", "DATE", "TIME(3)", "DATETIME(6)",
		"TIMESTAMP NULL", "YEAR", "ENUM('', 'a')", "SET('x', 'y')", "JSON", "GEOMETRY"}
	var columns []string
	for i, kind := range kinds {
		columns = append(columns, fmt.Sprintf("c%d %s", i, kind))
	}
	a.exec("CREATE TABLE tale (" + strings.Join(columns, ", ") + ")")
	a.exec(`INSERT INTO tale VALUES (5, 1, 255, -32768, 7, 42, 4294967295, -9223372036854775808, 18446744073709551615, 1.5, 2.25, 1234.567, 12,
		'ab', 'cd', 'x', 'yz', 'b', 'lob', 'long', 't', 'ext', 'longer', '2024-02-29', '838:59:58.999', '2006-01-02 15:04:05.123456',
		'2006-01-02 15:04:05', 2024, 'a', 'x,y', '{"a": 1}', POINT(1, 2))`)
	a.query("SELECT * FROM tale")
	a.prepared("SELECT * FROM tale")
	a.query("SELECT 1 AS `a b`, 'x' + 0, 1/3, -1, 1e300, NULL, COUNT(*) FROM tale")
}

// talked is a Valuer, and one that may refuse.
type talked string

func (v talked) Value() (driver.Value, error) {
	if v == "" {
		return nil, errors.New("nothing to tell")
	}
	return []byte("talked " + string(v)), nil
}

type number int8

func valuesGiven(a *tale) {
	seven := 7
	for _, v := range []any{true, int8(-1), int16(2), int64(math.MinInt64), uint8(3), uint64(math.MaxUint64), uint64(1 << 63), float32(1.5),
		math.SmallestNonzeroFloat64, "text", []byte("bytes"), []byte{}, "", "\x00\"'\\\n\r\x1a%_ä€𝄞", talked("it"), number(5), &seven, (*int)(nil),
		json.RawMessage(`{"k":1}`), sql.NullString{}, sql.NullInt64{Int64: 4, Valid: true}, sql.Null[float64]{V: 2.5, Valid: true},
		time.Date(2006, 1, 2, 15, 4, 5, 123456000, time.UTC), time.Time{}, time.Date(1999, 12, 31, 23, 59, 59, 0, time.FixedZone("x", 3600))} {
		a.query("SELECT ?", v)
		a.prepared("SELECT ?, CAST(? AS CHAR)", v, v)
	}
}

func valuesRefused(a *tale) {
	for _, v := range []any{talked(""), map[string]bool{}, make(chan int), struct{}{}, []int{1}, sql.Named("n", 1), sql.Out{}} {
		a.query("SELECT ?", v)
		a.prepared("SELECT ?", v)
	}
	a.query("SELECT ?, ?", 1)
	a.prepared("SELECT ?, ?", 1)
	a.query("SELECT 1", 1)
}

func nullEverywhere(a *tale) {
	a.exec("CREATE TABLE tale (i INT, s VARCHAR(9), d DATETIME, b BLOB, f DOUBLE)")
	a.exec("INSERT INTO tale VALUES (?, ?, ?, ?, ?)", nil, nil, nil, nil, nil)
	a.exec("INSERT INTO tale VALUES (NULL, '', NULL, '', 0)")
	a.query("SELECT * FROM tale")
	a.prepared("SELECT *, ? FROM tale", nil)
	var s string
	a.say("scan: %s", said(a.db.QueryRowContext(a.ctx, "SELECT NULL").Scan(&s)))
}

func times(a *tale) {
	for _, kind := range []string{"DATE", "DATETIME", "DATETIME(3)", "DATETIME(6)", "TIME", "TIME(6)"} {
		for _, v := range []any{"2011-11-20 21:27:37.123456", "0000-00-00 00:00:00", "12:34:56", "-838:59:59",
			time.Date(2011, 11, 20, 21, 27, 37, 123456789, time.UTC)} {
			a.query("SELECT CAST(? AS "+kind+")", v)
			a.prepared("SELECT CAST(? AS "+kind+")", v)
		}
	}
	a.exec("CREATE TABLE tale (d DATE, t DATETIME(6), s TIMESTAMP(6) NULL)")
	now := time.Date(2024, 2, 29, 23, 59, 59, 999999000, time.UTC)
	a.exec("INSERT INTO tale VALUES (?, ?, ?)", now, now, now)
	a.query("SELECT * FROM tale WHERE t = ?", now)
	a.prepared("SELECT * FROM tale WHERE s = ?", now)
}

func escapes(a *tale) {
	a.exec("CREATE TABLE tale (v VARCHAR(99))")
	for _, mode := range []string{"", "NO_BACKSLASH_ESCAPES"} {
		conn, err := a.db.Conn(a.ctx)
		must(a, err)
		_, err = conn.ExecContext(a.ctx, "SET sql_mode = '"+mode+"'")
		must(a, err)
		for _, v := range []string{`1' OR '1'='1`, `\' OR 1 -- `, "\x00\x1a\"", `\\`} {
			_, err := conn.ExecContext(a.ctx, "INSERT INTO tale VALUES (?)", v)
			a.say("insert %q: %s", v, said(err))
			rows, err := conn.QueryContext(a.ctx, "SELECT v, HEX(v) FROM tale WHERE v = ?", v)
			a.rows("back", rows, err)
		}
		_, err = conn.ExecContext(a.ctx, "SET sql_mode = DEFAULT")
		must(a, err)
		must(a, conn.Close())
	}
}

func longData(a *tale) {
	a.exec("CREATE TABLE tale (value LONGBLOB)")
	for _, n := range []int{0, 255, 65536, 1 << 20, 5 << 20} {
		data := bytes.Repeat([]byte{0, 1, 'x', 255}, n/4)
		a.exec("INSERT INTO tale VALUES (?)", data)
		for _, query := range []string{"SELECT value FROM tale", "SELECT value FROM tale WHERE 1 = ?"} {
			var args []any
			if strings.Contains(query, "?") {
				args = []any{1}
			}
			var back []byte
			err := a.db.QueryRowContext(a.ctx, query, args...).Scan(&back)
			a.say("%d bytes: %d %v %s", n, len(back), bytes.Equal(back, data), said(err))
		}
		a.exec("DELETE FROM tale")
	}
}

func loadedData(a *tale) {
	a.exec("CREATE TABLE tale (id INT, v VARCHAR(9))")
	for _, source := range []string{"1\ta\n2\tb\n3\t\\N\n", ""} {
		mysql.RegisterReaderHandler("tale", func() io.Reader { return strings.NewReader(source) })
		a.loaded("tale")
		mysql.DeregisterReaderHandler("tale")
	}
	a.loaded("tale") // not registered any more
	a.exec("LOAD DATA LOCAL INFILE '/etc/hostname' INTO TABLE tale")
	a.query("SELECT * FROM tale ORDER BY id")
}

func (a *tale) loaded(name string) {
	result, err := a.db.ExecContext(a.ctx, "LOAD DATA LOCAL INFILE 'Reader::"+name+"' INTO TABLE tale")
	a.say("load %s: %s", name, said(err))
	if err == nil {
		n, err := result.RowsAffected()
		a.say("  %d %s", n, said(err))
	}
}

func rawBytes(a *tale) {
	for _, query := range []string{"SELECT 'aa', 'bb' UNION ALL SELECT 'c', NULL", "SELECT REPEAT('x', 100000), REPEAT('y', 70000)"} {
		rows, err := a.db.QueryContext(a.ctx, query)
		must(a, err)
		for rows.Next() {
			var x, y sql.RawBytes
			a.say("%s %.9s %d %.9s %d %v", said(rows.Scan(&x, &y)), x, len(x), y, len(y), y == nil)
		}
		a.say("%s %s", said(rows.Err()), said(rows.Close()))
	}
}

func concurrent(a *tale) {
	var group sync.WaitGroup
	failed := make([]error, 20)
	for i := range failed {
		group.Go(func() {
			for n := range 20 {
				var got int
				err := a.db.QueryRowContext(a.ctx, "SELECT ? + ?", i, n).Scan(&got)
				if err != nil || got != i+n {
					failed[i] = fmt.Errorf("%d + %d = %d: %w", i, n, got, err)
				}
			}
		})
	}
	group.Wait()
	a.say("concurrent: %v", errors.Join(failed...))
}

func rawDriver(a *tale) {
	conn, err := a.db.Conn(a.ctx)
	must(a, err)
	defer conn.Close()
	must(a, conn.Raw(func(c any) error {
		result, err := c.(driver.ExecerContext).ExecContext(context.Background(), "DO 1", nil)
		all, ok := result.(mysql.Result)
		a.say("raw %s %v", said(err), ok)
		if ok {
			a.say("  %v %v", all.AllRowsAffected(), all.AllLastInsertIds())
		}
		a.say("  %s", said(c.(driver.Pinger).Ping(a.ctx)))
		_, more := c.(driver.NamedValueChecker)
		_, begins := c.(driver.ConnBeginTx)
		a.say("  %v %v", more, begins)
		return nil
	}))
}
