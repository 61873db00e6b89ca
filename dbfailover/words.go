package dbfailover

import "strings"

// What a statement may do is told by its first word, and rather one too many is taken for
// a write: "unknown" is never wrong. What no word tells: a function that writes, called in
// a SELECT; the package comment says so.

// plain reports whether a statement outside of a transaction changes nothing.
func plain(query string) bool {
	word, rest := firstWord(query)
	switch upper(&[longest]byte{}, word) {
	case "SELECT", "SHOW", "DESCRIBE", "DESC", "EXPLAIN", "VALUES", "TABLE", "USE", "HELP":
		return true
	case "SET":
		return session(rest)
	}
	return false
}

// commitsInTx reports whether a statement inside a transaction may end it, or change
// something that no ROLLBACK takes back.
func commitsInTx(query string) bool {
	word, rest := firstWord(query)
	switch upper(&[longest]byte{}, word) {
	case "SELECT", "SHOW", "DESCRIBE", "DESC", "EXPLAIN", "VALUES", "TABLE", "USE", "HELP", "WITH", "DO",
		"INSERT", "UPDATE", "DELETE", "REPLACE", "LOAD", "SAVEPOINT", "RELEASE":
		return false
	case "SET":
		return !session(rest)
	case "ROLLBACK": // TO a savepoint goes on
		next, after := firstWord(rest)
		if upper(&[longest]byte{}, next) == "WORK" {
			next, _ = firstWord(after)
		}
		return upper(&[longest]byte{}, next) != "TO"
	}
	return true
}

// session reports whether a SET is one of a session's variables: SET autocommit commits,
// SET STATEMENT ... FOR carries another statement (MariaDB), SET PASSWORD is for good.
func session(rest string) bool {
	next, _ := firstWord(rest)
	switch upper(&[longest]byte{}, next) {
	case "STATEMENT", "PASSWORD", "GLOBAL", "PERSIST", "DEFAULT", "ROLE":
		return false
	}
	return !strings.Contains(strings.ToLower(rest), "autocommit")
}

// longest is the longest word that matters, and one more.
const longest = 10

// upper returns a word in capitals without taking memory; of long ones the beginning.
func upper(into *[longest]byte, word string) string {
	n := copy(into[:], word)
	for i := range n {
		into[i] &^= 0x20
	}
	return string(into[:n])
}

// firstWord returns a statement's first word, past comments and brackets, and the rest.
func firstWord(query string) (word, rest string) {
	for {
		query = strings.TrimLeft(query, " \t\r\n(")
		switch {
		case strings.HasPrefix(query, "/*") && !strings.HasPrefix(query, "/*!") && !strings.HasPrefix(query, "/*M!"):
			_, after, found := strings.Cut(query[2:], "*/") // "/*/" does not end itself
			if !found {
				return "", ""
			}
			query = after
		case strings.HasPrefix(query, "--"), strings.HasPrefix(query, "#"):
			_, query, _ = strings.Cut(query, "\n")
		default:
			end := strings.IndexFunc(query, func(r rune) bool { return !('a' <= r|0x20 && r|0x20 <= 'z') })
			if end < 0 {
				end = len(query)
			}
			return query[:end], query[end:]
		}
	}
}
