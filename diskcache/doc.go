// Package diskcache keeps encrypted copies of data on a machine's own disk,
// with the ones used last in memory. It is made for instance storage: large,
// fast, rented, and not trusted to keep a secret or even to keep a byte.
//
// A hit in memory costs no copy and no allocation. A hit on disk is one pread,
// one AES-GCM open and one S2 decode. Of 4 KiB of FHIR JSON that takes less than
// half as long as opening and reading a plain file, of 64 KiB about as long, and
// above it is the plain file that is faster. A restarted process finds its
// entries again.
//
// # What it promises
//
//   - Right bytes or a miss. Every byte on disk is authenticated, together
//     with its key, version, sequence number, file and offset. A flipped bit, a
//     truncated or exchanged file, or an old record copied over a new one is a
//     miss; never an error, a panic, or data of another key.
//   - Nothing readable on disk: neither data, nor keys, nor what belongs to
//     them. What shows is how long each record is after compression.
//   - Nothing stale through a race. A [Fence], captured before the fetch, says
//     whether the key has been revoked, dropped or made suspect since; if so,
//     [Cache.Put] inserts nothing. The check and the insert are one step.
//   - Nothing believed without reason. Every entry found at start is suspect,
//     and so is, after [Cache.Suspect], every older one, until
//     [Cache.Confirm] names exactly its version.
//   - What was dropped stays dropped, also when the process is killed an
//     instant later. (Should the disk refuse to take note, the log says so, and
//     the entry may be found by the next process: as a suspect.)
//   - Bounds. Segments never take more than MaxBytes, kept plaintext never more
//     than MemoryBytes, and up to half a terabyte the number of open files
//     stays in the hundreds. When the disk tier is full, the oldest segment
//     goes, with all that is in it.
//   - In nobody's way. A full or failing disk is an error from Put, a log
//     line, and misses. The cost of Get, Put and Drop does not grow with the
//     number of entries; the folder is listed at Open and never again. There is
//     no goroutine in the background.
//
// # What it does not promise
//
//   - Durability. It is a cache: nothing is synced, a power failure costs what
//     the kernel had not written, and a dropped entry may then be found again.
//     It is suspect, like every other.
//   - Secrecy from somebody who reads this process's memory, or who holds the
//     keyring and a copy of the folder.
//   - Secure deletion. An evicted file is unlinked; flash may keep its
//     ciphertext.
//   - A policy better than age on disk: an entry that is hit every second goes
//     with its segment, and is fetched again.
//   - Salvage: a flipped bit in a record's lengths or metadata, found at start,
//     costs the records behind it in that segment.
//   - Sharing. A folder belongs to one process; a second Open is refused.
//   - A quick Open however large the folder: it reads the metadata of every
//     entry, some 2 us for each.
//
// # Use
//
// The order of things is what makes it correct: first the fence, then the
// fetch, then the insert.
//
//	e, err := cache.Get(key)
//	if err == nil && !e.Suspect {
//		return e.Data, nil
//	}
//	fence := cache.Fence(key)
//	data, etag, err := fetch(ctx, key)
//	if err != nil {
//		return diskcache.View{}, err
//	}
//	view := diskcache.NewView(data)
//	_ = cache.Put(key, view, diskcache.Meta{Version: etag}, fence) // at worst a miss later
//	return view, nil
//
// If the entry is suspect, ask the source whether its version is still current,
// with a fence captured before asking, and Confirm it if so. Whoever writes to
// the source calls [Cache.Revoke], so that fetches under way insert nothing,
// captures a fence, writes, and Puts with that fence; after a write whose
// outcome is unknown, and for the writes of others, [Cache.Drop].
//
// # How it works
//
// Records are appended to segment files, about 256 of them for MaxBytes; a
// record too large for a segment has a file of its own. An index in memory maps
// the keyed hash of a key to file and offset. The key itself is in the sealed
// metadata only and is compared there. Nothing in a file is ever overwritten;
// a drop is a record too, and of several records of a key the one with the
// highest sequence number counts. Formats are specified beside their constants,
// in segment.go (files), record.go (records), seal.go (encryption), key.go and
// folder.go.
//
// The random cache key is wrapped by the caller's [KeyWrapper] and stored beside
// the data. Each segment has a key derived from it, so random nonces never come
// near their limit, and no key outlives a segment but the cache key.
// Everything runs under GODEBUG=fips140=only.
package diskcache
