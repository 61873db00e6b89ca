package testbed

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

// mariaDB is the engine of MariaDB servers: the program, and the folder of its packages'
// data (/usr/share).
type mariaDB struct{ program, share string }

func (m mariaDB) command(config string) *exec.Cmd {
	return exec.Command(m.program, "--defaults-file="+config)
}

func (mariaDB) config(dir, port string, id int) string { return configText(dir, port, id) }

func (m mariaDB) found(s *Server, p *Pair) {
	s.t.Helper()
	s.bootstrap(m, m.accounts(p))
	s.Start()
}

// identified: the default mysql_native_password needs SHA-1, which
// GODEBUG=fips140=only forbids.
func (mariaDB) identified(password string) string {
	return "IDENTIFIED VIA ed25519 USING PASSWORD('" + password + "')"
}

func (mariaDB) follow(port, password, ca string) []string {
	return []string{fmt.Sprintf(`CHANGE MASTER TO MASTER_HOST='127.0.0.1', MASTER_PORT=%s,
		MASTER_USER='repl', MASTER_PASSWORD='%s', MASTER_USE_GTID=slave_pos,
		MASTER_CONNECT_RETRY=1, MASTER_HEARTBEAT_PERIOD=1,
		MASTER_SSL=1, MASTER_SSL_CA='%s', MASTER_SSL_VERIFY_SERVER_CERT=1`, port, password, ca), startReplication}
}

func (mariaDB) semiSync() (lines, statements []string) {
	return []string{"rpl-semi-sync-master-enabled=ON", "rpl-semi-sync-slave-enabled=ON", "rpl-semi-sync-master-wait-no-slave=OFF"},
		[]string{"SET GLOBAL rpl_semi_sync_slave_enabled=ON, GLOBAL rpl_semi_sync_master_enabled=ON, " +
			"GLOBAL rpl_semi_sync_master_wait_no_slave=OFF", "STOP SLAVE IO_THREAD", "START SLAVE IO_THREAD"}
}

func (mariaDB) status() (query string, rename func(string) string) {
	return "SHOW SLAVE STATUS", func(column string) string { return column }
}

func (mariaDB) position() string       { return "SELECT @@gtid_binlog_pos" }
func (mariaDB) wait() string           { return "SELECT MASTER_GTID_WAIT(?, ?)" }
func (mariaDB) newCertificate() string { return "FLUSH SSL" }
func (mariaDB) expiry() time.Duration  { return -time.Minute }
func (mariaDB) smallDisk() (mib int)   { return 192 }

// accounts is run once, while the server is bootstrapped: nothing of it is in a
// binary log, so accounts belong to one server and replication starts from two
// empty logs. No account is left that can log in over TCP without a password; the
// system scripts make a bare root for every loopback address.
func (mariaDB) accounts(p *Pair) []string {
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

func findMariaDB(t testing.TB) engine {
	t.Helper()
	if folder := os.Getenv(MariaDBVar); folder != "" {
		return mariaDB{filepath.Join(folder, "mariadbd"), filepath.Join(folder, "root", "usr", "share")}
	}
	// Debian keeps it in /usr/sbin, which is not in an ordinary user's PATH.
	for _, name := range []string{"mariadbd", "/usr/sbin/mariadbd", "/usr/libexec/mariadbd"} {
		if path, err := exec.LookPath(name); err == nil {
			return mariaDB{path, "/usr/share"}
		}
	}
	RequireOrSkip(t, "mariadbd (Debian package mariadb-server)")
	return nil
}
