// Package hipaakit is the root of a kit for web applications that keep protected
// health information (PHI) on rented machines they do not trust. It holds no code;
// take the packages you need:
//
//   - [github.com/hipaakit/hipaakit/s3store] keeps sealed datasets in S3 and caches
//     them; it is what an application calls.
//   - [github.com/hipaakit/hipaakit/envelope] compresses and encrypts on the client:
//     AES-256-GCM, committed to its key, bound to its name, streaming. Its keys come
//     from a [github.com/hipaakit/hipaakit/envelope/keyring].
//   - [github.com/hipaakit/hipaakit/diskcache] is an encrypted cache on the machine's
//     own disk, with a memory tier in front, that survives restarts.
//   - [github.com/hipaakit/hipaakit/invalidate] lets the nodes behind a load balancer
//     invalidate each other's caches, and bounds how stale one can be.
//   - [github.com/hipaakit/hipaakit/dbfailover] is a database/sql connector: verified
//     TLS to a primary MySQL server, and to a secondary when that fails.
//
// # What holds throughout
//
// No byte that was not authenticated leaves a reader. A failed check sticks. The
// zero value of every Options works, and there is no setting that turns protection
// off. Every wait takes a context; every goroutine ends with a Close that waits for
// it. Errors answer questions through [errors.Is], and neither they nor log lines
// hold a secret, a name of an object or its content.
//
// # Which imports which
//
// Arrows point down, and a test proves it: s3store imports envelope and diskcache;
// s3store and invalidate do not know each other and are joined by the application;
// envelope knows nothing of S3, diskcache nothing of envelopes; invalidate needs the
// standard library alone, dbfailover the MySQL driver besides.
package hipaakit
