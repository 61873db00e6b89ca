package keyring

import "fmt"

// unseen holds key bytes where nobody prints them. fmt takes what it likes from
// unexported fields, and with %s follows a pointer to bytes or to a struct of them;
// of a closure it prints the address.
type unseen func() []byte

// hide owns key.
func hide(key []byte) unseen { return func() []byte { return key } }

func (u unseen) wipe() {
	if u != nil {
		clear(u())
	}
}

// Format implements [fmt.Formatter]: fmt would also read what others change.
func (k *Keyring) Format(f fmt.State, _ rune) { fmt.Fprint(f, "keyring.Keyring") }

// Format implements [fmt.Formatter].
func (p *passphrase) Format(f fmt.State, _ rune) { fmt.Fprint(f, "keyring.Passphrase("+redacted+")") }
