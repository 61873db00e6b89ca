package testbed

import (
	"go/build"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// S3Server is a running versitygw: S3 over a local folder, path-style addresses,
// versioning available, no bucket yet.
type S3Server struct{ awsLike }

// VersityGW starts the server (0.2 s). Where versitygw is neither in PATH nor in
// the Go bin folder it ends the test through [RequireOrSkip].
func VersityGW(t testing.TB) *S3Server {
	t.Helper()
	program := findVersityGW(t)
	ca, dir := NewCA(t), account{}.folder(t)
	leaf := ca.Leaf(t, "127.0.0.1", "localhost")
	port := freePort(t)
	addr := net.JoinHostPort("127.0.0.1", port)
	s := &S3Server{newAWSLike(ca, port, "/health")}
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
