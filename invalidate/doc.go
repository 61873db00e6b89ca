// Package invalidate lets the web nodes behind one load balancer keep caches of the same S3 objects
// without ever serving what another node has already replaced.
//
// It is a small HTTPS API between nodes and nothing else: no broker, no database, no election. It
// knows no S3 and no cache; it answers one question on the hot path, [Node.Fresh] ("may I serve this
// cached entry without asking S3?"), and offers one verb to writers, [Node.Announce].
//
//	node, err := invalidate.New(identity, peers, invalidate.Options{})
//	store := s3store.New(..., s3store.Options{Coherence: node})
//	err = node.Start(ctx, store)
//
// # What it promises
//
// A store that follows the two contracts below is linearizable per key: when a Put has returned, no
// Get that begins later, on any node, returns older data, and no Get returns older data than a Get
// that ended before it began. This holds while messages are lost, doubled, delayed and reordered,
// while nodes are cut off in one direction or both, paused, killed and restarted. What a node cannot
// be sure of is not served wrongly, it is served more slowly: Fresh says no, and the store confirms
// its entry with S3 by ETag.
//
//   - Before it looks at its cache, the store asks Fresh; after the answer it looks up the entry and
//     whether it is suspect. In the other order an invalidation slips between the two.
//   - Before it asks S3, a fill notes the key's generation (moved by Changing and Changed) and the
//     suspect epoch (moved by Suspect), and it inserts only if neither has moved. The node's own
//     writes are the store's own business: it knows of them before anybody else does.
//
// A peer that is cut off delays a write by at most the lease time (5 s by default), once: after that it
// holds no lease and nobody waits for it, until it is back.
//
// A cut in one direction delays every write for as long as it lasts. A peer that still reaches the
// writer, but that the writer cannot reach, keeps its lease and hears of each write with its next
// heartbeat: that is a wait of up to Options.Heartbeat (1 s by default), and done may then take up to
// Options.RequestTimeout. The writer, which gets no lease, logs it and is not fresh until it is mended.
//
// # How
//
// Every node holds a lease from every other, renewed by heartbeats (the volume leases of Yin, Alvisi,
// Dahlin and Lin, 1999, after Gray and Cheriton, 1989). The holder counts the lease from the moment
// it *sent* its request, the grantor from the moment it answered, so the holder always stops first.
//
// A writer registers its intent, tells every peer, and may write when each has acknowledged or can
// hold no lease that does not know of it. In between the key is in doubt: peers confirm each use.
// Afterwards it tells the peers that the write is over.
//
// Every lease carries the full list of the writer's open announcements, and the holder applies the
// list before the lease counts. That one rule does most of the work: a lost message is repeated by
// the next heartbeat, a doubt whose end was lost disappears with it, and renewals need not stop
// while messages are under way (they would starve under a steady load of writes). An announcement
// that ends unacknowledged raises the peer's missed counter, which the lease carries as well; a
// holder that sees it move treats everything it has as suspect before the lease counts.
//
// # A sender that dies in the middle of a write
//
// Its S3 request can still land, for up to Options.LandingTime. Its peers knew of the write or had
// lost their lease, but they may restart as well, and so may the sender: a new process would read the
// old version and cache it just before the orphan lands. So nobody is fresh with regard to a node
// until LandingTime after the start of its process, the node itself included, and everything it holds
// becomes suspect at that moment. A node that was closed in good order with no write open
// ([Node.Close]) and restarts within the lease time is spared this: its peers know that nothing of
// its can be in flight, and tell it so. In practice a quick deployment costs nothing and a crash costs
// a minute of conditional GETs. A node without peers is fresh from the start, because the reads of one
// cache cannot go back, and only suspects everything once, LandingTime later.
//
// # Keys that are destroyed
//
// When an application destroys a key of its keyring, what other nodes have cached under that must
// go too. [Node.Shred] has each peer's cache do so, if that is a [Shredder], and acknowledge it, and
// names those that did not.
//
// # What it assumes
//
//   - Every writer to the bucket announces. Writes from elsewhere are not seen.
//   - Clocks run at the same rate within 1 %. They need not agree on the time. The clock is Go's
//     monotonic one: it counts a stopped process but not a suspended machine, so do not suspend.
//   - Of each name at most one process runs at a time, and every node lists all the others. Membership
//     is fixed for the life of a process: to add or remove a member, change the list on all nodes.
//     While a listed peer is down, nobody is fresh; the others confirm with S3.
//   - The same Options.Lease everywhere. Nodes with different ones are safe together; to lower it,
//     stop all nodes first, because a restarted node outwaits leases of its own length.
//   - No S3 request lands later than LandingTime after its sender died.
//
// It does not promise that a peer has dropped what it is already sending to a client, nor anything
// against a peer that holds a valid certificate and lies.
//
// # Who may speak
//
// TLS 1.3 with certificates on both sides, from the CA given and no other. A peer's certificate must
// carry its name as a DNS name, letter for letter (no wildcards), for server and client use, and a
// node may speak for itself alone. Object names travel only inside TLS bodies: not in URLs, errors,
// logs or [Status].
package invalidate
