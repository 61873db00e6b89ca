package testbed

import (
	"bytes"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"net/http"
	"os/exec"
	"syscall"
	"testing"
	"time"
)

// awsLike speaks AWS's protocols in a process of its own.
type awsLike struct {
	// URL is the endpoint, https on 127.0.0.1.
	URL string
	// Region is what requests have to be signed for.
	Region string
	// AccessKey has every right; SecretKey is 40 characters, because signing
	// panics under GODEBUG=fips140=only with secrets shorter than ten.
	AccessKey, SecretKey string
	// CA trusts the server's certificate and nothing else.
	CA *x509.CertPool

	healthy string // path that answers 200 once the server works
	proc    *process
	log     *bytes.Buffer
}

func newAWSLike(ca *CA, port, healthy string) awsLike {
	return awsLike{
		URL: "https://" + net.JoinHostPort("127.0.0.1", port), Region: "us-east-1",
		AccessKey: "AKIDTESTBED", SecretKey: (rand.Text() + rand.Text())[:40],
		CA: ca.Pool(), healthy: healthy, log: &bytes.Buffer{},
	}
}

// run starts cmd and waits until it answers; the test's end kills it.
func (s *awsLike) run(t testing.TB, cmd *exec.Cmd) {
	t.Helper()
	proc, err := launch(cmd)
	if err != nil {
		t.Fatal(err)
	}
	s.proc = proc
	t.Cleanup(func() { proc.end(t, syscall.SIGKILL) })
	if err := proc.await(s.health); err != nil {
		proc.end(t, syscall.SIGKILL) // also ends the writes to the log
		t.Fatalf("%v\n%s", err, s.log.String())
	}
}

func (s *awsLike) health() error {
	client := s.Client()
	defer client.CloseIdleConnections()
	client.Timeout = 5 * time.Second
	res, err := client.Get(s.URL + s.healthy)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("health answers %s", res.Status)
	}
	return nil
}

// Client returns a fresh HTTP client that trusts this server alone.
func (s *awsLike) Client() *http.Client {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.Proxy = nil // a proxy of the machine cannot reach our loopback
	transport.TLSClientConfig = &tls.Config{RootCAs: s.CA, MinVersion: tls.VersionTLS12}
	return &http.Client{Transport: transport}
}
