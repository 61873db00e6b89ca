package awskms

import (
	"fmt"
	"strings"

	"github.com/hipaakit/hipaakit/envelope/keyring"
)

// trust is what the configuration says about KMS keys: with which one to wrap,
// and which ones may have wrapped.
type trust struct {
	keyID  string // as configured, and as KMS is asked to wrap
	key    keyARN // what that says of the key; an alias says no id, an id nothing else
	former []keyARN
}

func newTrust(keyID string, former []string) (trust, error) {
	t := trust{keyID: keyID}
	var ok bool
	if t.key, ok = parseKeyARN(keyID); !ok {
		if t.key, ok = parseAliasARN(keyID); !ok {
			t.key, ok = keyARN{id: keyID}, isKeyID(keyID)
		}
	}
	// By its name alone nobody could tell a former key of an alias from a
	// stranger's in another account.
	if strings.HasPrefix(keyID, "alias/") {
		return t, fmt.Errorf("%w: awskms: give the alias by its full ARN, arn:aws:kms:REGION:ACCOUNT:alias/NAME", keyring.ErrInvalid)
	}
	if !ok {
		return t, fmt.Errorf("%w: awskms: the KMS key is none of a key ARN, an alias ARN and a key id", keyring.ErrInvalid)
	}
	for i, s := range former {
		f, ok := parseKeyARN(s)
		if !ok {
			return t, fmt.Errorf("%w: awskms: Former[%d] is not the full ARN of a KMS key", keyring.ErrInvalid, i)
		}
		if !fits(t.key.region, f.region) {
			return t, fmt.Errorf("%w: awskms: Former[%d] is in Region %s; a client for %s cannot reach it, name a replica there",
				keyring.ErrInvalid, i, f.region, t.key.region)
		}
		t.former = append(t.former, f)
	}
	return t, nil
}

// seals says whether an answer's key is the one that was asked to wrap.
func (t trust) seals(answer keyARN) bool { return t.key.coversHere(answer) }

// opener returns the KeyId to open with what was wrapped under a key: KMS then
// uses that key and no other ("KeyId", Decrypt, KMS API reference). Not ok means
// that the configuration does not trust the key. What the document says chooses
// among the trusted keys and never adds one, since an attacker can write it.
func (t trust) opener(sealed keyARN) (keyID string, ok bool) {
	if t.key.covers(sealed) {
		if t.key.account == "" {
			// By the id alone, so that the account is the client's and not the
			// document's to say. Ids are AWS's to give out; nobody can choose one.
			return t.keyID, true
		}
		// The replica in our Region, not the one that wrapped it.
		sealed.region = t.key.region
		return sealed.String(), true
	}
	for _, f := range t.former {
		if f.covers(sealed) {
			return f.String(), true
		}
	}
	return "", false
}

// opened says whether an answer's key is the one named by opener.
func opened(keyID string, sealed, answer keyARN) bool {
	if named, ok := parseKeyARN(keyID); ok {
		return answer == named
	}
	return sealed.covers(answer)
}
