package dbfailover

import (
	"bytes"
	"crypto/fips140"
	"io"
	"slices"
	"testing"
	"testing/iotest"
)

// relay sends body as the first packet, and one more behind it, and returns what
// the driver would read.
func relay(t *testing.T, body []byte) ([]byte, error) {
	t.Helper()
	near, far := pipe()
	_ = send(far, 0, body)
	_ = send(far, 1, mariaGreeting()) // later packets pass as they are
	far.Close()
	return io.ReadAll(iotest.OneByteReader(&greeted{Conn: near}))
}

func mariaGreeting() []byte { return bytes.Replace(greeting(), sha2Plugin, nativePlugin, 1) }

func packets(bodies ...[]byte) []byte {
	var b bytes.Buffer
	for i, body := range bodies {
		_ = send(&b, byte(i), body)
	}
	return b.Bytes()
}

func TestEveryCutGreetingIsRefusedBeforeTheDriverSlicesIt(t *testing.T) {
	for _, whole := range [][]byte{greeting(), mariaGreeting(), errorPacket(1040)[:9]} {
		shortest := len(whole)
		if whole[0] != 0xff {
			shortest -= len(sha2Plugin) // which the driver can do without
		}
		for n := range shortest {
			if _, err := relay(t, whole[:n]); err != errGreeting {
				t.Fatalf("%d of %d bytes: %v", n, len(whole), err)
			}
		}
	}
	near, far := pipe()
	_, _ = far.Write([]byte{0xff, 0xff, 0xff, 0})
	if _, err := (&greeted{Conn: near}).Read(make([]byte, 1)); err != errGreeting {
		t.Errorf("a greeting of 16 MiB: %v", err)
	}
}

func TestGoodGreetingPassesUnchanged(t *testing.T) {
	maria := mariaGreeting()
	if fips140.Enforced() {
		maria = greeting() // see the next test
	}
	for _, c := range []struct{ sent, want []byte }{
		{greeting(), greeting()},
		{errorPacket(1040), errorPacket(1040)},
		{mariaGreeting(), maria},
	} {
		got, err := relay(t, c.sent)
		if want := packets(c.want, mariaGreeting()); err != nil || !bytes.Equal(got, want) {
			t.Errorf("%q became %q (%v)", c.sent, got, err)
		}
	}
}

func TestPluginThatNeedsSHA1IsReplacedAndNothingElse(t *testing.T) {
	got := mariaGreeting()
	avoidSHA1(got)
	if !bytes.Equal(got, greeting()) {
		t.Errorf("MariaDB's greeting became %q", got)
	}
	for _, other := range [][]byte{greeting(), nativePlugin[:5], append(slices.Clone(nativePlugin), 'x')} {
		got := slices.Clone(other)
		if avoidSHA1(got); !bytes.Equal(got, other) {
			t.Errorf("%q became %q", other, got)
		}
	}
}

// Random garbage in the place of the greeting, through the whole driver: an error,
// never a panic.
func FuzzGreeting(f *testing.F) {
	for _, seed := range [][]byte{
		packets(greeting()), packets(mariaGreeting()), packets(errorPacket(1040)), packets([]byte{10, 0}),
		{0, 0, 0, 0}, {1, 0, 0, 0, 0xff}, packets(greeting()[:30]),
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, said []byte) {
		end := strangerEndpoint(t, said)
		creds, err := fixed("app")(t.Context(), Server{})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := end.login(t.Context(), creds, keepAsIs); err == nil {
			t.Errorf("logged in to a stranger who said %q", said)
		}
	})
}
