// Package s3store keeps sealed datasets in S3 and makes an application forget
// that S3 is far away.
//
// Every object is an envelope: compressed and encrypted before it leaves the
// process, bound to the store's id and its key, under keys the application owns.
// S3's own encryption stays on as a second layer. What was written or read is
// kept in a [diskcache.Cache], so that S3 is asked again only where it must be.
//
//	store, err := s3store.New(client, "bucket", "records", keyring, s3store.Options{Cache: cache})
//	info, err := store.Put(ctx, "patients/17", reader, s3store.PutOptions{})
//	object, err := store.Get(ctx, "patients/17")
//	file, err := store.Open(ctx, "scans/17.dcm") // an io.ReadSeekCloser and io.ReaderAt
//
// # What it promises
//
//   - After a write has returned without an error, no Get that begins later
//     returns older data: on this node always, and on all nodes when they are
//     joined through [Options.Coherence]. No Get sees new data, then old.
//   - Bytes come whole and verified, or not at all: [ErrCorrupt] names the object and
//     its version. It is said when two answers did not verify, for one may have been
//     damaged on its way.
//   - A write either took place, or did not, or the error says that nobody knows:
//     [ErrOutcomeUnknown]. Then the key is served only as S3 has it, until the
//     request can no longer land. A failed upload leaves no parts behind, unless S3
//     cannot be reached for that either: [Store.CleanUploads].
//   - A cache that fails is a miss. With a cache, one fetch serves all callers who
//     wait for the same key; a caller who gives up does not disturb the others. They
//     have the object before it is written to the disk.
//   - After [Store.Destroy] without anything unreached, no node has anything cached of
//     objects that only the destroyed key opened, in memory or on disk. The exception is
//     a node that missed that an object was re-wrapped to that key; see there.
//   - An object of any size that S3 takes is written and read in bounded memory.
//   - If a process dies with a write in flight, what it wrote may land up to
//     [Options.LandingTime] later. A store without peers may serve older data that
//     much longer; with peers, see package invalidate.
//
// All writers of the bucket's objects must be stores like this one. Somebody who
// can write to the bucket can put back an older version of an object, and nothing
// here notices. Keys are in the clear for whoever sees the bucket's listing: do
// not build them from names of people.
//
// # How a write becomes certain
//
// The SDK's own retries are off. A request that was answered with yes or no is what
// it says. One that was not may have taken place: the store reads back whether the
// object begins with the fixed prefix of the envelope that it sent, which holds a
// random object id (an ETag would not do, it comes with the answer). If so, the write
// took place. If not, it may still be on its way, and the key stays in doubt: cached
// entries are confirmed, nothing is inserted. It is sent again only where a second
// landing can hurt nobody: not where it may have landed already, and somebody has
// written after it. commit.go has the table.
//
// After the commit a HEAD must name the new ETag before the data goes into the cache:
// of two uploads, a versioned bucket makes the one current that was started last, not
// the one that ended last. Two writes of one key that overlap on this node insert
// nothing.
//
// # What is held in memory
//
// Get returns whole objects up to [Options.MaxInMemory] (32 MiB); larger ones are
// [ErrTooLarge] for Get, cost their header, and are read with [Store.Open]. The cache
// takes either, the larger ones as streams that are on its disk alone. Put holds 40 MiB
// of parts, 4 MiB of what it reads, and up to MaxInMemory of data until it is known that
// there is more; see [Store.Put] for objects of more than 8 GiB. A File holds less than
// 20 MiB. Measured: 5 GiB up and down within 128 MiB of heap.
//
// # Joining nodes
//
// The store declares what it needs of its peers ([Coherence], [Shredder]) and offers
// what they need of it ([Store.Changing], [Store.Changed], [Store.Suspect],
// [Store.Shred]); package invalidate fits both sides. The nodes' keyring can be an S3
// object too: [KeyringObject].
//
// # Destroying keys
//
// Each entry of the cache is grouped with the version of the keyring's key that opens
// its envelope, and record keys mix in a secret of that group. [Store.Destroy] destroys
// a key with that secret, on every node, and names those that did not confirm it. A
// store follows its *keyring.Keyring: a key that somebody else destroyed goes out of
// the cache when the keyring is read again, or when the next process calls [New]. What
// was re-wrapped stays cached, under its new key.
//
// # Permissions
//
// The application's role needs s3:GetObject, s3:PutObject, s3:DeleteObject,
// s3:AbortMultipartUpload and s3:ListBucket (without it, an object that is not there is
// answered as denied); on a bucket that keeps versions also s3:GetObjectVersion, and
// s3:ListBucketVersions for [Store.Versions]; s3:ListBucketMultipartUploads for
// CleanUploads. [CheckBucket] is for an administrator.
//
// # Limits
//
// Bodies are not covered by the request's signature where TLS is around it, only by a
// CRC-32C that is: a bucket policy that refuses UNSIGNED-PAYLOAD refuses Put.
//
// A re-wrap costs the other nodes their cached copy, once. [Store.Copy] moves the data
// through this process. Listing shows what S3 shows, which nobody has authenticated.
// An answer to [Store.Delete] that was lost cannot be read back: that is unknown.
package s3store
