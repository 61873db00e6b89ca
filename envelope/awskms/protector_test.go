package awskms_test

import (
	"bytes"
	"context"
	"errors"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/kms"

	"github.com/hipaakit/hipaakit/envelope"
	"github.com/hipaakit/hipaakit/envelope/awskms"
	"github.com/hipaakit/hipaakit/envelope/keyring"
)

func TestGeneratedAndImportedKeysOpen(t *testing.T) {
	fake := newFakeKMS()
	p := protector(t, fake.served(t, east), fake.create(east, account, "k1"), awskms.Options{})
	key, wrapped := generate(t, p, id(1))
	if len(key) != keyring.KeySize || bytes.Contains(wrapped, key) {
		t.Fatalf("a key of %d bytes", len(key))
	}
	opens(t, p, id(1), wrapped, key)
	if again, _ := generate(t, p, id(1)); bytes.Equal(again, key) {
		t.Error("the same key twice")
	}
	imported := bytes.Repeat([]byte{7}, keyring.KeySize)
	wrapped, err := p.Wrap(t.Context(), id(2), imported)
	if err != nil {
		t.Fatal(err)
	}
	opens(t, p, id(2), wrapped, imported)
	if n := len(fake.seen()); n != 5 {
		t.Errorf("%d calls for five operations", n)
	}
}

func TestWrappedKeyOpensUnderItsOwnNameAndPairsOnly(t *testing.T) {
	fake := newFakeKMS()
	arn := fake.create(east, account, "k1")
	extra := map[string]string{"application": "records"}
	p := protector(t, fake.direct(east), arn, awskms.Options{EncryptionContext: extra})
	key, wrapped := generate(t, p, id(3))
	want := map[string]string{
		"hipaakit:keyring": "v1", "hipaakit:key": "default", "hipaakit:version": "3", "application": "records",
	}
	if got := fake.seen()[0].EncryptionContext; !maps.Equal(got, want) {
		t.Errorf("the encryption context is %v", got)
	}
	extra["application"] = "changed by the caller later"
	opens(t, p, id(3), wrapped, key)
	refused(t, p, id(4), wrapped, keyring.ErrProtector)
	refused(t, p, envelope.KeyID{Name: "other", Version: 3}, wrapped, keyring.ErrProtector)
	refused(t, protector(t, fake.direct(east), arn, awskms.Options{}), id(3), wrapped, keyring.ErrProtector)
	other := awskms.Options{EncryptionContext: map[string]string{"application": "billing"}}
	refused(t, protector(t, fake.direct(east), arn, other), id(3), wrapped, keyring.ErrProtector)
}

// TestNoChangedBitOpens damages every byte of a wrapped key.
func TestNoChangedBitOpens(t *testing.T) {
	fake := newFakeKMS()
	p := protector(t, fake.direct(east), fake.create(east, account, "k1"), awskms.Options{})
	_, wrapped := generate(t, p, id(1))
	for i := range wrapped {
		damaged := bytes.Clone(wrapped)
		damaged[i] ^= 1
		if key, err := p.Unwrap(t.Context(), id(1), damaged); err == nil || key != nil {
			t.Errorf("byte %d: a key of %d bytes, %v", i, len(key), err)
		}
		refused(t, p, id(1), wrapped[:i], keyring.ErrProtector)
	}
	refused(t, p, id(1), append(bytes.Clone(wrapped), 0), keyring.ErrProtector)
}

func TestDefaultsAreAnHourAndNoGrace(t *testing.T) {
	fake := newFakeKMS()
	p := protector(t, fake.direct(east), "k1", awskms.Options{})
	if p.Lifetime() != time.Hour || p.Grace() != 0 {
		t.Errorf("lifetime %v, grace %v", p.Lifetime(), p.Grace())
	}
	p = protector(t, fake.direct(east), "k1", awskms.Options{Lifetime: time.Minute, Grace: time.Second})
	if p.Lifetime() != time.Minute || p.Grace() != time.Second {
		t.Errorf("lifetime %v, grace %v", p.Lifetime(), p.Grace())
	}
}

func TestUnusableConfigurationIsRefusedWithAReason(t *testing.T) {
	client := newFakeKMS().direct(east)
	good := keyARN(east, account, "k1")
	long := strings.Repeat("x", 400)
	pairs := func(kv ...string) awskms.Options {
		m := map[string]string{}
		for i := 0; i < len(kv); i += 2 {
			m[kv[i]] = kv[i+1]
		}
		return awskms.Options{EncryptionContext: m}
	}
	for name, c := range map[string]struct {
		client awskms.API
		keyID  string
		o      awskms.Options
		why    string
	}{
		"no client":          {nil, good, awskms.Options{}, "client"},
		"no key":             {client, "", awskms.Options{}, "key id"},
		"a bare alias":       {client, "alias/app", awskms.Options{}, "full ARN"},
		"another service":    {client, "arn:aws:s3:us-east-1:" + account + ":key/k1", awskms.Options{}, "key id"},
		"a short account":    {client, "arn:aws:kms:us-east-1:1:key/k1", awskms.Options{}, "key id"},
		"a line break":       {client, good + "\n", awskms.Options{}, "key id"},
		"no Region":          {client, "arn:aws:kms::" + account + ":key/k1", awskms.Options{}, "key id"},
		"negative lifetime":  {client, good, awskms.Options{Lifetime: -1}, "negative"},
		"negative grace":     {client, good, awskms.Options{Grace: -1}, "negative"},
		"negative timeout":   {client, good, awskms.Options{Timeout: -1}, "negative"},
		"former is an alias": {client, good, awskms.Options{Former: []string{aliasARN(east, "app")}}, "Former[0]"},
		"former elsewhere":   {client, good, awskms.Options{Former: []string{keyARN(west, account, "k0")}}, "Region us-west-2"},
		"too many pairs":     {client, good, pairs("a", "1", "b", "1", "c", "1", "d", "1", "e", "1", "f", "1"), "at most 5"},
		"an empty name":      {client, good, pairs("", "1"), "a key is"},
		"an empty value":     {client, good, pairs("a", ""), "a value is"},
		"a long name":        {client, good, pairs(long, "1"), "a key is"},
		"a long value":       {client, good, pairs("a", long), "a value is"},
		"a wildcard":         {client, good, pairs("a", "prod*"), "a value is"},
		"not UTF-8":          {client, good, pairs("a", "\xff"), "a value is"},
		"a person's name":    {client, good, pairs("patient", "Jane Doe"), "a value is"},
		"AWS's prefix":       {client, good, pairs("AWS:s3:arn", "1"), "reserved"},
		"AWS's other prefix": {client, good, pairs("aws-crypto-x", "1"), "reserved"},
		"our prefix":         {client, good, pairs("Hipaakit:key", "other"), "reserved"},
		"twice":              {client, good, pairs("stage", "1", "Stage", "2"), "case"},
	} {
		_, err := awskms.New(c.client, c.keyID, c.o)
		if !errors.Is(err, keyring.ErrInvalid) || !strings.Contains(err.Error(), c.why) {
			t.Errorf("%s: %v", name, err)
		}
		if err != nil && strings.Contains(err.Error(), "Jane") {
			t.Errorf("%s: the error repeats what may be PHI: %v", name, err)
		}
	}
}

func TestUnusableArgumentsNeverReachKMS(t *testing.T) {
	fake := newFakeKMS()
	p := protector(t, fake.direct(east), fake.create(east, account, "k1"), awskms.Options{})
	_, wrapped := generate(t, p, id(1))
	for _, bad := range []envelope.KeyID{{Version: 1}, {Name: "Jane Doe", Version: 1}, {Name: strings.Repeat("x", 65), Version: 1}} {
		if _, _, err := p.Generate(t.Context(), bad); !errors.Is(err, keyring.ErrInvalid) {
			t.Errorf("generate: %v", err)
		}
		if _, err := p.Wrap(t.Context(), bad, make([]byte, 32)); !errors.Is(err, keyring.ErrInvalid) {
			t.Errorf("wrap: %v", err)
		}
		refused(t, p, bad, wrapped, keyring.ErrInvalid)
	}
	for _, n := range []int{0, 16, 31, 33, 4096} {
		if _, err := p.Wrap(t.Context(), id(1), make([]byte, n)); !errors.Is(err, keyring.ErrInvalid) {
			t.Errorf("%d bytes: %v", n, err)
		}
	}
	refused(t, p, id(1), nil, keyring.ErrProtector)
	refused(t, p, id(1), append([]byte{1}, wrapped[1:]...), keyring.ErrProtector) // a raw key's kind
	if n := len(fake.seen()); n != 1 {
		t.Errorf("%d calls", n)
	}
}

// hollowAPI is a decorator that forgets to answer.
type hollowAPI struct{ awskms.API }

func (hollowAPI) Decrypt(context.Context, *kms.DecryptInput, ...func(*kms.Options)) (*kms.DecryptOutput, error) {
	return nil, nil
}

func TestNilAnswerIsNoPanic(t *testing.T) {
	fake := newFakeKMS()
	arn := fake.create(east, account, "k1")
	_, wrapped := generate(t, protector(t, fake.direct(east), arn, awskms.Options{}), id(1))
	refused(t, protector(t, hollowAPI{}, arn, awskms.Options{}), id(1), wrapped, awskms.ErrUnavailable)
}
