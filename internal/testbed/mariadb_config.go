package testbed

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
)

// configText is the whole configuration; no file of the machine is read beside
// it. TLS is the only way in over TCP. The application logs in with ed25519: the
// default mysql_native_password needs SHA-1, which GODEBUG=fips140=only forbids. sync-binlog and flush-log stay at their
// durable settings, because what survives a SIGKILL is what tests ask about.
func configText(dir, port string, id int) string {
	return fmt.Sprintf(`[mariadbd]
datadir=%[1]s/data
socket=%[1]s/s
pid-file=%[1]s/pid
log-error=%[1]s/err.log
tmpdir=%[1]s/tmp
bind-address=127.0.0.1
port=%[2]s
skip-name-resolve

ssl-ca=%[1]s/ca.pem
ssl-cert=%[1]s/cert.pem
ssl-key=%[1]s/key.pem
tls-version=TLSv1.2,TLSv1.3
require-secure-transport=ON
plugin-load-add=auth_ed25519

server-id=%[3]d
gtid-domain-id=%[3]d
gtid-strict-mode=ON
log-bin=bin
log-slave-updates=ON
relay-log=relay
binlog-format=ROW
sync-binlog=1
innodb-flush-log-at-trx-commit=1
auto-increment-increment=2
auto-increment-offset=%[3]d
slave-net-timeout=4
skip-slave-start
init-file=%[1]s/init.sql
rpl-semi-sync-master-wait-point=AFTER_SYNC

innodb-buffer-pool-size=32M
innodb-log-file-size=16M
performance-schema=OFF
max-connections=300
`, dir, port, id)
}

// bootstrap fills an empty data folder: mariadbd reads the system tables' SQL and
// then extra on its standard input. This is what mariadb-install-db does, without the shell
// and without the help texts, in 0.3 s instead of 2.
func (s *Server) bootstrap(m mariaDB, extra []string) {
	s.t.Helper()
	script, err := systemTables(m.share)
	if err != nil {
		RequireOrSkip(s.t, "MariaDB's system table scripts ("+err.Error()+")")
	}
	// A statement ends at the end of its line in bootstrap mode.
	script += strings.Join(extra, ";\n") + ";\n"
	var out bytes.Buffer
	cmd := exec.Command(m.program,
		"--no-defaults", "--bootstrap", "--log-warnings=0", "--enforce-storage-engine=",
		"--datadir="+filepath.Join(s.dir, "data"), "--tmpdir="+filepath.Join(s.dir, "tmp"),
		"--plugin-load-add=auth_ed25519", "--max-allowed-packet=8M", "--innodb-buffer-pool-size=32M", "--innodb-log-file-size=16M")
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(script), &out, &out
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: s.acct.credential()}
	proc, err := launch(cmd)
	if err != nil {
		s.t.Fatalf("server %d: %v", s.ID, err)
	}
	<-proc.done
	if !cmd.ProcessState.Success() {
		s.t.Fatalf("server %d: bootstrap: %v\n%s", s.ID, cmd.ProcessState, out.String())
	}
}

// systemTables reads the scripts that the server package installs. Their prefix
// changed from mysql_ to mariadb_ in MariaDB 11.
func systemTables(share string) (string, error) {
	var script strings.Builder
	script.WriteString("CREATE DATABASE mysql;\nUSE mysql;\nSET @auth_root_socket=NULL;\n")
	for _, part := range []string{"system_tables", "performance_tables", "system_tables_data"} {
		text, err := readFirst(
			share+"/mysql/mysql_"+part+".sql", share+"/mysql/mariadb_"+part+".sql",
			share+"/mariadb/mysql_"+part+".sql", share+"/mariadb/mariadb_"+part+".sql")
		if err != nil {
			return "", err
		}
		script.Write(text)
		script.WriteByte('\n')
	}
	return script.String(), nil
}

func readFirst(paths ...string) (data []byte, err error) {
	for _, path := range paths {
		if data, err = os.ReadFile(path); err == nil {
			return data, nil
		}
	}
	return nil, err
}
