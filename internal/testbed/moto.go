package testbed

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// AWSServer is a running moto: AWS's control APIs and KMS over memory, empty. It
// checks no signature and no policy, and takes any credentials.
type AWSServer struct{ awsLike }

// Moto starts the server (1 s). Where moto is neither in .tools/moto of this
// repository nor in PATH it ends the test through [RequireOrSkip].
func Moto(t testing.TB) *AWSServer {
	t.Helper()
	cmd := motoCommand(t)
	ca, dir, port := NewCA(t), account{}.folder(t), freePort(t)
	leaf := ca.Leaf(t, "127.0.0.1", "localhost")
	s := &AWSServer{newAWSLike(ca, port, "/moto-api/data.json")}
	cmd.Args = append(cmd.Args, "-H", "127.0.0.1", "-p", port,
		"-c", account{}.file(t, dir, "cert.pem", leaf.CertPEM),
		"-k", account{}.file(t, dir, "key.pem", leaf.KeyPEM))
	cmd.Dir, cmd.Stdout, cmd.Stderr = dir, s.log, s.log
	s.run(t, cmd)
	return s
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
