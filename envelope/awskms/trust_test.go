package awskms_test

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/hipaakit/hipaakit/envelope/awskms"
	"github.com/hipaakit/hipaakit/envelope/keyring"
)

// TestAttackersKMSKeyIsNotAsked is the attack on a client that lets the ciphertext
// choose its key: somebody who can write the document wraps a key he knows under
// his own KMS key, whose policy lets everybody decrypt.
func TestAttackersKMSKeyIsNotAsked(t *testing.T) {
	fake := newFakeKMS()
	ours, theirs := fake.create(east, account, "k1"), fake.create(east, stranger, "k1")
	fake.point(aliasARN(east, "app"), ours)
	_, planted := generate(t, protector(t, fake.direct(east), theirs, awskms.Options{}), id(1))
	for _, keyID := range []string{ours, aliasARN(east, "app")} {
		before := len(fake.seen())
		refused(t, protector(t, fake.direct(east), keyID, awskms.Options{}), id(1), planted, keyring.ErrProtector)
		if len(fake.seen()) != before {
			t.Errorf("%s: KMS was asked", keyID)
		}
	}
	// With the ARN of our key in front, and by the bare id that both keys have, it
	// is KMS who refuses: it is told which key to use.
	disguised := bytes.Replace(planted, []byte(stranger), []byte(account), 1)
	for _, keyID := range []string{ours, aliasARN(east, "app"), "k1"} {
		refused(t, protector(t, fake.direct(east), keyID, awskms.Options{}), id(1), disguised, keyring.ErrProtector)
	}
	refused(t, protector(t, fake.direct(east), "k1", awskms.Options{}), id(1), planted, keyring.ErrProtector)
	for _, c := range fake.seen() {
		if c.KeyId == "" || c.Op == "Decrypt" && strings.Contains(c.KeyId, stranger) {
			t.Errorf("%s was called for %q", c.Op, c.KeyId)
		}
	}
}

func TestEveryWayToNameAKeyOpens(t *testing.T) {
	fake := newFakeKMS()
	arn := fake.create(east, account, "k1")
	fake.point(aliasARN(east, "team/app"), arn)
	names := []string{arn, "k1", aliasARN(east, "team/app")}
	for _, by := range names {
		key, wrapped := generate(t, protector(t, fake.direct(east), by, awskms.Options{}), id(1))
		for _, other := range names {
			opens(t, protector(t, fake.direct(east), other, awskms.Options{}), id(1), wrapped, key)
		}
	}
}

func TestAliasThatMovedOpensWhatItsFormerKeyWrapped(t *testing.T) {
	fake := newFakeKMS()
	first, second := fake.create(east, account, "k1"), fake.create(east, account, "k2")
	alias := aliasARN(east, "app")
	fake.point(alias, first)
	p := protector(t, fake.direct(east), alias, awskms.Options{})
	key, wrapped := generate(t, p, id(1))
	fake.point(alias, second)
	opens(t, p, id(1), wrapped, key)
	newKey, newWrapped := generate(t, p, id(2))
	opens(t, p, id(2), newWrapped, newKey)
	if calls := fake.seen(); calls[1].KeyId != first || calls[3].KeyId != second {
		t.Errorf("opened with %s, then %s", calls[1].KeyId, calls[3].KeyId)
	}
	fake.setState(first, "DisabledException")
	refused(t, p, id(1), wrapped, keyring.ErrDenied)
}

func TestReplacedKeyOpensWhenNamedAsFormer(t *testing.T) {
	fake := newFakeKMS()
	first, second := fake.create(east, account, "k1"), fake.create(east, account, "k2")
	elsewhere := fake.create(east, stranger, "k3") // an account of ours, before we moved
	key, wrapped := generate(t, protector(t, fake.direct(east), first, awskms.Options{}), id(1))
	moved, movedWrapped := generate(t, protector(t, fake.direct(east), elsewhere, awskms.Options{}), id(1))
	refused(t, protector(t, fake.direct(east), second, awskms.Options{}), id(1), wrapped, keyring.ErrProtector)
	_, err := protector(t, fake.direct(east), second, awskms.Options{}).Unwrap(t.Context(), id(1), wrapped)
	if !strings.Contains(err.Error(), first) || !strings.Contains(err.Error(), "Options.Former") {
		t.Errorf("the error does not say what to do: %v", err)
	}
	for _, keyID := range []string{second, "k2"} {
		p := protector(t, fake.direct(east), keyID, awskms.Options{Former: []string{first, elsewhere}})
		opens(t, p, id(1), wrapped, key)
		opens(t, p, id(1), movedWrapped, moved)
		_, fresh := generate(t, p, id(2))
		if !bytes.Contains(fresh, []byte(second)) {
			t.Error("a former key wraps")
		}
	}
}

func TestMultiRegionKeyOpensThroughEveryReplica(t *testing.T) {
	fake := newFakeKMS()
	primary := fake.create(east, account, "mrk-1")
	replica := fake.replicate(primary, west)
	fake.point(aliasARN(east, "app"), primary)
	fake.point(aliasARN(west, "app"), replica)
	easts := []string{primary, aliasARN(east, "app"), "mrk-1"}
	wests := []string{replica, aliasARN(west, "app"), "mrk-1"}
	for i := range easts {
		a := protector(t, fake.direct(east), easts[i], awskms.Options{})
		b := protector(t, fake.direct(west), wests[i], awskms.Options{})
		key, wrapped := generate(t, a, id(1))
		opens(t, b, id(1), wrapped, key)
		key, wrapped = generate(t, b, id(2))
		opens(t, a, id(2), wrapped, key)
	}
	// Former keys as well.
	key, wrapped := generate(t, protector(t, fake.direct(east), primary, awskms.Options{}), id(1))
	next := protector(t, fake.direct(west), fake.create(west, account, "k2"), awskms.Options{Former: []string{replica}})
	opens(t, next, id(1), wrapped, key)
}

func TestOtherKeysAreNotTakenForReplicas(t *testing.T) {
	fake := newFakeKMS()
	single := fake.create(east, account, "k1")
	fake.create(west, account, "k1")
	_, wrapped := generate(t, protector(t, fake.direct(east), single, awskms.Options{}), id(1))
	for _, keyID := range []string{keyARN(west, account, "k1"), aliasARN(west, "app")} {
		refused(t, protector(t, fake.direct(west), keyID, awskms.Options{}), id(1), wrapped, keyring.ErrProtector)
	}
	multi := fake.create(east, account, "mrk-1")
	_, wrapped = generate(t, protector(t, fake.direct(east), multi, awskms.Options{}), id(1))
	for _, keyID := range []string{
		keyARN(west, account, "mrk-2"), keyARN(west, stranger, "mrk-1"), "arn:aws-cn:kms:us-west-2:" + account + ":key/mrk-1",
	} {
		refused(t, protector(t, fake.direct(west), keyID, awskms.Options{}), id(1), wrapped, keyring.ErrProtector)
	}
	// The same name without a replica behind it.
	refused(t, protector(t, fake.direct(west), keyARN(west, account, "mrk-1"), awskms.Options{}), id(1), wrapped, keyring.ErrDenied)
}

// TestAnswerFromAnotherKeyIsRefused has KMS, or what stands in for it, use another
// key than the one that was named.
func TestAnswerFromAnotherKeyIsRefused(t *testing.T) {
	fake := newFakeKMS()
	arn := fake.create(east, account, "k1")
	multi := fake.create(east, account, "mrk-1")
	fake.point(aliasARN(east, "app"), arn)
	for _, keyID := range []string{arn, "k1", aliasARN(east, "app"), multi, "mrk-1"} {
		p := protector(t, fake.direct(east), keyID, awskms.Options{})
		_, wrapped := generate(t, p, id(1))
		for _, other := range []string{
			keyARN(east, stranger, "k1"), keyARN(east, account, "k9"), keyARN(west, account, "k1"),
			keyARN(east, stranger, "mrk-1"), aliasARN(east, "app"), "k1", "", "arn:aws:kms",
		} {
			fake.inject(with("KeyId", other))
			refused(t, p, id(1), wrapped, keyring.ErrProtector)
		}
		for _, other := range []string{aliasARN(east, "app"), "k1", "", keyARN(east, stranger, "k0"), keyARN(west, account, "k0")} {
			if other == keyARN(east, stranger, "k0") && !strings.Contains(keyID, account) {
				continue // by a bare id the account is not known
			}
			fake.inject(with("KeyId", other))
			if key, w, err := p.Generate(t.Context(), id(1)); !errors.Is(err, keyring.ErrProtector) || key != nil || w != nil {
				t.Errorf("generate under %s, answered by %q: %v", keyID, other, err)
			}
			fake.inject(with("KeyId", other))
			if w, err := p.Wrap(t.Context(), id(1), make([]byte, 32)); !errors.Is(err, keyring.ErrProtector) || w != nil {
				t.Errorf("wrap under %s, answered by %q: %v", keyID, other, err)
			}
		}
	}
}

func TestReplicaElsewhereDoesNotAnswerForOurs(t *testing.T) {
	fake := newFakeKMS()
	primary := fake.create(east, account, "mrk-1")
	replica := fake.replicate(primary, west)
	fake.point(aliasARN(east, "app"), primary)
	for _, keyID := range []string{primary, aliasARN(east, "app")} {
		p := protector(t, fake.direct(east), keyID, awskms.Options{})
		_, wrapped := generate(t, p, id(1))
		fake.inject(with("KeyId", replica), with("KeyId", replica))
		refused(t, p, id(1), wrapped, keyring.ErrProtector)
		if _, _, err := p.Generate(t.Context(), id(1)); !errors.Is(err, keyring.ErrProtector) {
			t.Errorf("%s, answered by a replica: %v", keyID, err)
		}
	}
}
