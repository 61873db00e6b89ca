package awskms_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"
	"github.com/aws/smithy-go"

	"github.com/hipaakit/hipaakit/envelope/awskms"
	"github.com/hipaakit/hipaakit/envelope/keyring"
	"github.com/hipaakit/hipaakit/internal/testbed"
)

var kinds = []error{keyring.ErrDenied, keyring.ErrProtector, keyring.ErrInvalid, awskms.ErrUnavailable}

// isOnly says that err answers yes to want and to no other of the questions that a
// keyring asks.
func isOnly(t *testing.T, name string, err, want error) {
	t.Helper()
	for _, kind := range kinds {
		if errors.Is(err, kind) != (kind == want) {
			t.Errorf("%s: %v; is it %v? %v", name, err, kind, errors.Is(err, kind))
		}
	}
}

// TestNoIsToldFromSilence has KMS fail in every way that it knows, behind the
// SDK's real client, for each of the three operations.
func TestNoIsToldFromSilence(t *testing.T) {
	const none, all = 1, 3 // attempts: the SDK's standard retryer makes three
	for name, c := range map[string]struct {
		fault    fault
		want     error
		attempts int
	}{
		"access denied":       {code(400, "AccessDeniedException"), keyring.ErrDenied, none},
		"disabled":            {code(400, "DisabledException"), keyring.ErrDenied, none},
		"pending deletion":    {code(400, "KMSInvalidStateException"), keyring.ErrDenied, none},
		"deleted":             {code(400, "NotFoundException"), keyring.ErrDenied, none},
		"wrong usage":         {code(400, "InvalidKeyUsageException"), keyring.ErrDenied, none},
		"not validated":       {code(400, "ValidationException"), keyring.ErrDenied, none},
		"expired credentials": {code(400, "ExpiredTokenException"), keyring.ErrDenied, none},
		"unknown credentials": {code(403, "UnrecognizedClientException"), keyring.ErrDenied, none},
		"never heard of":      {code(400, "BrandNewException"), keyring.ErrDenied, none},
		"damaged":             {code(400, "InvalidCiphertextException"), keyring.ErrProtector, none},
		"another key's":       {code(400, "IncorrectKeyException"), keyring.ErrProtector, none},
		"throttled":           {code(400, "ThrottlingException"), awskms.ErrUnavailable, all},
		"limited":             {code(400, "LimitExceededException"), awskms.ErrUnavailable, all},
		"too many":            {code(429, "AnythingException"), awskms.ErrUnavailable, none},
		"took too long":       {code(400, "RequestTimeoutException"), awskms.ErrUnavailable, all},
		"internal":            {code(500, "KMSInternalException"), awskms.ErrUnavailable, all},
		"dependency":          {code(503, "DependencyTimeoutException"), awskms.ErrUnavailable, all},
		"key unavailable":     {code(500, "KeyUnavailableException"), awskms.ErrUnavailable, all},
		"server's by type":    {code(400, "KMSInternalException"), awskms.ErrUnavailable, none},
		"denied by a broken":  {code(500, "AccessDeniedException"), awskms.ErrUnavailable, all},
		"gateway":             {page(502), awskms.ErrUnavailable, all},
		"somebody's 403":      {page(403), awskms.ErrUnavailable, none},
		"no code":             {func(w http.ResponseWriter, _ *http.Request, _ map[string]any) { w.WriteHeader(400) }, awskms.ErrUnavailable, none},
		"hung up":             {hangUp, awskms.ErrUnavailable, 0},
		"hangs":               {hang, awskms.ErrUnavailable, none},
		"no JSON":             {body("<html>welcome</html>"), awskms.ErrUnavailable, none},
		"half a JSON":         {body(`{"KeyId":"arn`), awskms.ErrUnavailable, none},
		"nothing":             {body(""), awskms.ErrUnavailable, none},
		"hollow":              {body("{}"), awskms.ErrUnavailable, none},
		"wrong types":         {body(`{"KeyId":7,"Plaintext":{},"CiphertextBlob":[]}`), awskms.ErrUnavailable, none},
	} {
		testbed.Bubble(t, func(t *testing.T) {
			fake := newFakeKMS()
			p := protector(t, fake.direct(east), fake.create(east, account, "k1"), awskms.Options{})
			key, wrapped := generate(t, p, id(1))
			fake.breakAll(c.fault)
			before := len(fake.seen())
			got, err := p.Unwrap(t.Context(), id(1), wrapped)
			if isOnly(t, name, err, c.want); got != nil {
				t.Errorf("%s: a key came out", name)
			}
			if n := len(fake.seen()) - before; c.attempts > 0 && n != c.attempts {
				t.Errorf("%s: %d attempts", name, n)
			}
			got, made, err := p.Generate(t.Context(), id(1))
			if isOnly(t, name, err, c.want); got != nil || made != nil {
				t.Errorf("%s: a key was made", name)
			}
			made, err = p.Wrap(t.Context(), id(1), key)
			if isOnly(t, name, err, c.want); made != nil {
				t.Errorf("%s: a key was wrapped", name)
			}
			fake.breakAll(nil)
			opens(t, p, id(1), wrapped, key)
		})
	}
}

// TestAnswersThatCannotBeAreRefused changes one field of a good answer at a time.
func TestAnswersThatCannotBeAreRefused(t *testing.T) {
	fake := newFakeKMS()
	p := protector(t, fake.direct(east), fake.create(east, account, "k1"), awskms.Options{})
	key, wrapped := generate(t, p, id(1))
	for name, c := range map[string]struct {
		fault   fault
		want    error
		encrypt bool // the field is one of Encrypt's too
		decrypt bool
	}{
		"no key id":        {with("KeyId", nil), awskms.ErrUnavailable, true, true},
		"no plaintext":     {with("Plaintext", nil), awskms.ErrUnavailable, false, true},
		"empty plaintext":  {with("Plaintext", []byte{}), awskms.ErrUnavailable, false, true},
		"short plaintext":  {with("Plaintext", make([]byte, 31)), keyring.ErrProtector, false, true},
		"AES-128":          {with("Plaintext", []byte("0123456789abcdef")), keyring.ErrProtector, false, true},
		"long plaintext":   {with("Plaintext", []byte("0123456789abcdef0123456789abcdef0")), keyring.ErrProtector, false, true},
		"zeros":            {with("Plaintext", make([]byte, 32)), keyring.ErrProtector, false, true},
		"no ciphertext":    {with("CiphertextBlob", nil), awskms.ErrUnavailable, true, false},
		"empty ciphertext": {with("CiphertextBlob", []byte{}), awskms.ErrUnavailable, true, false},
		"long ciphertext":  {with("CiphertextBlob", make([]byte, 6145)), keyring.ErrProtector, true, false},
	} {
		fake.inject(c.fault)
		got, made, err := p.Generate(t.Context(), id(1))
		if isOnly(t, name, err, c.want); got != nil || made != nil {
			t.Errorf("%s: a key was made", name)
		}
		if c.encrypt {
			fake.inject(c.fault)
			made, err := p.Wrap(t.Context(), id(1), key)
			if isOnly(t, name, err, c.want); made != nil {
				t.Errorf("%s: a key was wrapped", name)
			}
		}
		if c.decrypt {
			fake.inject(c.fault)
			got, err := p.Unwrap(t.Context(), id(1), wrapped)
			if isOnly(t, name, err, c.want); got != nil {
				t.Errorf("%s: a key came out", name)
			}
		}
	}
}

// TestRetriesAreTheSDKs lets a call succeed after failures that the SDK retries.
func TestRetriesAreTheSDKs(t *testing.T) {
	testbed.Bubble(t, func(t *testing.T) {
		fake := newFakeKMS()
		p := protector(t, fake.direct(east), fake.create(east, account, "k1"), awskms.Options{})
		key, wrapped := generate(t, p, id(1))
		fake.inject(code(400, "ThrottlingException"), page(503), nil)
		opens(t, p, id(1), wrapped, key)
		if n := fake.count("Decrypt"); n != 3 {
			t.Errorf("%d attempts", n)
		}
	})
}

func TestWaitingEndsWithTheCallersContextAndWithTheTimeout(t *testing.T) {
	testbed.Bubble(t, func(t *testing.T) {
		fake := newFakeKMS()
		p := protector(t, fake.direct(east), fake.create(east, account, "k1"), awskms.Options{Timeout: 20 * time.Second})
		_, wrapped := generate(t, p, id(1))
		fake.breakAll(hang)
		try := func(name string, ctx context.Context, after time.Duration, want ...error) {
			t.Helper()
			start := time.Now()
			_, err := p.Unwrap(ctx, id(1), wrapped)
			if took := time.Since(start); took != after {
				t.Errorf("%s: gave up after %v", name, took)
			}
			for _, w := range want {
				if !errors.Is(err, w) {
					t.Errorf("%s: %v is not %v", name, err, w)
				}
			}
			if errors.Is(err, awskms.ErrUnavailable) == errors.Is(err, context.Canceled) {
				t.Errorf("%s: %v: a caller who gives up says nothing about KMS", name, err)
			}
		}
		try("no deadline", t.Context(), 20*time.Second, context.DeadlineExceeded, awskms.ErrUnavailable)
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		try("a deadline", ctx, 5*time.Second, context.DeadlineExceeded, awskms.ErrUnavailable)
		reason := errors.New("the page was closed")
		leaving, leave := context.WithCancelCause(t.Context())
		time.AfterFunc(time.Second, func() { leave(reason) })
		try("canceled", leaving, time.Second, context.Canceled, reason)
		try("canceled before", leaving, 0, context.Canceled, reason)
	})
}

// TestNoThatComesLateIsANo has the deadline pass as KMS refuses.
func TestNoThatComesLateIsANo(t *testing.T) {
	fake := newFakeKMS()
	arn := fake.create(east, account, "k1")
	_, wrapped := generate(t, protector(t, fake.direct(east), arn, awskms.Options{}), id(1))
	ctx, cancel := context.WithCancel(t.Context())
	p := protector(t, lateAPI{fake.direct(east), cancel}, arn, awskms.Options{})
	fake.setState(arn, "AccessDeniedException")
	_, err := p.Unwrap(ctx, id(1), wrapped)
	isOnly(t, "late", err, keyring.ErrDenied)
}

// lateAPI ends the caller's context once the answer is there.
type lateAPI struct {
	*kms.Client
	cancel func()
}

func (l lateAPI) Decrypt(ctx context.Context, in *kms.DecryptInput, o ...func(*kms.Options)) (*kms.DecryptOutput, error) {
	defer l.cancel()
	return l.Client.Decrypt(ctx, in, o...)
}

// TestCanceledWhileTheAnswerIsRead gives up where the SDK's error, which may hold
// half of a key, is not kept.
func TestCanceledWhileTheAnswerIsRead(t *testing.T) {
	fake := newFakeKMS()
	arn := fake.create(east, account, "k1")
	_, wrapped := generate(t, protector(t, fake.direct(east), arn, awskms.Options{}), id(1))
	reason := errors.New("the page was closed")
	ctx, cancel := context.WithCancelCause(t.Context())
	_, err := protector(t, cutAPI{fake.direct(east), func() { cancel(reason) }}, arn, awskms.Options{}).Unwrap(ctx, id(1), wrapped)
	if isOnly(t, "cut", err, nil); !errors.Is(err, reason) || !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

// cutAPI loses its caller half way through an answer.
type cutAPI struct {
	*kms.Client
	cancel func()
}

func (c cutAPI) Decrypt(context.Context, *kms.DecryptInput, ...func(*kms.Options)) (*kms.DecryptOutput, error) {
	c.cancel()
	return nil, &smithy.DeserializationError{Err: io.ErrUnexpectedEOF, Snapshot: []byte(`{"Plaintext":"`)}
}

func TestUnreachableServiceIsUnavailable(t *testing.T) {
	testbed.Bubble(t, func(t *testing.T) {
		fake := newFakeKMS()
		p := protector(t, fake.direct(east), fake.create(east, account, "k1"), awskms.Options{})
		key, wrapped := generate(t, p, id(1))
		fake.setDown(true)
		_, err := p.Unwrap(t.Context(), id(1), wrapped)
		isOnly(t, "refused connection", err, awskms.ErrUnavailable)
		if op := (*net.OpError)(nil); !errors.Is(err, syscall.ECONNREFUSED) || !errors.As(err, &op) || !strings.Contains(err.Error(), "refused") {
			t.Errorf("the cause is lost: %v", err)
		}
		fake.setDown(false)
		opens(t, p, id(1), wrapped, key)
	})
}

func TestMissingCredentialsAreNoRefusal(t *testing.T) {
	missing := errors.New("no role on this machine")
	client := kms.New(kms.Options{Region: east, Credentials: aws.CredentialsProviderFunc(
		func(context.Context) (aws.Credentials, error) { return aws.Credentials{}, missing })})
	_, _, err := protector(t, client, "k1", awskms.Options{}).Generate(t.Context(), id(1))
	isOnly(t, "no credentials", err, awskms.ErrUnavailable)
	if !errors.Is(err, missing) || !strings.Contains(err.Error(), "credentials") {
		t.Errorf("got %v", err)
	}
}

func TestErrorsKeepKMSsOwnTypeAndTheRequest(t *testing.T) {
	fake := newFakeKMS()
	arn := fake.create(east, account, "k1")
	p := protector(t, fake.served(t, east), arn, awskms.Options{})
	fake.setState(arn, "DisabledException")
	_, _, err := p.Generate(t.Context(), id(1))
	if disabled := (*types.DisabledException)(nil); !errors.As(err, &disabled) {
		t.Errorf("got %v", err)
	}
	for _, part := range []string{"GenerateDataKey", "DisabledException", "400", "11111111-2222"} {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("%q does not name %s", err, part)
		}
	}
}
