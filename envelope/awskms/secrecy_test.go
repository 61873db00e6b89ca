package awskms_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"reflect"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/smithy-go/logging"

	"github.com/hipaakit/hipaakit/envelope/awskms"
	"github.com/hipaakit/hipaakit/envelope/keyring"
	"github.com/hipaakit/hipaakit/internal/testbed"
)

// holds says whether text has secret in it, or the first half of it, in any of the
// ways in which it travels.
func holds(text string, secret []byte) bool {
	half := secret[:len(secret)/2/3*3] // base64 goes by threes
	return strings.Contains(text, string(half)) || strings.Contains(text, hex.EncodeToString(half)) ||
		strings.Contains(text, base64.StdEncoding.EncodeToString(half)) || strings.Contains(text, fmt.Sprint(half)[1:40])
}

// TestErrorsHoldNoKey searches errors for the key: their text, and whatever they
// hold on to, since an error may be kept, or printed field by field.
func TestErrorsHoldNoKey(t *testing.T) {
	testbed.Bubble(t, func(t *testing.T) {
		fake := newFakeKMS()
		p := protector(t, fake.direct(east), fake.create(east, account, "k1"), awskms.Options{})
		key, wrapped := generate(t, p, id(1))
		for name, f := range map[string]fault{
			"truncated": truncated, "short": with("Plaintext", key[:31]), "another key": with("KeyId", "arn:aws:kms"),
			"html": echo(200, key, "<html>%s</html>"), "error page": echo(503, key, "<html>%s</html>"),
			"no code": echo(400, key, `{"Plaintext":"%s"}`), "bad error": echo(400, key, `{"__type":"A","message":"%s`),
			"hung up": hangUp, "hangs": hang, "refused": code(400, "AccessDeniedException"), "internal": code(500, "KMSInternalException"),
		} {
			fake.breakAll(f)
			_, unwrapping := p.Unwrap(t.Context(), id(1), wrapped)
			_, wrapping := p.Wrap(t.Context(), id(1), key)
			for _, err := range []error{unwrapping, wrapping} {
				if err == nil {
					continue // what is wrong is in a field that Encrypt does not have
				}
				text := fmt.Sprintf("%v %+v %#v", err, err, err)
				for _, secret := range [][]byte{key, wrapped[60:]} {
					if holds(text, secret) {
						t.Errorf("%s: the text holds it: %s", name, text)
					}
					if path := find(reflect.ValueOf(err), secret, "err", map[uintptr]bool{}); path != "" {
						t.Errorf("%s: %s holds it", name, path)
					}
				}
			}
			if unwrapping == nil {
				t.Errorf("%s: no error", name)
			}
		}
	})
}

// echo answers with what was to stay secret.
func echo(status int, secret []byte, format string) fault {
	return func(w http.ResponseWriter, _ *http.Request, _ map[string]any) {
		w.WriteHeader(status)
		fmt.Fprintf(w, format, base64.StdEncoding.EncodeToString(secret))
	}
}

// find walks a value as far as it goes and says where secret is.
func find(v reflect.Value, secret []byte, path string, seen map[uintptr]bool) string {
	switch v.Kind() {
	case reflect.String:
		if holds(v.String(), secret) {
			return path
		}
	case reflect.Pointer:
		if v.IsNil() || seen[v.Pointer()] {
			return ""
		}
		seen[v.Pointer()] = true
		return find(v.Elem(), secret, path, seen)
	case reflect.Interface:
		return find(v.Elem(), secret, path, seen)
	case reflect.Struct:
		for i := range v.NumField() {
			if found := find(v.Field(i), secret, path+"."+v.Type().Field(i).Name, seen); found != "" {
				return found
			}
		}
	case reflect.Slice:
		if v.Type().Elem().Kind() == reflect.Uint8 {
			if holds(string(v.Bytes()), secret) {
				return path
			}
			return ""
		}
		for i := range v.Len() {
			if found := find(v.Index(i), secret, fmt.Sprintf("%s[%d]", path, i), seen); found != "" {
				return found
			}
		}
	}
	return ""
}

func TestSearchFindsWhatErrorsCouldHold(t *testing.T) {
	secret := []byte("0123456789abcdef0123456789abcdef")
	inner := struct {
		a int
		b any
	}{1, &struct{ body []byte }{[]byte(`{"Plaintext":"` + base64.StdEncoding.EncodeToString(secret) + `"}`)}}
	if path := find(reflect.ValueOf([]any{nil, errors.Join(errors.New("x")), inner}), secret, "err", map[uintptr]bool{}); path != "err[2].b.body" {
		t.Errorf("found %q", path)
	}
}

// TestRefusedMessageIsNotPrinted has KMS quote the request in its message.
func TestRefusedMessageIsNotPrinted(t *testing.T) {
	fake := newFakeKMS()
	p := protector(t, fake.direct(east), fake.create(east, account, "k1"), awskms.Options{})
	key := bytes.Repeat([]byte("7k"), 16)
	fake.inject(echo(400, key, `{"__type":"ValidationException","message":"Value '%s' at 'plaintext'"}`))
	_, err := p.Wrap(t.Context(), id(1), key)
	if isOnly(t, "quoted", err, keyring.ErrDenied); holds(err.Error(), key) {
		t.Errorf("printed: %v", err)
	}
}

func TestClientThatLogsBodiesLogsNone(t *testing.T) {
	fake := newFakeKMS()
	var log bytes.Buffer
	o := fake.direct(east).Options()
	o.ClientLogMode = aws.LogRequestWithBody | aws.LogResponseWithBody | aws.LogRequest | aws.LogResponse | aws.LogRetries
	o.Logger = logging.NewStandardLogger(&log)
	client := kms.New(o)
	p := protector(t, client, fake.create(east, account, "k1"), awskms.Options{})
	key, wrapped := generate(t, p, id(1))
	opens(t, p, id(1), wrapped, key)
	if _, err := p.Wrap(t.Context(), id(1), key); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(log.String(), "TrentService.Decrypt") {
		t.Fatal("nothing was logged at all")
	}
	if holds(log.String(), key) || strings.Contains(log.String(), "Plaintext") {
		t.Errorf("logged: %s", log.String())
	}
	// The client is the caller's and stays as it was.
	if client.Options().ClientLogMode != o.ClientLogMode {
		t.Error("the client was changed")
	}
}

func TestConnectionWithoutTLSIsRefused(t *testing.T) {
	for endpoint, refused := range map[string]bool{
		"http://kms.internal.example": true, "http://10.0.0.7:8080": true, "http://127.0.0.1.example": true,
		"https://kms.internal.example": false, "http://127.0.0.1:4566": false, "http://localhost:4566": false, "http://[::1]:4566": false,
	} {
		fake := newFakeKMS()
		o := fake.direct(east).Options()
		o.BaseEndpoint = aws.String(endpoint)
		p := protector(t, kms.New(o), fake.create(east, account, "k1"), awskms.Options{})
		_, err := p.Wrap(t.Context(), id(1), make([]byte, 32))
		if errors.Is(err, keyring.ErrInvalid) != refused || (len(fake.seen()) == 0) != refused || refused && !strings.Contains(err.Error(), "https") {
			t.Errorf("%s: %v, %d requests", endpoint, err, len(fake.seen()))
		}
	}
}

// keepingAPI remembers the slices of the answers.
type keepingAPI struct {
	*kms.Client
	plain [][]byte
}

func (k *keepingAPI) GenerateDataKey(ctx context.Context, in *kms.GenerateDataKeyInput, o ...func(*kms.Options)) (*kms.GenerateDataKeyOutput, error) {
	out, err := k.Client.GenerateDataKey(ctx, in, o...)
	if out != nil {
		k.plain = append(k.plain, out.Plaintext)
	}
	return out, err
}

func (k *keepingAPI) Decrypt(ctx context.Context, in *kms.DecryptInput, o ...func(*kms.Options)) (*kms.DecryptOutput, error) {
	out, err := k.Client.Decrypt(ctx, in, o...)
	if out != nil {
		k.plain = append(k.plain, out.Plaintext)
	}
	return out, err
}

// TestPlaintextOfTheSDKIsWipedOrHandedOver leaves no copy behind that the caller
// could not wipe.
func TestPlaintextOfTheSDKIsWipedOrHandedOver(t *testing.T) {
	fake := newFakeKMS()
	api := &keepingAPI{Client: fake.direct(east)}
	p := protector(t, api, fake.create(east, account, "k1"), awskms.Options{})
	made, wrapped := generate(t, p, id(1))
	opened, err := p.Unwrap(t.Context(), id(1), wrapped)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range []fault{
		with("KeyId", keyARN(east, account, "k9")), with("KeyId", nil), with("Plaintext", made[:31]), with("CiphertextBlob", make([]byte, 7000)),
	} {
		fake.inject(f, f)
		p.Generate(t.Context(), id(1))
		p.Unwrap(t.Context(), id(1), wrapped)
	}
	clear(made)
	clear(opened)
	if len(api.plain) != 10 {
		t.Fatalf("%d answers", len(api.plain))
	}
	for i, plain := range api.plain {
		if i == 9 { // Decrypt has no CiphertextBlob: this one was good, and went to the caller
			continue
		}
		if len(plain) == 0 || !bytes.Equal(plain, make([]byte, len(plain))) {
			t.Errorf("answer %d is still there", i)
		}
	}
}
