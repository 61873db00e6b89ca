package keyring

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"
)

// plainJSON says whether every reader takes b, which decodes, for the same. Package
// encoding/json is lenient where others are not: of a member that is there twice it
// takes the last, and merges arrays; "KEYS" is "keys" to it, null is nothing, and
// base64 may have line breaks or be an array of numbers. A document that two
// programs read as different keys could be shown to one and opened by the other.
func plainJSON(b []byte) bool {
	return plainObject(json.NewDecoder(bytes.NewReader(b)), "format", "version", "check", "keys")
}

// plainObject reads one object, with each of the members at most once.
func plainObject(dec *json.Decoder, members ...string) bool {
	if !next(dec, json.Delim('{')) {
		return false
	}
	var seen []string
	for dec.More() {
		token, _ := dec.Token()
		name, _ := token.(string)
		if !slices.Contains(members, name) || slices.Contains(seen, name) {
			return false
		}
		seen = append(seen, name)
		plain := plainScalar
		if name == "keys" {
			plain = plainKeys
		}
		if !plain(dec) {
			return false
		}
	}
	return next(dec, json.Delim('}'))
}

func plainKeys(dec *json.Decoder) bool {
	if !next(dec, json.Delim('[')) {
		return false
	}
	for dec.More() {
		if !plainObject(dec, "name", "version", "created", "wrapped", "destroyed") {
			return false
		}
	}
	return next(dec, json.Delim(']'))
}

func plainScalar(dec *json.Decoder) bool {
	token, err := dec.Token()
	if err != nil {
		return false
	}
	switch v := token.(type) {
	case string:
		return !strings.ContainsAny(v, "\r\n")
	case float64:
		return true
	default:
		return false
	}
}

func next(dec *json.Decoder, want json.Delim) bool {
	token, err := dec.Token()
	return err == nil && token == want
}
