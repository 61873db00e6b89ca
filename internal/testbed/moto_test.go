package testbed

import (
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestMotoMakesAKeyAndUsesIt(t *testing.T) {
	s := Moto(t)
	var made struct {
		KeyMetadata struct{ Arn string }
	}
	s.ask(t, 200, "CreateKey", `{}`, &made)
	if !strings.HasPrefix(made.KeyMetadata.Arn, "arn:aws:kms:us-east-1:") {
		t.Fatalf("made %q", made.KeyMetadata.Arn)
	}
	var sealed struct{ CiphertextBlob string }
	s.ask(t, 200, "Encrypt", `{"KeyId":"`+made.KeyMetadata.Arn+`","Plaintext":"c2Nhbg=="}`, &sealed)
	var opened struct{ Plaintext, KeyId string }
	s.ask(t, 200, "Decrypt", `{"CiphertextBlob":"`+sealed.CiphertextBlob+`"}`, &opened)
	if opened.Plaintext != "c2Nhbg==" || opened.KeyId != made.KeyMetadata.Arn {
		t.Errorf("opened %+v", opened)
	}
	s.ask(t, 400, "Decrypt", `{"CiphertextBlob":"`+sealed.CiphertextBlob+`","EncryptionContext":{"other":"one"}}`, nil)
}

func TestMotoServersDoNotMeet(t *testing.T) {
	a, b := Moto(t), Moto(t)
	var made struct {
		KeyMetadata struct{ Arn string }
	}
	a.ask(t, 200, "CreateKey", `{}`, &made)
	b.ask(t, 400, "DescribeKey", `{"KeyId":"`+made.KeyMetadata.Arn+`"}`, nil)
	if _, err := a.Client().Get(b.URL); err == nil {
		t.Error("one server's authority vouches for another")
	}
}

// ask calls KMS by its protocol, AWS JSON 1.1. The signature is not checked; its
// scope says which service and Region are meant.
func (s *AWSServer) ask(t *testing.T, status int, operation, body string, answer any) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), "POST", s.URL, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/x-amz-json-1.1")
	req.Header.Set("X-Amz-Target", "TrentService."+operation)
	req.Header.Set("Authorization", "AWS4-HMAC-SHA256 Credential="+s.AccessKey+"/20260101/"+s.Region+"/kms/aws4_request, SignedHeaders=host, Signature=00")
	client := s.Client()
	defer client.CloseIdleConnections()
	res, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if res.StatusCode != status {
		t.Fatalf("%s: %s, want %d", operation, res.Status, status)
	}
	if answer == nil {
		return
	}
	if err := json.NewDecoder(res.Body).Decode(answer); err != nil {
		t.Fatal(err)
	}
}

// TestToolsAreTakenFromTheModuleAlone: above it anybody may have put them.
func TestToolsAreTakenFromTheModuleAlone(t *testing.T) {
	outer := t.TempDir()
	module := filepath.Join(outer, "module")
	inside := filepath.Join(module, "pkg", "deep")
	mkdir := func(dir string) {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	mkdir(inside)
	mkdir(filepath.Join(outer, ".tools", "moto"))
	if err := os.WriteFile(filepath.Join(module, "go.mod"), []byte("module x\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Chdir(inside)
	if folder, ok := toolsFolder(t, "moto"); ok {
		t.Errorf("took %s, outside of the module", folder)
	}
	mkdir(filepath.Join(module, ".tools", "moto"))
	if folder, ok := toolsFolder(t, "moto"); !ok || filepath.Base(filepath.Dir(filepath.Dir(folder))) != "module" {
		t.Errorf("%s, %v", folder, ok)
	}
}
