package dbfailover

import (
	"context"
	"errors"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// App names the application in the topology [Replicated]. Both servers are shared
// with other applications, so everything that can be locked, judged or ignored is
// this application's own: its account, its schemas, its epochs.
type App struct {
	// Name tells applications on the same servers apart: 1 to 20 of a-z, 0-9 and _.
	Name string
	// User is the account that Config.Credentials logs in with, without the host.
	// No other application uses it, on either server.
	User string
	// Schemas are the databases that the application writes, there before it starts.
	// No other application writes to them. At least one.
	Schemas []string
	// Node names this web node among those of the application, the same after a
	// restart. Default: the host's name.
	Node string
	// Folder keeps the highest epoch that this node has ever seen, in a file named
	// after the application. It must exist and outlive a restart of the process.
	Folder string
	// Monitor is asked for the account of the checks, as Config.Credentials is for
	// the application's. It may only run this application's procedures and read
	// the state of replication; see [Script]. One of these finds tails in the binary
	// log, which holds the statements and rows of all applications: keep its password
	// as you keep theirs.
	Monitor func(ctx context.Context, s Server) (Credentials, error)
	// Failback is Manual or WhenSynced. Default Manual.
	Failback Failback
}

// Failback says who leads back from the secondary.
type Failback uint8

const (
	// Manual: only [Connector.Switch] does.
	Manual Failback = iota
	// WhenSynced: any web node does, once the primary has been well, without a tail
	// and without lag in both directions for a while.
	WhenSynced
)

// String returns "manual" or "when synced".
func (f Failback) String() string {
	switch f {
	case Manual:
		return "manual"
	case WhenSynced:
		return "when synced"
	}
	return fmt.Sprintf("failback(%d)", uint8(f))
}

var (
	appName    = regexp.MustCompile(`^[a-z0-9_]{1,20}$`)
	schemaName = regexp.MustCompile(`^[A-Za-z0-9_$-]{1,64}$`)
	userName   = regexp.MustCompile(`^[A-Za-z0-9_.-]{1,80}$`)
)

// normal returns a checked copy with the defaults filled in.
func (a App) normal() (App, error) {
	if err := a.names(); err != nil {
		return a, err
	}
	if a.Monitor == nil {
		return a, errors.New("dbfailover: App.Monitor is not set: give the account that runs the checks")
	}
	a.Monitor = anyBut(a.User, a.Monitor)
	if a.Failback > WhenSynced {
		return a, fmt.Errorf("dbfailover: App.Failback is %v: use Manual or WhenSynced", a.Failback)
	}
	if info, err := os.Stat(a.Folder); err != nil || !info.IsDir() {
		return a, errors.New("dbfailover: App.Folder is not a folder: name one that outlives a restart, the epoch is kept there")
	}
	if a.Node == "" {
		name, err := os.Hostname()
		if err != nil {
			return a, fmt.Errorf("dbfailover: App.Node is not set and the host has no name: %w", err)
		}
		a.Node = name
	}
	if len(a.Node) > 64 || !utf8.ValidString(a.Node) || strings.ContainsFunc(a.Node, unicode.IsControl) {
		return a, errors.New("dbfailover: App.Node must be at most 64 bytes of UTF-8 without control characters")
	}
	return a, nil
}

// names checks what ends up in SQL.
func (a App) names() error {
	switch {
	case !appName.MatchString(a.Name):
		return errors.New("dbfailover: App.Name must be 1 to 20 of a-z, 0-9 and _")
	case !userName.MatchString(a.User):
		return errors.New("dbfailover: App.User must be the account's name without its host")
	case slices.Contains([]string{"root", controlUser, "mysql", "PUBLIC", "mariadb.sys", "mysql.sys", "mysql.session", "mysql.infoschema"}, a.User):
		return fmt.Errorf("dbfailover: App.User is %s, which belongs to no application: a fence locks it out", a.User)
	case len(a.Schemas) == 0:
		return errors.New("dbfailover: App.Schemas is empty: name the databases that the application writes")
	}
	for _, s := range a.Schemas {
		if !schemaName.MatchString(s) {
			return fmt.Errorf("dbfailover: App.Schemas: %q has characters other than letters, digits, _, $ and -", s)
		}
		if s == controlSchema || s == "mysql" || s == "sys" || s == "information_schema" || s == "performance_schema" {
			return fmt.Errorf("dbfailover: App.Schemas: %s belongs to no application", s)
		}
	}
	return nil
}
