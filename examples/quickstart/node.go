package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"path/filepath"
	"time"

	"github.com/hipaakit/hipaakit/diskcache"
	"github.com/hipaakit/hipaakit/envelope"
	"github.com/hipaakit/hipaakit/invalidate"
	"github.com/hipaakit/hipaakit/s3store"
)

const storeID = "quickstart-records"

// Short, because everything here is on one machine: S3 answers within
// milliseconds, and nobody wants to watch a lease run out. The defaults are for
// two data centres.
const (
	lease   = time.Second
	landing = 500 * time.Millisecond
)

// cluster is what the nodes share.
type cluster struct {
	ca   *authority
	s3   *bucketServer
	keys envelope.Keyring
	dir  string
	addr map[string]string // node's name -> host:port of its invalidation API
}

// node is one web node: a cache, a store, and the line to its peers.
type node struct {
	name  string
	cache *diskcache.Cache
	peers *invalidate.Node
	store *s3store.Store
	wire  *wire
}

func (c *cluster) cacheDir(name string) string { return filepath.Join(c.dir, "cache-"+name) }

// start brings up the node of that name. With memory < 0 its cache has no memory
// tier, so that every hit is a disk hit.
func (c *cluster) start(ctx context.Context, name string, memory int64) (_ *node, err error) {
	n := &node{name: name}
	defer func() {
		if err != nil {
			n.stop(ctx)
		}
	}()
	n.cache, err = diskcache.Open(ctx, c.cacheDir(name), diskcache.Options{
		MaxBytes: 1 << 30, MemoryBytes: memory,
		Keys: envelope.Wrapper{Keyring: c.keys, Binding: envelope.Binding{Store: storeID, Key: "cache key of " + name}},
	})
	if err != nil {
		return nil, err
	}
	id, peers, err := c.membership(name)
	if err != nil {
		return nil, err
	}
	n.peers, err = invalidate.New(id, peers, invalidate.Options{Lease: lease, LandingTime: landing})
	if err != nil {
		return nil, err
	}
	client, w := c.s3.connect()
	n.wire = w
	n.store, err = s3store.New(client, bucket, storeID, c.keys, s3store.Options{
		Cache: n.cache, Coherence: n.peers, LandingTime: landing,
	})
	if err != nil {
		return nil, err
	}
	return n, n.peers.Start(ctx, n.store)
}

func (c *cluster) membership(name string) (invalidate.Identity, []invalidate.Peer, error) {
	cert, err := c.ca.issue(name)
	if err != nil {
		return invalidate.Identity{}, nil, err
	}
	id := invalidate.Identity{Name: name, Certificate: cert, Roots: c.ca.pool(), Addr: c.addr[name]}
	var peers []invalidate.Peer
	for peer, addr := range c.addr {
		if peer != name {
			peers = append(peers, invalidate.Peer{Name: peer, URL: "https://" + addr})
		}
	}
	return id, peers, nil
}

// reserve finds free addresses for the nodes: each must know the others' before
// it starts.
func (c *cluster) reserve(names ...string) error {
	c.addr = map[string]string{}
	for _, name := range names {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return err
		}
		defer l.Close() // not before all are found, so that they differ
		c.addr[name] = l.Addr().String()
	}
	return nil
}

// awaitFresh waits until all the nodes hold their leases.
func awaitFresh(ctx context.Context, nodes ...*node) error {
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for _, n := range nodes {
		for !n.peers.Fresh("any") {
			select {
			case <-tick.C:
			case <-ctx.Done():
				return fmt.Errorf("node %s does not hear its peers: %w", n.name, ctx.Err())
			}
		}
	}
	return nil
}

// stop ends the node in the order in which its parts use each other.
func (n *node) stop(ctx context.Context) error {
	var errs []error
	if n.store != nil {
		errs = append(errs, n.store.Close())
	}
	if n.peers != nil {
		errs = append(errs, n.peers.Close(ctx))
	}
	if n.cache != nil {
		errs = append(errs, n.cache.Close())
	}
	if n.wire != nil {
		n.wire.disconnect()
	}
	return errors.Join(errs...)
}
