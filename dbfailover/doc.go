// Package dbfailover is a database/sql connector for two MySQL or MariaDB servers, a
// primary and a secondary, reached over TLS that is always verified. It takes the place
// of a local TCP proxy: there is nothing to install, and what the application changes is
// one line.
//
//	connector, err := dbfailover.New(dbfailover.Config{...})
//	db := sql.OpenDB(connector)
//	defer db.Close() // also closes the connector
//
// # Two masters, one writer
//
// With [Replicated] the two servers are masters of each other and shared with other
// applications, each with a primary of its own. Both are of one [Flavour], MariaDB or
// MySQL, with GTIDs and odd and even automatic ids. An administrator runs [Script] once on
// both. From then on:
//
//   - Every web node uses the same server, and nobody writes to the other one by
//     accident: there the application's account is locked. Nothing server-wide ever
//     changes; the neighbour's account, rows and replication are not touched, but for
//     milliseconds in which applying pauses while a filter is set.
//   - Who writes is recorded in epochs: rows (application, number, server, position),
//     inserted and never changed, on each server for itself. The highest number wins,
//     wherever it is seen; each node also keeps it on disk. One server's numbers are odd,
//     the other one's even, so that two who decide at once never give one to both.
//   - An epoch begins with a fence: the old server's account is locked, its threads are
//     killed until none is left, and only then its position is read and the epoch
//     recorded there. A transaction that was open cannot commit any more. The new server
//     opens once it has that position. Where killed threads do not end for three seconds
//     on a server that cannot write (a full disk), the epoch is recorded in spite of them.
//   - A server that cannot be reached cannot be fenced. Then the new one has to have
//     applied all that it received, and ignores this application's schemas from the old
//     one until that has been fenced and judged. The epoch's first event is a gate: the
//     old server stops applying at it until it knows the epoch and somebody has looked for
//     its tail, so old and new rows do not mix, however it comes back. (If one node had
//     fenced it while another one promoted without, a server with a tail may have taken
//     new rows before it was judged; they are only where the tail is.)
//   - Writes that the old server had and never passed on are its tail. With one, it is
//     tainted: never promoted for this application, and taking over none of its rows,
//     until an administrator has repaired it. [Status] prints the positions and the
//     command that shows them. Canaries and other applications are no tail.
//   - A server locks every account when it boots; one that was started without doing so
//     counts as locked. It is opened again only by a node
//     that has read both servers, or knew the epoch; otherwise the state is DOWN, and
//     [Connector.Switch] with [Force] is for a human.
//   - A server that lacks the position recorded with the highest epoch is never
//     promoted: it was not there in that epoch. One that misses writes of its own was
//     restored from an old copy; it is tainted as soon as it is seen.
//   - A web node that has lost its path to the writer while others reach it, which it
//     sees by their canaries on the secondary, holds still and says so ([ErrVetoed],
//     [Connector.Ready]), so that the load balancer takes out this node alone.
//   - [Connector.Switch] loses nothing: it waits for the old server's position, and
//     opens the old one again if that does not arrive in time. [WhenSynced] does the
//     same by itself once the primary has been in step for a while.
//
// # What it promises in every topology
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
//     many connections, wrong password, bad certificate): see the table below. The one
//     exception is a server that answers and cannot write (disk full): replicated
//     servers are tried with a write each time.
//   - After a switch this process sends nothing more to the old server on the
//     application's behalf. Its connections are closed before the first new one
//     is handed out, which frees statements that hang on them at once. Over TCP
//     they are reset, so the kernel delivers nothing late either.
//   - The query that finds the primary dead need not fail: its Connect waits for
//     the decision and continues on the secondary. One bad check of the secondary
//     does not end that wait. What had been sent already is never sent again.
//   - Every statement that fails says what became of it: [ErrConnLost], nothing is
//     committed, it may run again; [ErrCommitUnknown], it was sent and may have been
//     committed: COMMIT, writes outside of a transaction, DDL, CALL. [RunTx] repeats
//     what is safe and nothing else.
//   - [Connector.Handler] shows state, checks, replication, connections and transitions as
//     HTML, JSON and Prometheus text. It reads and changes nothing.
//
// # What it does not promise
//
// Two servers have no majority. If the network splits so that some nodes reach only the
// primary and others only the secondary, and replication is cut too, the latter promote
// the secondary and the former go on: both write, until either side hears of the higher
// epoch. Then the lower server is fenced at once, and what it wrote meanwhile is its
// tail, kept apart and printed, not merged. Nothing short of a third voter prevents that.
//
// A server that is stopped and goes on (SIGSTOP, a frozen virtual machine) may still
// carry out what lay in its sockets, a COMMIT included, and one whose disk was full what
// waited for room. Its caller was told [ErrCommitUnknown]; the row is part of the tail.
//
// Replication is asynchronous: a primary that dies takes acknowledged rows of its last
// milliseconds with it, into its tail. With semi-synchronous replication (AFTER_SYNC)
// they are on the secondary as well; [Status] says RPOZero only while that is active. The
// server that takes over waits for the dead one, too: docs/database.md has the settings
// without which that takes 10 s, and the two cases in which an acknowledged row can still
// be part of a tail.
//
// A writer under FLUSH TABLES WITH READ LOCK cannot be locked, so it is not replaced, and a
// secondary under it cannot be opened; nor, both, one under MySQL's LOCK INSTANCE FOR BACKUP. A
// statement that the secondary is just applying, a neighbour's long ALTER too, has to end
// before it is promoted.
// Events run although their account is locked. An account that owns events, shares
// schemas, may do more than read outside of App.Schemas, or has a right over the server by
// which a fence is evaded or held up (SUPER, CREATE USER, READ_ONLY ADMIN, RELOAD and their
// like), through a role too, is refused by [New]. So are enabled events in App.Schemas,
// whoever has made them; one elsewhere that writes there is not seen. On MariaDB, so are
// routines and triggers that run in the name of another account: their threads go by that
// name, and no fence finds them. Only App.User is fenced, so only that is let
// in. After a switch both applications may have the same writer: that is an alarm, not a
// state. [Fast] decides before a canary can veto.
//
// The gate stops what a server applies for all applications, until a web node of the
// application whose epoch began reaches it. With that path cut, or no node running, the
// neighbour's rows wait there too, and the neighbour cannot fail over to that server: the
// price of not mixing old and new rows. A server restored from an old copy is found out by
// comparison with the other one; back alone, before the other has been seen by this
// process, it passes for well.
//
// CREATE PROCEDURE, and what else names no table, passes by a quarantine unless the session's
// default schema is one of the application's, as it is from login on. After USE of another
// one, or by an administrator without any, it is taken over with the tail, and run twice it
// stops replication for all.
//
// A SELECT of a function that writes passes for a plain SELECT: outside of a transaction
// its loss is reported as [ErrConnLost] although the function's rows may be there. Rows
// that break off while they are read carry the driver's error; [RunTx] tells what became
// of their transaction.
//
// With [Independent] nothing is replicated, compared, fenced or agreed upon with other
// processes. Two web nodes with different views of the network can use different
// servers; a node that starts anew begins with the primary while others stay on the
// secondary; a primary that was only cut off goes on serving whoever reaches it. Fine
// for read-only data, wrong for everything else. Its Switch cuts running statements.
//
// Under GODEBUG=fips140=only accounts with mysql_native_password (SHA-1) are
// refused; caching_sha2_password (MySQL) and ed25519 (MariaDB) work.
//
// # Which servers
//
// MariaDB 10.5.2 or newer: there the right to replicate came apart from SUPER, so that the
// procedures' account has what it needs and no more. gtid_strict_mode, log_slave_updates,
// and a gtid_domain_id for each server. Tested with 10.5, 10.11
// and 11.8.
//
// MySQL 8.0.23 or newer, for the same reason, and for the one spelling of replication's
// statements that still is there in 9. Tested with 8.0, 8.4 and 9.7. The guarantees are the
// same, by the same tests; flavour.go lists what is said differently. What differs for who
// runs them: the accounts' names have 32 characters at most; performance_schema must be ON, with room
// for every thread as by default, or a fence does not see them all, and
// replica_preserve_commit_order where several threads apply, or the gate is none ([New]
// refuses); a restart takes MySQL a second or two, so [Careful]'s hold-off may be over
// before it is back; a server that lost writes of its own is tainted until it is set up anew,
// because MySQL gives their numbers again. Only the default replication channel is looked at.
//
// [New] refuses two servers of different flavours; [Independent] does not care.
//
// # What an error means
//
// To the checks. "Dead" is counted; [Careful] and [Fast] say how many in a row, and for
// how long, lead to a switch. "Refusing" and "unknown" never do.
//
//	refused, reset, EOF, unreachable, timeout of the check     dead
//	mysql.ErrInvalidConn while checking                        dead
//	1053 shutting down, 3032 offline mode                      dead
//	1040, 1203, 1226 too many connections; 1129 host blocked   refusing
//	1045 wrong password (asked for again once), 1044, 1049     refusing
//	1290, 1836 read-only; 1792 read-only transaction           refusing
//	certificate or TLS not accepted, by either side            refusing
//	every other error number                                   refusing
//	1317, 1927 our check was killed                            unknown
//	credentials callback failed, name not resolved             unknown
//	an answer that the driver does not understand              unknown
//	the caller's context ended                                 no evidence at all
//	this process was paused during the check                   unknown
//	a broken connection while in use                           a check, now
//	a canary that hangs, or 1021, 1026, 1030, 1114 (disk)      cannot write: moved away from
//
// To the application's statements.
//
//	4151, 3118 account locked, on Connect    waits for the epoch, tries again
//	1062, 1290, 1792, 1836 and most others   the server's answer, as it is
//	1053, 1927, 1317, a broken connection    ErrConnLost or ErrCommitUnknown
//	1213, 1205                               as they are; RunTx repeats after a ROLLBACK
//	the caller's context ended               as it is, and ErrCommitUnknown where it may be
//
// # States
//
// INIT, PRIMARY, SUSPECT, SECONDARY, DOWN; with Replicated also PROMOTING, DRAINING and
// FROZEN; see [State]. Every change has a reason, is logged once, counted, and listed by
// [Connector.Status].
//
// Measured on two shared, busy cores beside both servers (MariaDB 10.11), from the fault to
// the first write that the other server acknowledged, Fast and Careful: SIGKILL 7 to 70 ms
// and 2.1 s (2 s of it hold-off), SIGSTOP 0.9 and 3.1 s, packets dropped 1.0 and 3.2 s,
// disk full 1.4 and 3.2 s; a planned Switch 80 to 350 ms. A Connector adds 24 ns and no
// allocation to what the driver does for one prepared statement.
package dbfailover
