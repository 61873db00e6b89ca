package main

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/rclone/gofakes3"
	"github.com/rclone/gofakes3/s3mem"
)

// bucketServer is the S3 that the tour runs against: the embedded one, or in a
// test a real one.
type bucketServer struct {
	url         string
	roots       *x509.CertPool
	id, secret  string
	closeServer func() error
}

// embeddedS3 is an S3 server in this process, in memory, behind TLS. It checks
// signatures and checksums.
func embeddedS3(ca *authority) (*bucketServer, error) {
	cert, err := ca.issue("s3.quickstart")
	if err != nil {
		return nil, err
	}
	socket, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	const id = "AKIDQUICKSTART"
	secret := strings.Repeat("quickstart", 4)
	fake := gofakes3.New(s3mem.New(), gofakes3.WithV4Auth(map[string]string{id: secret}))
	server := &http.Server{
		Handler: &oneWriter{next: fake.Server()}, ReadHeaderTimeout: 10 * time.Second,
		TLSConfig: &tls.Config{Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS13},
	}
	go server.ServeTLS(socket, "", "") // ends with Close
	return &bucketServer{fmt.Sprintf("https://%s", socket.Addr()), ca.pool(), id, secret, server.Close}, nil
}

// oneWriter lets one request write at a time: this server's conditional writes
// are not atomic otherwise.
type oneWriter struct {
	mu   sync.Mutex
	next http.Handler
}

func (o *oneWriter) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		o.mu.Lock()
		defer o.mu.Unlock()
	}
	o.next.ServeHTTP(w, r)
}
