// Package dbfailover is a database/sql connector for two MySQL or MariaDB
// servers, a primary and a secondary, reached over TLS that is always verified.
// It takes the place of a local TCP proxy: there is nothing to install, and what
// the application changes is one line.
//
//	connector, err := dbfailover.New(dbfailover.Config{...})
//	db := sql.OpenDB(connector)
//	defer db.Close() // also closes the connector
//
// # What it promises
//
//   - All that is said to a server, accounts included, is said in TLS 1.2 or newer
//     and to a certificate that the configured CA signed for the configured name.
//     Only the greeting that MySQL's protocol puts before TLS travels in the open.
//     Configurations that would weaken this do not construct, and a stranger's
//     greeting is an error, never a panic.
//   - The checks decide about a switch, on connections of their own, never one
//     failed query. They log in and ask a query; a TCP proxy's checks cannot log
//     in to a server that demands TLS and see only an open port.
//   - A server that answers is not switched away from, however it refuses (too
//     many connections, wrong password, bad certificate): see the table below.
//   - After a switch this process sends nothing more to the old server on the
//     application's behalf. Its connections are closed before the first new one
//     is handed out, which frees statements that hang on them at once. Over TCP
//     they are reset, so the kernel delivers nothing late either.
//   - The query that finds the primary dead need not fail: its Connect waits for
//     the decision and continues on the secondary. One bad check of the secondary
//     does not end that wait. What had been sent already is never sent again.
//   - The secondary is sticky. Only [Connector.Switch] leads back.
//   - A failed Commit says whether COMMIT had been sent: [ErrConnLost] is safe to
//     run again, [ErrCommitUnknown] is not.
//
// # What it does not promise
//
// The one topology so far is [Independent]: nothing is replicated, compared,
// fenced or agreed upon with other processes. So two web nodes with different
// views of the network can use different servers; a node that starts anew begins
// with the primary while others stay on the secondary; a primary that was only
// cut off goes on serving whoever reaches it. That is fine for read-only data and
// wrong for everything else.
//
// A server that answers the check but cannot write (disk full, read_only) counts
// as well. [Connector.Switch] cuts running statements instead of draining them.
// Statements of a transaction that fail before Commit carry the driver's error
// as it is: nothing was committed, because Commit was not called.
//
// Under GODEBUG=fips140=only accounts with mysql_native_password (SHA-1) are
// refused; caching_sha2_password (MySQL) and ed25519 (MariaDB) work.
//
// # What an error means
//
// "Dead" is counted; [Careful] and [Fast] say how many in a row, and for how
// long, lead to a switch. "Refusing" and "unknown" never do.
//
//	refused, reset, EOF, unreachable, timeout of the check     dead
//	mysql.ErrInvalidConn while checking                        dead
//	1053 shutting down, 3032 offline mode                      dead
//	1040, 1203, 1226 too many connections; 1129 host blocked   refusing
//	1045 wrong password (asked for again once), 1044, 1049     refusing
//	certificate or TLS not accepted, by either side            refusing
//	every other error number                                   refusing
//	1317, 1927 our check was killed                            unknown
//	credentials callback failed, name not resolved             unknown
//	an answer that the driver does not understand              unknown
//	the caller's context ended                                 no evidence at all
//	this process was paused during the check                   unknown
//	a broken connection while in use                           a check, now
//
// # States
//
// INIT, PRIMARY, SUSPECT, SECONDARY, DOWN; see [State]. Every change has a reason,
// is logged once, counted, and listed by [Connector.Status].
//
// Measured on two shared cores beside both servers (MariaDB 10.11), [Fast]: from
// the primary's death by SIGKILL to the first good query on the secondary 3 to
// 34 ms; a COMMIT to a primary stopped by SIGSTOP freed after 0.6 s. [Careful]
// adds its hold-off of 2 s. Fast has neither hold-off nor a second opinion.
package dbfailover
