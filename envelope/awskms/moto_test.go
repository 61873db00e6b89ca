package awskms_test

import (
	"bytes"
	"errors"
	"path/filepath"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kms"

	"github.com/hipaakit/hipaakit/envelope"
	"github.com/hipaakit/hipaakit/envelope/awskms"
	"github.com/hipaakit/hipaakit/envelope/keyring"
	"github.com/hipaakit/hipaakit/internal/testbed"
)

// What moto cannot show is tested against the fake: it uses disabled keys like
// others, checks no policy, and opens nothing under multi-Region keys.

func motoClient(t *testing.T) *kms.Client {
	t.Helper()
	s := testbed.Moto(t)
	return kms.New(kms.Options{
		Region: s.Region, BaseEndpoint: aws.String(s.URL), HTTPClient: s.Client(),
		Credentials: credentials,
	})
}

func createKey(t *testing.T, client *kms.Client) (arn string) {
	t.Helper()
	out, err := client.CreateKey(t.Context(), &kms.CreateKeyInput{})
	if err != nil {
		t.Fatal(err)
	}
	return *out.KeyMetadata.Arn
}

func TestMotoOpensWhatItWrappedAndNothingElse(t *testing.T) {
	client := motoClient(t)
	ours, other := createKey(t, client), createKey(t, client)
	o := awskms.Options{EncryptionContext: map[string]string{"application": "records"}}
	_, keyID, _ := strings.Cut(ours, ":key/")
	for _, by := range []string{ours, keyID} {
		p := protector(t, client, by, o)
		key, wrapped := generate(t, p, id(1))
		opens(t, p, id(1), wrapped, key)
		imported := bytes.Repeat([]byte{7}, keyring.KeySize)
		again, err := p.Wrap(t.Context(), id(2), imported)
		if err != nil {
			t.Fatal(err)
		}
		opens(t, p, id(2), again, imported)
		refused(t, p, id(2), wrapped, keyring.ErrProtector)
		refused(t, protector(t, client, by, awskms.Options{}), id(1), wrapped, keyring.ErrProtector)
		refused(t, protector(t, client, other, o), id(1), wrapped, keyring.ErrProtector)
		// Another key's ciphertext behind our key's name: moto says AccessDenied.
		disguised := bytes.Replace(wrapped, []byte(ours), []byte(other), 1)
		refused(t, protector(t, client, other, o), id(1), disguised, keyring.ErrDenied)
	}
	missing := strings.Replace(ours, keyID, "00000000-0000-0000-0000-000000000000", 1)
	if _, _, err := protector(t, client, missing, o).Generate(t.Context(), id(1)); !errors.Is(err, keyring.ErrDenied) {
		t.Errorf("a key that is not there: %v", err)
	}
}

func TestMotoKeyringSurvivesAnAliasThatMoves(t *testing.T) {
	client := motoClient(t)
	first, second := createKey(t, client), createKey(t, client)
	alias := strings.Split(first, ":key/")[0] + ":alias/app"
	if _, err := client.CreateAlias(t.Context(), &kms.CreateAliasInput{AliasName: aws.String("alias/app"), TargetKeyId: &first}); err != nil {
		t.Fatal(err)
	}
	p := protector(t, client, alias, awskms.Options{})
	file := keyring.File(filepath.Join(t.TempDir(), "keyring.json"))
	kr, err := keyring.Create(t.Context(), file, p)
	if err != nil {
		t.Fatal(err)
	}
	defer kr.Close()
	sealed := map[envelope.KeyID][envelope.DerivedKeySize]byte{id(1): derive(t, kr, id(1))}
	if _, err := client.UpdateAlias(t.Context(), &kms.UpdateAliasInput{AliasName: aws.String("alias/app"), TargetKeyId: &second}); err != nil {
		t.Fatal(err)
	}
	if v, err := kr.Rotate(t.Context(), envelope.DefaultKey); err != nil || v != id(2) {
		t.Fatalf("rotated to %v: %v", v, err)
	}
	sealed[id(2)] = derive(t, kr, id(2))
	again, err := keyring.Open(t.Context(), file, protector(t, client, alias, awskms.Options{}))
	if err != nil {
		t.Fatal(err)
	}
	defer again.Close()
	for v, want := range sealed {
		if derive(t, again, v) != want {
			t.Errorf("%v is another key after a restart", v)
		}
	}
	if sealed[id(1)] == sealed[id(2)] {
		t.Error("both versions are one key")
	}
}
