// Package testbed starts the real servers that tests attack: two MariaDB
// or MySQL servers that can be killed, stopped and frozen one by one, an S3 server on a
// local disk, and AWS's other services in memory.
//
// Everything runs on loopback, behind TLS with certificates made in the test
// itself, as an ordinary user where the server refuses root, on ports nobody
// else uses, in a folder that is removed at the end. No shell, no openssl and no
// installed service is involved; only the server's own program is needed.
//
// A program that is missing is a reason to skip on a laptop and a failure where
// HIPAAKIT_REQUIRE_SERVERS=1 is set: a CI job that lost its servers must not
// turn green. See [RequireOrSkip]. MySQL's servers, which few distributions have,
// are required by HIPAAKIT_REQUIRE_MYSQL=1 alone.
//
// A child dies with the test process that started it, also when that is killed
// (Linux: PR_SET_PDEATHSIG), so an aborted run leaves no server behind.
//
// What it is not: a way to run servers outside tests. Durability is switched off
// where a test cannot see it, and passwords live in memory only.
package testbed
