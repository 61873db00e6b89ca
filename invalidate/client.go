package invalidate

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// httpCarrier speaks HTTP/1.1 over one small pool of connections for each peer. Not HTTP/2: there one
// stuck connection holds up every message, here a message that times out costs its own connection.
type httpCarrier struct {
	clients map[string]*http.Client
}

func newHTTPCarrier(id Identity, peers []Peer) *httpCarrier {
	c := &httpCarrier{clients: map[string]*http.Client{}}
	for _, p := range peers {
		c.clients[p.Name] = &http.Client{
			Transport: &http.Transport{
				// Proxy stays nil: a variable in the environment must not reroute this.
				DialContext:         (&net.Dialer{Timeout: 5 * time.Second, KeepAlive: 15 * time.Second}).DialContext,
				TLSClientConfig:     id.clientTLS(p.Name),
				TLSHandshakeTimeout: 5 * time.Second,
				MaxIdleConnsPerHost: 8,
				IdleConnTimeout:     90 * time.Second,
				DisableCompression:  true,
			},
			// A peer must not send this node elsewhere.
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		}
	}
	return c
}

func (c *httpCarrier) post(ctx context.Context, to Peer, path string, body []byte) ([]byte, error) {
	address := strings.TrimSuffix(to.URL, "/") + path
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, address, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	r.Header.Set("Content-Type", "application/json")
	// Every message is idempotent. The entry, nil so that nothing is sent, lets net/http repeat the
	// request on a new connection when a kept one turns out to have been closed by the peer.
	r.Header["Idempotency-Key"] = nil
	resp, err := c.clients[to.Name].Do(r)
	if err != nil {
		return nil, unwrapURL(err)
	}
	defer resp.Body.Close()
	return readAnswer(resp)
}

func (c *httpCarrier) close() {
	for _, client := range c.clients {
		client.CloseIdleConnections()
	}
}

func readAnswer(resp *http.Response) ([]byte, error) {
	if _, err := provenNames(resp.TLS); err != nil {
		return nil, err
	}
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("peer answered with status %d", resp.StatusCode)
	}
	b, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer+1))
	if err == nil && len(b) > maxAnswer {
		err = errors.New("answer is too large: too many writes are open at once")
	}
	return b, err
}

// unwrapURL drops the wrapping that says "Post" and repeats the address for each failure.
func unwrapURL(err error) error {
	if wrapped, ok := errors.AsType[*url.Error](err); ok {
		return wrapped.Err
	}
	return err
}
