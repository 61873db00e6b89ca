package invalidate

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"sync"
	"time"
)

// server owns the socket and the goroutine that accepts on it.
type server struct {
	http http.Server
	wg   sync.WaitGroup

	// handling is held shared by each message. net/http does not wait for a handler whose connection
	// it cuts, and the cache may be gone once Close has returned.
	handling sync.RWMutex
	closed   bool
}

func serve(n *Node, socket net.Listener) *server {
	s := &server{http: http.Server{
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       10 * time.Second,
		WriteTimeout:      10 * time.Second,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    8 << 10,
		// Port scans and health checks of load balancers end up here; refused members do not.
		ErrorLog: slog.NewLogLogger(n.o.Logger.Handler(), slog.LevelDebug),
	}}
	s.http.Handler = s.guard(n.handler())
	listener := tls.NewListener(socket, n.id.serverTLS())
	s.wg.Go(func() {
		if err := s.http.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			n.o.Logger.Error("peers cannot reach this node any more", "error", err)
		}
	})
	return s
}

// close answers what has been asked, until ctx ends. Safe on a server that was never started.
func (s *server) close(ctx context.Context) error {
	if s == nil {
		return nil
	}
	err := s.http.Shutdown(ctx)
	if err != nil {
		err = fmt.Errorf("invalidate: closing: connections were cut: %w", err)
		s.http.Close()
	}
	s.wg.Wait()
	s.handling.Lock()
	defer s.handling.Unlock()
	s.closed = true
	return err
}

func (s *server) guard(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.handling.RLock()
		defer s.handling.RUnlock()
		if s.closed {
			panic(http.ErrAbortHandler)
		}
		next.ServeHTTP(w, r)
	})
}

func (n *Node) handler() http.Handler {
	mux := http.NewServeMux()
	for _, path := range []string{pathLease, pathAnnounce, pathLeave, pathShred} {
		mux.HandleFunc("POST "+path, n.serveMessage)
	}
	return mux
}

func (n *Node) serveMessage(w http.ResponseWriter, r *http.Request) {
	names, err := provenNames(r.TLS)
	if err == nil && !slices.ContainsFunc(names, n.member) {
		err = fmt.Errorf("%w: certificate for %q", errForbidden, names)
	}
	if err != nil {
		n.refuse(w, r, http.StatusForbidden, err)
		return
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxRequest))
	if err != nil {
		n.refuse(w, r, http.StatusBadRequest, errMalformed)
		return
	}
	answer, err := n.receive(names, r.URL.Path, body)
	switch {
	case errors.Is(err, errForbidden):
		n.refuse(w, r, http.StatusForbidden, err)
	case errors.Is(err, errNotShredded):
		n.refuse(w, r, http.StatusInternalServerError, err)
	case errors.Is(err, ErrClosed):
		n.refuse(w, r, http.StatusServiceUnavailable, err)
	case err != nil:
		n.refuse(w, r, http.StatusBadRequest, err)
	default:
		w.Header().Set("Content-Type", "application/json")
		w.Write(answer)
	}
}

// refuse logs who it was and tells them nothing. The connection ends: a peer with a renewed
// certificate shows it on the next one.
func (n *Node) refuse(w http.ResponseWriter, r *http.Request, status int, why error) {
	n.o.Logger.Warn("refused a message", "remote", r.RemoteAddr, "path", r.URL.Path, "status", status, "error", why)
	w.Header().Set("Connection", "close")
	w.WriteHeader(status)
}
