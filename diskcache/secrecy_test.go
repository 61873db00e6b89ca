package diskcache

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
)

// TestNoPlaintextOrKeyNameOnDiskOrInTheLog looks for what must be nowhere, in
// several spellings, while the cache is open, after damage, and after it.
func TestNoPlaintextOrKeyNameOnDiskOrInTheLog(t *testing.T) {
	const name, secret, version, blob = "patients/Jane-Roe-1956", "diagnosis: hypertension", "etag-9f8e7d", "X-Patient: Roe"
	dir := newDir(t)
	logger, log := logTo()
	o := Options{MaxBytes: 16 << 20, MemoryBytes: -1, Keys: testKeys{}, Logger: logger}
	c := open4test(t, dir, o)
	m := Meta{Version: version, Blob: []byte(blob)}
	texts := map[string]string{
		"short": secret, // below what is compressed
		"long":  strings.Repeat(secret+"; ", 1000),
		"own":   secret + string(noise(200<<10)),
	}
	for kind, text := range texts {
		key := name + kind
		if err := c.Put(key, NewView([]byte(text)), m, c.Fence(key)); err != nil {
			t.Fatal(err)
		}
	}
	c.Drop(name + "short")
	var all bytes.Buffer
	collect := func() {
		for file, data := range onDisk(t, dir) {
			all.WriteString(file)
			all.Write(data)
		}
	}
	collect()
	for file, data := range onDisk(t, dir) {
		if strings.HasSuffix(file, segmentSuffix) {
			clear(data[200:300])
			if err := os.WriteFile(dir+"/"+file, data, 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	for kind := range texts {
		_, err := c.Get(name + kind)
		fmt.Fprintln(&all, err)
	}
	fmt.Fprintln(&all, c.Put("", View{}, m, c.Fence("")), c.Put(name, View{}, m, Fence{}))
	fmt.Fprintln(&all, c.Put(name, NewView(noise(9<<20)), m, c.Fence(name)))
	collect()
	all.Write(log.Bytes())
	if !strings.Contains(log.String(), "damaged record") {
		t.Errorf("the damage went unnoticed: %s", log)
	}
	key := c.disk.key[:]
	for _, s := range []string{name, "Jane", secret, "hypertension", version, blob, string(key)} {
		for _, spelling := range []string{s, hex.EncodeToString([]byte(s)), base64.StdEncoding.EncodeToString([]byte(s))[:len(s)]} {
			if bytes.Contains(all.Bytes(), []byte(spelling)) {
				t.Errorf("found %q", spelling)
			}
		}
	}
}

// TestWorksUnderFIPS140Only runs the tests that reach all cryptography in a
// process that refuses everything that is not approved.
func TestWorksUnderFIPS140Only(t *testing.T) {
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(exe, "-test.v", "-test.run", "^(TestNewestRecordWinsAfterARestart|TestConfirmBelievesOneVersionOnly|TestUnusableKeyStartsEmptyAndSaysSo|TestFormatIsAsSpecified|TestShreddedGroupIsGone)$")
	cmd.Env = append(os.Environ(), "GODEBUG=fips140=only")
	out, err := cmd.CombinedOutput()
	if err != nil || strings.Count(string(out), "\n--- PASS") != 5 {
		t.Errorf("%v\n%s", err, out)
	}
}
