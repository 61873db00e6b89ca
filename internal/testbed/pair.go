package testbed

import (
	"crypto/rand"
	"crypto/x509"
	"os"
	"testing"
)

// Options says what [NewPair] builds. The zero value is two independent, empty
// MariaDB servers.
type Options struct {
	// MySQL takes MySQL servers in place of MariaDB's.
	MySQL bool
	// Replicated joins the two in asynchronous master-master replication over
	// verified TLS, with GTIDs, odd and even automatic ids.
	Replicated bool
	// SemiSync makes a commit wait until the other server has received it.
	SemiSync bool
	// SmallDisk gives server 1 a disk that [Server.FillDisk] fills. It takes root.
	SmallDisk bool
}

// Pair is two running servers that share a certificate authority and an
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

// MariaDBPair starts two MariaDB servers (about a second; two with replication). Where
// mariadbd is not installed it ends the test through [RequireOrSkip].
func MariaDBPair(t testing.TB, o Options) *Pair {
	t.Helper()
	o.MySQL = false
	return NewPair(t, o)
}

// NewPair starts two servers of the kind that o names. MySQL's take about three
// seconds; where they are not to be had the test is skipped, see [RequireMySQLVar].
func NewPair(t testing.TB, o Options) *Pair {
	t.Helper()
	kind := findMariaDB
	if o.MySQL {
		kind = findMySQL
	}
	engine := kind(t)
	acct := ordinaryAccount(t)
	ca := NewCA(t)
	p := &Pair{
		CA: ca.Pool(), Authority: ca,
		User: "app", Password: rand.Text(), Database: "app",
		replPassword: rand.Text(),
	}
	base := acct.folder(t)
	for i := range p.Servers {
		p.Servers[i] = newServer(t, engine, acct, ca, base, i+1)
	}
	if o.SmallDisk {
		p.Servers[0].smallDisk()
	}
	for _, s := range p.Servers {
		engine.found(s, p)
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

// readTail returns the end of a server's own log for a failure message.
func readTail(path string) string {
	const keep = 2000
	data, err := os.ReadFile(path)
	if err != nil {
		return "(no log: " + err.Error() + ")"
	}
	return string(data[max(0, len(data)-keep):])
}
