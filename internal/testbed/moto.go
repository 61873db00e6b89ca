package testbed

import (
	"bytes"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

// AWSServer is a running moto: AWS's control APIs and KMS over memory, empty. It
// checks no signature and no policy, and takes any credentials.
type AWSServer struct {
	// URL is the endpoint of every service, https on 127.0.0.1.
	URL string
	// Region is what the tests use; the server has them all.
	Region string
	// AccessKey and SecretKey sign; the secret is 40 characters, because signing
	// panics under GODEBUG=fips140=only with secrets shorter than ten.
	AccessKey, SecretKey string
	// CA trusts the server's certificate and nothing else.
	CA *x509.CertPool

	proc *process
	log  *bytes.Buffer
}

// Moto starts the server (1 s). Where moto is neither in .tools/moto of this
// repository nor in PATH it ends the test through [RequireOrSkip].
func Moto(t testing.TB) *AWSServer {
	t.Helper()
	cmd := motoCommand(t)
	ca, dir, port := NewCA(t), account{}.folder(t), freePort(t)
	leaf := ca.Leaf(t, "127.0.0.1", "localhost")
	s := &AWSServer{
		URL: "https://" + net.JoinHostPort("127.0.0.1", port), Region: "us-east-1",
		AccessKey: "AKIDTESTBED", SecretKey: (rand.Text() + rand.Text())[:40],
		CA: ca.Pool(), log: &bytes.Buffer{},
	}
	cmd.Args = append(cmd.Args, "-H", "127.0.0.1", "-p", port,
		"-c", account{}.file(t, dir, "cert.pem", leaf.CertPEM),
		"-k", account{}.file(t, dir, "key.pem", leaf.KeyPEM))
	cmd.Dir, cmd.Stdout, cmd.Stderr = dir, s.log, s.log
	s.run(t, cmd)
	return s
}

func (s *AWSServer) run(t testing.TB, cmd *exec.Cmd) {
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

func (s *AWSServer) health() error {
	client := s.Client()
	defer client.CloseIdleConnections()
	client.Timeout = 5 * time.Second
	res, err := client.Get(s.URL + "/moto-api/data.json")
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
func (s *AWSServer) Client() *http.Client {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.Proxy = nil // a proxy of the machine cannot reach our loopback
	transport.TLSClientConfig = &tls.Config{RootCAs: s.CA, MinVersion: tls.VersionTLS12}
	return &http.Client{Transport: transport}
}

func motoCommand(t testing.TB) *exec.Cmd {
	t.Helper()
	const what = "moto (scripts/install-test-tools.sh, or pip install 'moto[server]==5.2.1')"
	if folder, ok := toolsFolder(t, "moto"); ok {
		python, err := exec.LookPath("python3")
		if err != nil {
			RequireOrSkip(t, "python3, to run "+what)
		}
		cmd := exec.Command(python, "-m", "moto.server")
		cmd.Env = append(os.Environ(), "PYTHONPATH="+folder)
		return cmd
	}
	path, err := exec.LookPath("moto_server")
	if err != nil {
		RequireOrSkip(t, what)
	}
	return exec.Command(path)
}

// toolsFolder finds .tools/name beside the module's go.mod, from the folder of
// whatever package is being tested, and nowhere above: what is found there is run,
// and a folder above the module may be anybody's, such as one in the system's
// temporary folder.
func toolsFolder(t testing.TB, name string) (string, bool) {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			break
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return "", false
		}
		dir = parent
	}
	folder := filepath.Join(dir, ".tools", name)
	info, err := os.Stat(folder)
	return folder, err == nil && info.IsDir()
}
