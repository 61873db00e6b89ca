package s3store

import (
	"encoding/json"
	"slices"
	"strings"
)

// statement is one of a bucket policy, as far as a denial of plain HTTP needs it.
// One that narrows itself in a way not listed here is not taken for that.
type statement struct {
	Effect       string
	Principal    any
	NotPrincipal any
	Action       oneOrMany
	NotAction    oneOrMany
	Resource     oneOrMany
	NotResource  oneOrMany
	Condition    map[string]map[string]oneOrMany
}

// oneOrMany is a string or a list of strings; true and false are strings too.
type oneOrMany []string

func (o *oneOrMany) UnmarshalJSON(b []byte) error {
	var one any
	if err := json.Unmarshal(b, &one); err != nil {
		return err
	}
	switch v := one.(type) {
	case string:
		*o = oneOrMany{v}
	case bool:
		*o = oneOrMany{map[bool]string{true: "true", false: "false"}[v]}
	default:
		return json.Unmarshal(b, (*[]string)(o))
	}
	return nil
}

// deniesPlainHTTP looks for the statement that AWS recommends: a denial of every
// action on the bucket and its objects, for everybody, if aws:SecureTransport is
// false and on no other condition. Resources beyond those do no harm.
func deniesPlainHTTP(policy, bucket string) bool {
	var doc struct{ Statement json.RawMessage }
	if json.Unmarshal([]byte(policy), &doc) != nil {
		return false
	}
	var all []statement
	if json.Unmarshal(doc.Statement, &all) != nil {
		var one statement
		if json.Unmarshal(doc.Statement, &one) != nil {
			return false
		}
		all = []statement{one}
	}
	covered := map[string]bool{}
	for _, s := range all {
		if s.denies() {
			for _, r := range s.Resource {
				covered[resource(r)] = true
			}
		}
	}
	return covered["*"] || covered[bucket+"*"] || covered[bucket] && covered[bucket+"/*"]
}

func (s statement) denies() bool {
	if s.Effect != "Deny" || s.NotPrincipal != nil || s.NotAction != nil || s.NotResource != nil || !everybody(s.Principal) {
		return false
	}
	if !slices.ContainsFunc(s.Action, func(a string) bool { return a == "*" || strings.EqualFold(a, "s3:*") }) {
		return false
	}
	if len(s.Condition) != 1 || len(s.Condition["Bool"]) != 1 {
		return false
	}
	for key, values := range s.Condition["Bool"] {
		return strings.EqualFold(key, "aws:SecureTransport") && slices.Equal(values, oneOrMany{"false"})
	}
	return false
}

// everybody is "*" or {"AWS": "*"}.
func everybody(principal any) bool {
	switch p := principal.(type) {
	case string:
		return p == "*"
	case map[string]any:
		if list, ok := p["AWS"].([]any); ok {
			return slices.Contains(list, any("*"))
		}
		return p["AWS"] == "*"
	}
	return false
}

// resource is an ARN without what precedes the bucket's name: that is another one in
// each partition of AWS.
func resource(arn string) string {
	parts := strings.SplitN(arn, ":", 6)
	if len(parts) == 6 && parts[0] == "arn" && parts[2] == "s3" {
		return parts[5]
	}
	return arn
}
