package testbed

import (
	"bytes"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"go/build"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

// S3Server is a running versitygw: S3 over a local folder, path-style addresses,
// versioning available, no bucket yet.
type S3Server struct {
	// URL is the endpoint, https on 127.0.0.1.
	URL string
	// Region is what requests have to be signed for.
	Region string
	// AccessKey has every right; SecretKey is 40 characters, because signing
	// panics under GODEBUG=fips140=only with secrets shorter than ten.
	AccessKey, SecretKey string
	// CA trusts the server's certificate and nothing else.
	CA *x509.CertPool

	proc *process
	log  *bytes.Buffer
}

// VersityGW starts the server (0.2 s). Where versitygw is neither in PATH nor in
// the Go bin folder it ends the test through [RequireOrSkip].
func VersityGW(t testing.TB) *S3Server {
	t.Helper()
	program := findVersityGW(t)
	ca, dir := NewCA(t), account{}.folder(t)
	leaf := ca.Leaf(t, "127.0.0.1", "localhost")
	addr := net.JoinHostPort("127.0.0.1", freePort(t))
	s := &S3Server{
		URL: "https://" + addr, Region: "us-east-1",
		AccessKey: "AKIDTESTBED", SecretKey: (rand.Text() + rand.Text())[:40],
		CA: ca.Pool(), log: &bytes.Buffer{},
	}
	cmd := exec.Command(program, "--quiet", "--keep-alive", "--health", "/health",
		"--port", addr, "--region", s.Region,
		"--cert", account{}.file(t, dir, "cert.pem", leaf.CertPEM),
		"--key", account{}.file(t, dir, "key.pem", leaf.KeyPEM),
		"posix", "--versioning-dir", account{}.sub(t, dir, "versions"), account{}.sub(t, dir, "data"))
	// By environment, not by argument: arguments are readable by every user. Nothing
	// of our own environment: under GODEBUG=fips140=only it could compute no ETag.
	cmd.Env = []string{"ROOT_ACCESS_KEY=" + s.AccessKey, "ROOT_SECRET_KEY=" + s.SecretKey}
	cmd.Dir, cmd.Stdout, cmd.Stderr = dir, s.log, s.log
	s.run(t, cmd)
	return s
}

func (s *S3Server) run(t testing.TB, cmd *exec.Cmd) {
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

func (s *S3Server) health() error {
	client := s.Client()
	defer client.CloseIdleConnections()
	client.Timeout = 5 * time.Second
	res, err := client.Get(s.URL + "/health")
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
func (s *S3Server) Client() *http.Client {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.Proxy = nil // a proxy of the machine cannot reach our loopback
	transport.TLSClientConfig = &tls.Config{RootCAs: s.CA, MinVersion: tls.VersionTLS12}
	return &http.Client{Transport: transport}
}

func findVersityGW(t testing.TB) string {
	t.Helper()
	candidates := []string{"versitygw"}
	if bin := os.Getenv("GOBIN"); bin != "" {
		candidates = append(candidates, filepath.Join(bin, "versitygw"))
	}
	for _, gopath := range filepath.SplitList(build.Default.GOPATH) {
		candidates = append(candidates, filepath.Join(gopath, "bin", "versitygw"))
	}
	for _, name := range candidates {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	RequireOrSkip(t, "versitygw (go install github.com/versity/versitygw/cmd/versitygw@v1.8.0)")
	return ""
}
