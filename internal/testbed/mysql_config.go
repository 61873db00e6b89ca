package testbed

import (
	"fmt"
	"path/filepath"
)

// config is the whole configuration; no file of the machine is read beside it. What
// is smaller than by default saves memory: many pairs run beside each other.
func (m mySQL) config(dir, port string, id int) string {
	return fmt.Sprintf(`[mysqld]
datadir=%[1]s/data
socket=%[1]s/s
pid-file=%[1]s/pid
log-error=%[1]s/err.log
tmpdir=%[1]s/tmp
bind-address=127.0.0.1
port=%[2]s
mysqlx=OFF
skip-name-resolve
secure-file-priv=NULL
basedir=%[4]s
lc-messages-dir=%[5]s
character-sets-dir=%[5]s/charsets
plugin-dir=%[4]s/lib/mysql/plugin

ssl-ca=%[1]s/ca.pem
ssl-cert=%[1]s/cert.pem
ssl-key=%[1]s/key.pem
tls-version=TLSv1.2,TLSv1.3
require-secure-transport=ON

server-id=%[3]d
gtid-mode=ON
enforce-gtid-consistency=ON
log-bin=bin
relay-log=relay
relay-log-recovery=ON
sync-binlog=1
innodb-flush-log-at-trx-commit=1
auto-increment-increment=2
auto-increment-offset=%[3]d
replica-net-timeout=4
skip-replica-start
init-file=%[1]s/init.sql

innodb-buffer-pool-size=32M
innodb-redo-log-capacity=16M
innodb-log-buffer-size=4M
table-open-cache=400
table-definition-cache=400
performance-schema-digests-size=100
max-connections=300
`, dir, port, id, filepath.Join(m.root, "usr"), filepath.Join(m.root, "usr", "share", "mysql"))
}
