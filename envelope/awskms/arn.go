package awskms

import "strings"

const (
	maxARN = 2048 // KMS's own limit for a KeyId (API reference)
	maxID  = 128
)

// keyARN is arn:partition:kms:region:account:key/id ("Key identifiers", KMS
// developer guide). It is compared field by field, never by prefix or suffix: an
// id that ends like ours in a stranger's account is a stranger's. In a key that was configured
// by less than that, what is not known is empty.
type keyARN struct{ partition, region, account, id string }

func (a keyARN) String() string {
	return strings.Join([]string{"arn", a.partition, "kms", a.region, a.account, "key/" + a.id}, ":")
}

// multiRegion tells a key that has an ARN in each of several Regions. AWS reserves
// the prefix and says to go by it ("How multi-Region keys work", KMS developer guide).
func (a keyARN) multiRegion() bool { return strings.HasPrefix(a.id, "mrk-") }

// covers says whether k may be the key that a stands for: where a is silent
// anything goes, and one multi-Region key is the same in every Region.
func (a keyARN) covers(k keyARN) bool {
	if k.multiRegion() {
		a.region = ""
	}
	return a.coversHere(k)
}

// coversHere is covers for a key that answered: KMS answers for the Region it was
// asked in.
func (a keyARN) coversHere(k keyARN) bool {
	return fits(a.partition, k.partition) && fits(a.region, k.region) && fits(a.account, k.account) && fits(a.id, k.id)
}

func fits(pattern, s string) bool { return pattern == "" || pattern == s }

func parseKeyARN(s string) (keyARN, bool) {
	a, resource, ok := splitARN(s)
	id, isKey := strings.CutPrefix(resource, "key/")
	a.id = id
	return a, ok && isKey && isKeyID(id)
}

// parseAliasARN leaves the id empty: which key it is only KMS knows.
func parseAliasARN(s string) (keyARN, bool) {
	a, resource, ok := splitARN(s)
	name, isAlias := strings.CutPrefix(resource, "alias/")
	return a, ok && isAlias && name != "" && madeOf(name, "/_-")
}

// splitARN admits only what can safely stand in a log line: the document's ARNs are
// an attacker's to choose.
func splitARN(s string) (a keyARN, resource string, ok bool) {
	parts := strings.SplitN(s, ":", 6)
	if len(s) > maxARN || len(parts) != 6 || parts[0] != "arn" || parts[2] != "kms" {
		return a, "", false
	}
	a = keyARN{partition: parts[1], region: parts[3], account: parts[4]}
	ok = a.partition != "" && madeOf(a.partition, "-") && a.region != "" && madeOf(a.region, "-") &&
		len(a.account) == 12 && strings.Trim(a.account, "0123456789") == ""
	return a, parts[5], ok
}

func isKeyID(s string) bool { return s != "" && len(s) <= maxID && madeOf(s, "-") }

// madeOf says whether s holds nothing but ASCII letters, digits and these signs.
func madeOf(s, signs string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool {
		return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune(signs, r))
	})
}
