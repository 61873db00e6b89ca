package envelope

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/hipaakit/hipaakit/internal/testbed"
)

// TestDecoderWrittenFromTheDocument opens every golden vector by a program in
// another language that knows docs/format.md and nothing of this package.
func TestDecoderWrittenFromTheDocument(t *testing.T) {
	packages, err := filepath.Abs("../.tools/python")
	if err != nil {
		t.Fatal(err)
	}
	env := append(os.Environ(), "PYTHONPATH="+packages)
	check := exec.Command("python3", "-c", "import cryptography, zstandard")
	check.Env = env
	if check.Run() != nil {
		testbed.RequireOrSkip(t, "python3 with the packages cryptography and zstandard")
		return
	}
	cmd := exec.Command("python3", "../testdata/interop/decode.py", goldenFolder)
	cmd.Env = env
	out, err := cmd.CombinedOutput()
	if err != nil || !strings.HasSuffix(strings.TrimSpace(string(out)), "vectors opened") {
		t.Fatalf("%v\n%s", err, out)
	}
}
