package invalidate

import (
	"fmt"
	"slices"
)

// receive applies one message from somebody whose certificate carries names, and returns the answer.
// The error is errMalformed, errForbidden, errNotShredded or ErrClosed.
func (n *Node) receive(names []string, path string, body []byte) ([]byte, error) {
	switch path {
	case pathLease:
		return handle(n, names, body, func(q leaseRequest) (any, error) {
			a := n.grants.grant(q)
			a.Heir = n.leases.heir(q)
			return a, nil
		})
	case pathAnnounce:
		return handle(n, names, body, func(m notice) (any, error) {
			return struct{}{}, n.leases.hear(m)
		})
	case pathLeave:
		return handle(n, names, body, func(m farewell) (any, error) {
			n.grants.surrender(m)
			n.leases.left(m)
			return struct{}{}, nil
		})
	case pathShred:
		return handle(n, names, body, func(m order) (any, error) {
			return struct{}{}, n.shred(m)
		})
	default:
		return nil, errMalformed
	}
}

// message is what every request has: somebody who claims to have sent it.
type message interface{ sender() string }

func handle[M message](n *Node, names []string, body []byte, do func(M) (any, error)) ([]byte, error) {
	var m M
	if err := decode(body, &m); err != nil {
		return nil, err
	}
	// A certificate may carry several names, so the sender says which it is.
	if !slices.Contains(names, m.sender()) || !n.member(m.sender()) {
		return nil, fmt.Errorf("%w: certificate for %q", errForbidden, names)
	}
	answer, err := do(m)
	if err != nil {
		return nil, err
	}
	return encode(answer), nil
}

func (n *Node) member(name string) bool {
	return slices.ContainsFunc(n.peers, func(p Peer) bool { return p.Name == name })
}
