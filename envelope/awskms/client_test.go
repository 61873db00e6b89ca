package awskms_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"syscall"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kms"

	"github.com/hipaakit/hipaakit/envelope"
	"github.com/hipaakit/hipaakit/envelope/awskms"
)

// credentials are 40 characters: signing panics under GODEBUG=fips140=only with
// secrets shorter than ten.
var credentials = aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
	return aws.Credentials{AccessKeyID: "AKIDTEST", SecretAccessKey: strings.Repeat("s", 40)}, nil
})

// direct is the SDK's own client over no network, for tests in fake time: a
// goroutine that waits for a socket is one that synctest takes for busy.
func (f *fakeKMS) direct(region string) *kms.Client {
	return kms.New(kms.Options{
		Region: region, Credentials: credentials,
		HTTPClient: &http.Client{Transport: &inProcess{f, f.region(region)}},
	})
}

// served is the SDK's own client over a socket.
func (f *fakeKMS) served(t testing.TB, region string) *kms.Client {
	t.Helper()
	srv := httptest.NewServer(f.region(region))
	t.Cleanup(srv.Close)
	return kms.New(kms.Options{
		Region: region, Credentials: credentials, BaseEndpoint: aws.String(srv.URL), HTTPClient: srv.Client(),
	})
}

// inProcess calls the handler in place of the network.
type inProcess struct {
	fake    *fakeKMS
	handler http.Handler
}

func (p *inProcess) RoundTrip(r *http.Request) (res *http.Response, err error) {
	p.fake.mu.Lock()
	down := p.fake.down
	p.fake.mu.Unlock()
	if down {
		return nil, &net.OpError{Op: "dial", Net: "tcp", Err: syscall.ECONNREFUSED}
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	r = r.Clone(r.Context())
	r.Body = io.NopCloser(bytes.NewReader(body))
	defer func() {
		if e := recover(); e != nil {
			if e != http.ErrAbortHandler {
				panic(e)
			}
			res, err = nil, io.ErrUnexpectedEOF
		}
	}()
	w := httptest.NewRecorder()
	p.handler.ServeHTTP(w, r)
	if err := r.Context().Err(); err != nil {
		return nil, err
	}
	return w.Result(), nil
}

func protector(t testing.TB, client awskms.API, keyID string, o awskms.Options) *awskms.Protector {
	t.Helper()
	p, err := awskms.New(client, keyID, o)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func id(version uint32) envelope.KeyID {
	return envelope.KeyID{Name: envelope.DefaultKey, Version: version}
}

// generate makes a wrapped key and fails the test where that does not work.
func generate(t testing.TB, p *awskms.Protector, id envelope.KeyID) (key, wrapped []byte) {
	t.Helper()
	key, wrapped, err := p.Generate(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	return key, wrapped
}

// opens says that wrapped opens, and to key.
func opens(t testing.TB, p *awskms.Protector, id envelope.KeyID, wrapped, key []byte) {
	t.Helper()
	got, err := p.Unwrap(t.Context(), id, wrapped)
	if err != nil || !bytes.Equal(got, key) {
		t.Errorf("another key, or none: %v", err)
	}
}

// refused says that wrapped does not open, and why.
func refused(t testing.TB, p *awskms.Protector, id envelope.KeyID, wrapped []byte, want error) {
	t.Helper()
	key, err := p.Unwrap(t.Context(), id, wrapped)
	if !errors.Is(err, want) || key != nil {
		t.Errorf("got a key of %d bytes, %v; want %v", len(key), err, want)
	}
}
