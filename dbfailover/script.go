package dbfailover

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
	"text/template"
)

// controlSchema is where the script puts its tables and procedures.
const controlSchema = "hipaakit"

// controlUser is whose rights they have there. Opened by an unfence, it could be logged in
// with by anybody: it has no password.
const controlUser = "hipaakit"

// InitFile is the text of the server's init-file, one statement a line. The first
// locks every application's account before anybody can connect: a server that comes
// back does not know what happened while it was away. The second starts replication
// after the filters are back in place, so skip-slave-start (MySQL: skip-replica-start)
// has to be set beside it.
const InitFile = "CALL hipaakit.boot();\nSTART REPLICA;\n"

// callable returns the procedures that the monitor's account may run.
func callable(f Flavour) []string {
	list := []string{"look", "position", "canary", "check", "lock", "fence", "ready", "promote", "unfence", "resume", "lift", "abandon"}
	if f == MySQL {
		list = append(list, "log")
	}
	return list
}

// longestMySQLUser is a column of mysql.user.
const longestMySQLUser = 32

// between separates statements: procedures hold semicolons.
const between = "\n//\n"

// Install says on which accounts and servers a [Script] is to work.
type Install struct {
	// PrimaryID is the server_id of the application's primary. The first epoch
	// names it.
	PrimaryID uint32
	// Monitor is the account of the checks as in CREATE USER: mon@10.0.0.%.
	Monitor string
	// Flavour is whose servers the script is for. Default MariaDB.
	Flavour Flavour
}

// errMonitorFenced: such a monitor would kill its own session in the middle of a fence, and
// could not log in for any check afterwards.
var errMonitorFenced = errors.New("dbfailover: the monitor is the application's account, which a fence locks: give the checks one of their own")

var account = regexp.MustCompile(`^([A-Za-z0-9_.-]{1,80})@([A-Za-z0-9_.:%/-]{1,60})$`)

// Script returns the SQL that an administrator runs on both servers before the first
// web node starts, as input for the mariadb or mysql client. It can be run again. The
// connector itself creates nothing: a first start on two sides would create everything
// twice, and stop replication both ways.
func Script(a App, in Install) (string, error) {
	statements, err := Statements(a, in)
	if err != nil {
		return "", err
	}
	return "DELIMITER //\n" + strings.Join(statements, between) + between + "DELIMITER ;\n", nil
}

// Statements returns what [Script] does, one statement each, for a program that runs
// them in one session.
func Statements(a App, in Install) ([]string, error) {
	if err := a.names(); err != nil {
		return nil, err
	}
	monitor := account.FindStringSubmatch(in.Monitor)
	if monitor == nil {
		return nil, errors.New("dbfailover: Install.Monitor must be name@host")
	}
	if monitor[1] == a.User {
		return nil, errMonitorFenced
	}
	if in.PrimaryID == 0 {
		return nil, errors.New("dbfailover: Install.PrimaryID is not set: it is the primary's server_id")
	}
	if in.Flavour != MariaDB && in.Flavour != MySQL {
		return nil, fmt.Errorf("dbfailover: Install.Flavour is %v: use MariaDB or MySQL", in.Flavour)
	}
	if in.Flavour == MySQL && max(len(a.User), len(monitor[1])) > longestMySQLUser {
		return nil, fmt.Errorf("dbfailover: MySQL's accounts have at most %d characters before the @", longestMySQLUser)
	}
	parsed, err := template.New("script").Parse(in.Flavour.script())
	if err != nil {
		return nil, fmt.Errorf("dbfailover: script: %w", err)
	}
	var text strings.Builder
	err = parsed.Execute(&text, map[string]any{
		"App": a.Name, "User": "'" + a.User + "'", "PrimaryID": in.PrimaryID,
		"Monitor": "'" + monitor[1] + "'@'" + monitor[2] + "'", "MonitorUser": "'" + monitor[1] + "'",
		"Owned": owned(a), "SchemaList": strings.Join(a.Schemas, ", "), "Wild": wild(a.Schemas),
		"Callable": callable(in.Flavour),
	})
	if err != nil {
		return nil, fmt.Errorf("dbfailover: script: %w", err)
	}
	return strings.Split(strings.TrimSpace(text.String()), between), nil
}

// wild returns schemas as GRANT reads them: its _ and % stand for others.
func wild(schemas []string) (patterns []string) {
	for _, s := range schemas {
		patterns = append(patterns, strings.ReplaceAll(s, "_", `\_`))
	}
	return patterns
}

// owned returns the rows of hipaakit.owned. In a wild pattern _ and % stand for
// others, unless a backslash is before them; one more is for the SQL string.
func owned(a App) string {
	var rows []string
	for _, s := range a.Schemas {
		pattern := strings.ReplaceAll(s, "_", `\\_`) + ".%"
		rows = append(rows, fmt.Sprintf("('%s', '%s', '%s')", a.Name, s, pattern))
	}
	return strings.Join(rows, ", ")
}
