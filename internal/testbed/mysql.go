package testbed

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// mySQL is the engine of MySQL servers, as scripts/install-test-tools.sh unpacks them
// in .tools/mysql: Debian's packages, never installed, with the C library that they
// were built for, and a data folder that was initialised once and is copied.
type mySQL struct{ root, seed string }

func findMySQL(t testing.TB) engine {
	t.Helper()
	const how = "MySQL's servers (scripts/install-test-tools.sh unpacks them where Debian's mysql-server-core can be fetched)"
	base, ok := os.LookupEnv(MySQLVar)
	if !ok {
		base, ok = toolsFolder(t, "mysql")
	}
	if !ok {
		failOrSkip(t, RequireMySQLVar, how)
		return nil
	}
	m := mySQL{root: filepath.Join(base, "root"), seed: filepath.Join(base, "seed")}
	for _, part := range []string{m.loader(), m.program(), filepath.Join(m.seed, "mysql.ibd")} {
		if _, err := os.Stat(part); err != nil {
			failOrSkip(t, RequireMySQLVar, how)
			return nil
		}
	}
	return m
}

func (m mySQL) libraries() string {
	found, err := filepath.Glob(filepath.Join(m.root, "usr", "lib", "*-linux-gnu*"))
	if err != nil || len(found) == 0 {
		return ""
	}
	return found[0]
}

func (m mySQL) loader() string {
	found, err := filepath.Glob(filepath.Join(m.libraries(), "ld-linux-*.so.*"))
	if err != nil || len(found) == 0 {
		return filepath.Join(m.root, "ld.so")
	}
	return found[0]
}

func (m mySQL) program() string { return filepath.Join(m.root, "usr", "sbin", "mysqld") }

// command runs the server with the C library that it was built for.
func (m mySQL) command(config string) *exec.Cmd {
	return exec.Command(m.loader(), "--library-path",
		m.libraries()+":"+filepath.Join(m.root, "usr", "lib", "mysql", "private"),
		m.program(), "--defaults-file="+config)
}

// found: the copy has a root without a password, for the socket alone.
func (m mySQL) found(s *Server, p *Pair) {
	s.t.Helper()
	data := filepath.Join(s.dir, "data")
	entries, err := os.ReadDir(m.seed)
	if err != nil {
		s.t.Fatalf("server %d: %v", s.ID, err)
	}
	for _, e := range entries {
		s.copy(filepath.Join(m.seed, e.Name()), data)
	}
	s.ownAll(data)
	s.Start()
	s.SQL("SET sql_log_bin=0",
		"CREATE USER repl@'127.0.0.1' "+m.identified(p.replPassword)+" REQUIRE SSL",
		"GRANT REPLICATION SLAVE ON *.* TO repl@'127.0.0.1'",
		"CREATE USER "+p.User+"@'127.0.0.1' "+m.identified(p.Password)+" REQUIRE SSL",
		"CREATE DATABASE "+p.Database,
		"GRANT ALL ON "+p.Database+".* TO "+p.User+"@'127.0.0.1'")
}

func (mySQL) identified(password string) string {
	return "IDENTIFIED WITH caching_sha2_password BY '" + password + "'"
}

// follow: without SOURCE_RETRY_COUNT, MySQL 9 gives up after ten attempts.
func (mySQL) follow(port, password, ca string) []string {
	return []string{`CHANGE REPLICATION SOURCE TO SOURCE_HOST='127.0.0.1', SOURCE_PORT=` + port + `,
		SOURCE_USER='repl', SOURCE_PASSWORD='` + password + `', SOURCE_AUTO_POSITION=1,
		SOURCE_CONNECT_RETRY=1, SOURCE_RETRY_COUNT=0, SOURCE_HEARTBEAT_PERIOD=1,
		SOURCE_SSL=1, SOURCE_SSL_CA='` + ca + `', SOURCE_SSL_VERIFY_SERVER_CERT=1`, startReplication}
}

func (mySQL) semiSync() (lines, statements []string) {
	return []string{"rpl-semi-sync-source-enabled=ON", "rpl-semi-sync-replica-enabled=ON", "rpl-semi-sync-source-wait-no-replica=OFF"}, []string{
		"SET sql_log_bin=0", "INSTALL PLUGIN rpl_semi_sync_source SONAME 'semisync_source.so'",
		"INSTALL PLUGIN rpl_semi_sync_replica SONAME 'semisync_replica.so'",
		"SET GLOBAL rpl_semi_sync_replica_enabled=ON, GLOBAL rpl_semi_sync_source_enabled=ON, GLOBAL rpl_semi_sync_source_wait_no_replica=OFF",
		"STOP REPLICA IO_THREAD", "START REPLICA IO_THREAD"}
}

func (mySQL) status() (query string, rename func(string) string) {
	return "SHOW REPLICA STATUS", func(column string) string {
		return strings.NewReplacer("Replica_", "Slave_", "Source", "Master").Replace(column)
	}
}

func (mySQL) position() string       { return "SELECT @@gtid_executed" }
func (mySQL) wait() string           { return "SELECT WAIT_FOR_EXECUTED_GTID_SET(?, ?)" }
func (mySQL) newCertificate() string { return "ALTER INSTANCE RELOAD TLS" }
func (mySQL) expiry() time.Duration  { return 2 * time.Second }
func (mySQL) smallDisk() (mib int)   { return 320 }
