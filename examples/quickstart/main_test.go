package main

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/hipaakit/hipaakit/dbfailover"
	"github.com/hipaakit/hipaakit/internal/testbed"
)

// TestMain lets the test program be the embedded database server, as main does.
func TestMain(m *testing.M) {
	if os.Getenv(childVariable) != "" {
		if err := serveDatabase(); err != nil {
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

// mustBeTrue runs a tour and shows what it printed.
func mustBeTrue(t *testing.T, run func(*bytes.Buffer) (bool, error)) {
	t.Helper()
	var out bytes.Buffer
	ok, err := run(&out)
	t.Logf("%s", out.String())
	if err != nil || !ok {
		t.Fatalf("not all was as promised: %v", err)
	}
	if n := strings.Count(out.String(), "  ok  "); n < 19 {
		t.Fatalf("only %d checks were made", n)
	}
}

func TestEverythingEmbedded(t *testing.T) {
	mustBeTrue(t, func(out *bytes.Buffer) (bool, error) { return quickstart(t.Context(), out, "") })
}

// realData is real input kept beside the repository; the sample stands in for it.
func realData(t *testing.T) string {
	t.Helper()
	dir := filepath.Join("..", "..", "..", "shared", "data")
	if _, err := os.Stat(dir); err != nil {
		t.Log("no real data here: with the sample")
		return ""
	}
	return dir
}

func TestEverythingEmbeddedOnRealData(t *testing.T) {
	dir := realData(t)
	mustBeTrue(t, func(out *bytes.Buffer) (bool, error) { return quickstart(t.Context(), out, dir) })
}

// TestRealServers is the same tour with versitygw for S3 and two MariaDB servers
// for the databases.
func TestRealServers(t *testing.T) {
	gateway, mariadb := testbed.VersityGW(t), testbed.MariaDBPair(t, testbed.Options{})
	ca, err := newAuthority()
	if err != nil {
		t.Fatal(err)
	}
	server := &bucketServer{url: gateway.URL, roots: gateway.CA, id: gateway.AccessKey, secret: gateway.SecretKey}
	pair := &databasePair{
		roots: mariadb.CA, user: mariadb.User, password: mariadb.Password, database: mariadb.Database,
		kill: func(i int) error { mariadb.Servers[i].Kill(); return nil },
	}
	for i, s := range mariadb.Servers {
		pair.servers[i] = dbfailover.Server{Addr: s.Addr, ServerName: s.Name}
	}
	dir := realData(t)
	mustBeTrue(t, func(out *bytes.Buffer) (bool, error) { return tour(t.Context(), out, dir, ca, server, pair) })
}

// TestAFailedCheckIsNoticed makes sure that the tour can fail.
func TestAFailedCheckIsNoticed(t *testing.T) {
	var out bytes.Buffer
	r := &report{out: &out}
	r.check(true, "fine")
	r.check(false, "not fine")
	if r.verdict() || !strings.Contains(out.String(), "1 of 2 checks FAILED") {
		t.Fatal(out.String())
	}
	s := search{needles: needles(sample())}
	s.in("", append([]byte("leaked: "), sample()[2].data...))
	if s.hits == 0 {
		t.Fatal("plaintext in the clear is not found")
	}
}

// TestChildDiesWithItsParent starts a database server and closes the pipe to it
// as the end of a parent would.
func TestChildDiesWithItsParent(t *testing.T) {
	ca, err := newAuthority()
	if err != nil {
		t.Fatal(err)
	}
	c, err := startChild(context.WithoutCancel(t.Context()), ca, childConfig{Name: "db", User: "app", Password: "secret", Database: "app"})
	if err != nil {
		t.Fatal(err)
	}
	c.stdin.Close()
	if err := c.cmd.Wait(); err != nil {
		t.Fatalf("the child ended by itself, but not well: %v", err)
	}
}

func TestBadFolderIsNamed(t *testing.T) {
	if _, err := load(t.TempDir()); err == nil || !strings.Contains(err.Error(), "holds no files") {
		t.Error(err)
	}
	if _, err := load("/nowhere/at/all"); err == nil {
		t.Error("no error")
	}
}

// TestExitCode runs the program itself.
func TestExitCode(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self, "-test.run=^$")
	cmd.Env = append(os.Environ(), childVariable+"=1")
	cmd.Stdin = strings.NewReader("no configuration")
	if cmd.Run() == nil {
		t.Error("a server without configuration exits with 0")
	}
}
