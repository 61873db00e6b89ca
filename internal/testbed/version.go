package testbed

// MariaDBVar and MySQLVar are the environment variables that name a folder with servers of
// another version, as scripts/unpack-server.sh makes it, to be used instead of the machine's
// MariaDB and of the MySQL in .tools/mysql.
const (
	MariaDBVar = "HIPAAKIT_MARIADB"
	MySQLVar   = "HIPAAKIT_MYSQL"
)
