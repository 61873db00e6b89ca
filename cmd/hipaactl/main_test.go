package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// hipaactl runs a command line and returns its exit code and what it printed.
func hipaactl(t *testing.T, args ...string) (code int, out, errOut string) {
	t.Helper()
	null, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer null.Close()
	var stdout, stderr bytes.Buffer
	code = terminal{null, &stdout, &stderr}.run(t.Context(), args)
	return code, stdout.String(), stderr.String()
}

func private(t *testing.T, name, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestKeyringIsMadeAndShown(t *testing.T) {
	for flag, secret := range map[string]string{
		"-passphrase-file": private(t, "p", "correct horse battery staple\r\nsecond line"),
		"-key-file":        private(t, "k", strings.Repeat("0f", 32)+"\n"),
	} {
		file := filepath.Join(t.TempDir(), "keyring.json")
		code, out, errOut := hipaactl(t, "keys", "init", "-keyring", file, flag, secret)
		if code != 0 || !strings.Contains(out, "default  1") || !strings.Contains(out, "Keep a copy") {
			t.Fatalf("init: %d\n%s%s", code, out, errOut)
		}
		code, out, errOut = hipaactl(t, "keys", "show", "-keyring", file, flag, secret)
		if code != 0 || !strings.Contains(out, "default  1") {
			t.Fatalf("show: %d\n%s%s", code, out, errOut)
		}
		code, _, errOut = hipaactl(t, "keys", "init", "-keyring", file, flag, secret)
		if code != 1 || !strings.Contains(errOut, "exists already") {
			t.Fatalf("second init: %d\n%s", code, errOut)
		}
	}
}

func TestFailuresSayWhatToDo(t *testing.T) {
	pass, other := private(t, "p", "correct horse battery"), private(t, "o", "another horse battery")
	open := private(t, "open", "correct horse battery")
	os.Chmod(open, 0o644)
	file := filepath.Join(t.TempDir(), "keyring.json")
	if code, _, errOut := hipaactl(t, "keys", "init", "-keyring", file, "-passphrase-file", pass); code != 0 {
		t.Fatal(errOut)
	}
	for name, c := range map[string]struct {
		args []string
		code int
		says string
	}{
		"nothing":           {nil, 2, "usage:"},
		"unknown":           {[]string{"destroy"}, 2, `no command "destroy"`},
		"keys alone":        {[]string{"keys"}, 2, "init or show"},
		"unknown keys":      {[]string{"keys", "eat"}, 2, `"keys eat"`},
		"unknown flag":      {[]string{"keys", "show", "-x"}, 2, "-x"},
		"argument":          {[]string{"keys", "show", "extra"}, 2, `"extra"`},
		"both secrets":      {[]string{"keys", "show", "-key-file", pass, "-passphrase-file", pass}, 2, "exclude each other"},
		"no terminal":       {[]string{"keys", "show"}, 2, "-passphrase-file"},
		"version arguments": {[]string{"version", "x"}, 2, "no arguments"},
		"wrong passphrase":  {[]string{"keys", "show", "-keyring", file, "-passphrase-file", other}, 1, "wrong passphrase"},
		"no keyring":        {[]string{"keys", "show", "-keyring", file + "x", "-passphrase-file", pass}, 1, "not found"},
		"no secret file":    {[]string{"keys", "show", "-passphrase-file", file + "x"}, 1, "no such file"},
		"secret for all":    {[]string{"keys", "show", "-passphrase-file", open}, 1, "make it 0600"},
		"no hexadecimal":    {[]string{"keys", "init", "-key-file", pass}, 1, "64 hexadecimal digits"},
	} {
		code, out, errOut := hipaactl(t, c.args...)
		if code != c.code || !strings.Contains(errOut, c.says) {
			t.Errorf("%s: exit %d, %q", name, code, errOut)
		}
		if strings.Contains(out+errOut, "horse") {
			t.Errorf("%s: the passphrase is printed", name)
		}
	}
}

func TestVersionAndHelp(t *testing.T) {
	if code, out, _ := hipaactl(t, "version"); code != 0 || !strings.HasPrefix(out, "hipaactl ") || !strings.Contains(out, "go1.") {
		t.Errorf("%d %q", code, out)
	}
	if code, out, _ := hipaactl(t, "help"); code != 0 || !strings.Contains(out, "keys init") {
		t.Errorf("%d %q", code, out)
	}
	if code, _, errOut := hipaactl(t, "keys", "show", "-h"); code != 0 || !strings.Contains(errOut, "-passphrase-file") {
		t.Errorf("%d %q", code, errOut)
	}
}
