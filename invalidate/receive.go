package invalidate

import (
	"fmt"
	"slices"
)

// receive applies one message from somebody whose certificate carries names, and returns the answer.
// The error is errMalformed or errForbidden.
func (n *Node) receive(names []string, path string, body []byte) ([]byte, error) {
	switch path {
	case pathLease:
		return handle(n, names, body, func(q leaseRequest) any {
			a := n.grants.grant(q)
			a.Heir = n.leases.heir(q)
			return a
		})
	case pathAnnounce:
		return handle(n, names, body, func(m notice) any {
			n.leases.hear(m)
			return struct{}{}
		})
	case pathLeave:
		return handle(n, names, body, func(m farewell) any {
			n.grants.surrender(m)
			n.leases.left(m)
			return struct{}{}
		})
	default:
		return nil, errMalformed
	}
}

// message is what every request has: somebody who claims to have sent it.
type message interface{ sender() string }

func handle[M message](n *Node, names []string, body []byte, do func(M) any) ([]byte, error) {
	var m M
	if err := decode(body, &m); err != nil {
		return nil, err
	}
	// A certificate may carry several names, so the sender says which it is.
	if !slices.Contains(names, m.sender()) || !n.member(m.sender()) {
		return nil, fmt.Errorf("%w: certificate for %q", errForbidden, names)
	}
	return encode(do(m)), nil
}

func (n *Node) member(name string) bool {
	return slices.ContainsFunc(n.peers, func(p Peer) bool { return p.Name == name })
}
