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
//
// # What it promises
//
//   - After Put or Delete has returned without an error, no Get that begins later
//     returns older data: on this node always, and on all nodes when they are
//     joined through [Options.Coherence]. No Get sees new data, then old.
//   - Bytes come whole and verified, or not at all: [ErrCorrupt].
//   - A write either took place, or did not, or the error says that nobody knows:
//     [ErrOutcomeUnknown]. Then the key is served only as S3 has it, until the
//     request can no longer land.
//   - A cache that fails is a miss. With a cache, one fetch serves all callers who
//     wait for the same key; a caller who gives up does not disturb the others.
//   - If a process dies with a write in flight, what it wrote may land up to
//     [Options.LandingTime] later. A store without peers may serve older data that
//     much longer; with peers, see package invalidate.
//
// All writers of the bucket's objects must be stores like this one. Somebody who
// can write to the bucket can put back an older version of an object, and nothing
// here notices. Keys are in the clear for whoever sees the bucket's listing: do
// not build them from names of people.
//
// # Joining nodes
//
// The store declares what it needs of its peers ([Coherence]) and offers what
// they need of it ([Store.Changing], [Store.Changed], [Store.Suspect]); package
// invalidate fits both sides.
//
// # Limits
//
// Put and Get hold one object in memory, sealed and plain; [Options.MaxObject]
// bounds it. A failed write is not tried again by the store.
package s3store
