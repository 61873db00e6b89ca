package testbed

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"
)

func TestVersityGWKeepsVersionsForTheRightKeyOnly(t *testing.T) {
	s := VersityGW(t)
	if len(s.SecretKey) != 40 {
		t.Fatalf("the secret has %d characters, want 40", len(s.SecretKey))
	}
	s.expect(t, 200, "PUT", "/box", "", "")
	s.expect(t, 200, "PUT", "/box", "versioning",
		`<VersioningConfiguration xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Status>Enabled</Status></VersioningConfiguration>`)
	s.expect(t, 200, "PUT", "/box/scan.dcm", "", "first")
	s.expect(t, 200, "PUT", "/box/scan.dcm", "", "second")
	if got := s.expect(t, 200, "GET", "/box/scan.dcm", "", ""); got != "second" {
		t.Errorf("read back %q", got)
	}
	if list := s.expect(t, 200, "GET", "/box", "versions", ""); strings.Count(list, "<VersionId>") != 2 {
		t.Errorf("want two versions in %s", list)
	}
	thief := *s
	thief.SecretKey = strings.Repeat("x", 40)
	thief.expect(t, 403, "GET", "/box/scan.dcm", "", "")
}

func TestVersityGWServersDoNotMeet(t *testing.T) {
	a, b := VersityGW(t), VersityGW(t)
	a.expect(t, 200, "PUT", "/box", "", "")
	b.expect(t, 404, "GET", "/box", "", "")
	if _, err := a.Client().Get(b.URL + "/health"); err == nil {
		t.Error("one server's authority vouches for another")
	}
}

// expect sends one request signed with AWS Signature Version 4 ("Signature
// calculations for the Authorization header", Amazon S3 API reference) and
// returns the body.
func (s *S3Server) expect(t *testing.T, status int, method, path, query, body string) string {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, s.URL+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if query != "" {
		req.URL.RawQuery = query + "="
	}
	s.sign(req, []byte(body))
	client := s.Client()
	defer client.CloseIdleConnections()
	res, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	var answer bytes.Buffer
	if _, err := io.Copy(&answer, res.Body); err != nil {
		t.Fatal(err)
	}
	if res.StatusCode != status {
		t.Fatalf("%s %s?%s: %s, want %d\n%s", method, path, query, res.Status, status, answer.String())
	}
	return answer.String()
}

func (s *S3Server) sign(req *http.Request, body []byte) {
	now := time.Now().UTC()
	stamp, day := now.Format("20060102T150405Z"), now.Format("20060102")
	hash := fmt.Sprintf("%x", sha256.Sum256(body))
	req.Header.Set("X-Amz-Date", stamp)
	req.Header.Set("X-Amz-Content-Sha256", hash)
	const signed = "host;x-amz-content-sha256;x-amz-date"
	canonical := strings.Join([]string{req.Method, req.URL.Path, req.URL.RawQuery,
		"host:" + req.URL.Host, "x-amz-content-sha256:" + hash, "x-amz-date:" + stamp, "", signed, hash}, "\n")
	scope := day + "/" + s.Region + "/s3/aws4_request"
	text := fmt.Sprintf("AWS4-HMAC-SHA256\n%s\n%s\n%x", stamp, scope, sha256.Sum256([]byte(canonical)))
	key := []byte("AWS4" + s.SecretKey)
	for _, part := range []string{day, s.Region, "s3", "aws4_request", text} {
		mac := hmac.New(sha256.New, key)
		mac.Write([]byte(part))
		key = mac.Sum(nil)
	}
	req.Header.Set("Authorization", fmt.Sprintf("AWS4-HMAC-SHA256 Credential=%s/%s, SignedHeaders=%s, Signature=%s",
		s.AccessKey, scope, signed, hex.EncodeToString(key)))
}
