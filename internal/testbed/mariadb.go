package testbed

import (
	"crypto/rand"
	"crypto/x509"
	"os"
	"os/exec"
	"testing"
)

// Options says what [MariaDBPair] builds. The zero value is two independent,
// empty servers.
type Options struct {
	// Replicated joins the two in asynchronous master-master replication over
	// verified TLS, with GTIDs, odd and even automatic ids.
	Replicated bool
	// SemiSync makes a commit wait until the other server has received it.
	SemiSync bool
	// SmallDisk gives server 1 a disk that [Server.FillDisk] fills. It takes root.
	SmallDisk bool
}

// Pair is two running MariaDB servers that share a certificate authority and an
// application account. The servers are stopped and removed with the test.
type Pair struct {
	// CA trusts both servers' certificates and nothing else.
	CA *x509.CertPool
	// Authority issued them; use it for client certificates and for wrong ones.
	Authority *CA
	// User and Password log in from 127.0.0.1 over TLS only, with all rights on
	// Database and none elsewhere.
	User, Password, Database string
	// Servers[0] has the id 1, its certificate the names db1.test, localhost and
	// 127.0.0.1; Servers[1] the id 2 and db2.test.
	Servers [2]*Server
	// Feeds[i] is what Servers[i] follows the other one through, when replicated.
	Feeds [2]*Proxy

	feed         [2]string
	replPassword string
}

// MariaDBPair starts two servers (about a second; two with replication). Where
// mariadbd is not installed it ends the test through [RequireOrSkip].
func MariaDBPair(t testing.TB, o Options) *Pair {
	t.Helper()
	program := findMariaDB(t)
	acct := ordinaryAccount(t)
	ca := NewCA(t)
	p := &Pair{
		CA: ca.Pool(), Authority: ca,
		User: "app", Password: rand.Text(), Database: "app",
		replPassword: rand.Text(),
	}
	base := acct.folder(t)
	for i := range p.Servers {
		p.Servers[i] = newServer(t, program, acct, ca, base, i+1)
	}
	if o.SmallDisk {
		p.Servers[0].smallDisk()
	}
	for _, s := range p.Servers {
		s.bootstrap(p.accounts())
		s.Start()
	}
	if o.Replicated {
		for i, s := range p.Servers {
			p.Feeds[1-i] = NewProxy(t, s.Addr)
			p.feed[1-i] = p.Feeds[1-i].Addr
		}
		p.replicate()
	}
	if o.SemiSync {
		p.semiSync()
	}
	return p
}

// accounts is run once, while the server is bootstrapped: nothing of it is in a
// binary log, so accounts belong to one server and replication starts from two
// empty logs. No account is left that can log in over TCP without a password; the
// system scripts make a bare root for every loopback address.
func (p *Pair) accounts() []string {
	return []string{
		"DELETE FROM mysql.global_priv WHERE User='root' AND Host<>'localhost'",
		"FLUSH PRIVILEGES", // bootstrap mode knows no accounts before this
		"CREATE USER repl@'127.0.0.1' IDENTIFIED BY '" + p.replPassword + "' REQUIRE SSL",
		"GRANT REPLICATION SLAVE ON *.* TO repl@'127.0.0.1'",
		"CREATE USER " + p.User + "@'127.0.0.1' IDENTIFIED VIA ed25519 USING PASSWORD('" + p.Password + "') REQUIRE SSL",
		"CREATE DATABASE " + p.Database,
		"GRANT ALL ON " + p.Database + ".* TO " + p.User + "@'127.0.0.1'",
	}
}

func findMariaDB(t testing.TB) string {
	t.Helper()
	// Debian keeps it in /usr/sbin, which is not in an ordinary user's PATH.
	for _, name := range []string{"mariadbd", "/usr/sbin/mariadbd", "/usr/libexec/mariadbd"} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	RequireOrSkip(t, "mariadbd (Debian package mariadb-server)")
	return ""
}

// readTail returns the end of a server's own log for a failure message.
func readTail(path string) string {
	const keep = 2000
	data, err := os.ReadFile(path)
	if err != nil {
		return "(no log: " + err.Error() + ")"
	}
	return string(data[max(0, len(data)-keep):])
}
