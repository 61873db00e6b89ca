package dbfailover

import (
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"io"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/hipaakit/hipaakit/internal/testbed"
)

func good() Config {
	return Config{
		Primary: Server{Addr: "db1.test:3306"}, Secondary: Server{Addr: "db2.test:3306"},
		TLS: &tls.Config{RootCAs: x509.NewCertPool()}, Topology: Independent, Credentials: fixed("app"),
	}
}

func TestConfigurationsThatCannotWorkDoNotConstruct(t *testing.T) {
	for what, spoil := range map[string]func(*Config){
		"Topology":    func(c *Config) { c.Topology = 0 },
		"Credentials": func(c *Config) { c.Credentials = nil },
		"primary":     func(c *Config) { c.Primary.Addr = "db1.test" },
		"secondary":   func(c *Config) { c.Secondary.Addr = ":3306" },
		"same Addr":   func(c *Config) { c.Secondary = c.Primary },
		"Timers":      func(c *Config) { c.Timers = 7 },
		"Config.TLS":  func(c *Config) { c.TLS = nil },
		"Independent": func(c *Config) { c.Topology = 0 }, // the error says what to write
		"Replicated":  func(c *Config) { c.Topology = 3 },
		"App.Name":    func(c *Config) { c.Topology = Replicated },
	} {
		cfg := good()
		spoil(&cfg)
		c, err := New(cfg)
		if err == nil {
			_ = c.Close()
			t.Errorf("%s: constructed", what)
		} else if !strings.Contains(err.Error(), what) {
			t.Errorf("%s: the error is %v", what, err)
		}
	}
}

// weak holds, for each setting of tls.Config that could weaken a connection, a
// value that does.
var weak = map[string]func(*tls.Config){
	"RootCAs":            func(c *tls.Config) { c.RootCAs = nil },
	"InsecureSkipVerify": func(c *tls.Config) { c.InsecureSkipVerify = true },
	"VerifyPeerCertificate": func(c *tls.Config) {
		c.VerifyPeerCertificate = func([][]byte, [][]*x509.Certificate) error { return nil }
	},
	"VerifyConnection": func(c *tls.Config) { c.VerifyConnection = func(tls.ConnectionState) error { return nil } },
	"ServerName":       func(c *tls.Config) { c.ServerName = "anything" },
	"MinVersion":       func(c *tls.Config) { c.MinVersion = tls.VersionTLS11 },
	"MaxVersion":       func(c *tls.Config) { c.MaxVersion = tls.VersionTLS11 },
	"CipherSuites":     func(c *tls.Config) { c.CipherSuites = []uint16{tls.TLS_RSA_WITH_RC4_128_SHA} },
	"Time":             func(c *tls.Config) { c.Time = func() time.Time { return time.Time{} } },
	"Rand":             func(c *tls.Config) { c.Rand = rand.Reader },
	"KeyLogWriter":     func(c *tls.Config) { c.KeyLogWriter = io.Discard },
	"Renegotiation":    func(c *tls.Config) { c.Renegotiation = tls.RenegotiateFreelyAsClient },
}

func TestTLSSettingsThatWeakenDoNotConstruct(t *testing.T) {
	for name, weaken := range weak {
		cfg := good()
		cfg.TLS = cfg.TLS.Clone()
		weaken(cfg.TLS)
		c, err := New(cfg)
		if err == nil {
			_ = c.Close()
			t.Errorf("%s: constructed", name)
		} else if !strings.Contains(err.Error(), name) {
			t.Errorf("%s: the error does not say what to remove: %v", name, err)
		}
	}
}

// A new field of tls.Config must be looked at by somebody before it can pass.
func TestEverySettingOfTLSHasBeenJudged(t *testing.T) {
	harmless := map[string]bool{
		"Certificates": true, "GetClientCertificate": true, "NextProtos": true,
		"CurvePreferences": true, "ClientSessionCache": true, "DynamicRecordSizingDisabled": true,
		"SessionTicketsDisabled": true,
		// Only ever read by a server.
		"NameToCertificate": true, "GetCertificate": true, "GetConfigForClient": true, "ClientAuth": true,
		"ClientCAs": true, "PreferServerCipherSuites": true, "SessionTicketKey": true,
		"UnwrapSession": true, "WrapSession": true, "GetEncryptedClientHelloKeys": true, "EncryptedClientHelloKeys": true,
		// Of TLS 1.3; a rejection of it is checked against the outer name, and fails.
		"EncryptedClientHelloConfigList": true, "EncryptedClientHelloRejectionVerify": true,
	}
	for _, f := range reflect.VisibleFields(reflect.TypeFor[tls.Config]()) {
		_, refused := weak[f.Name]
		if f.IsExported() && !refused && !harmless[f.Name] {
			t.Errorf("tls.Config.%s has not been judged", f.Name)
		}
	}
}

func TestTLSIsCopiedAndAtLeast12(t *testing.T) {
	given := testbed.NewCA(t).ClientTLS()
	given.MinVersion = 0
	private, err := verifiedTLS(given, "db1.test")
	if err != nil {
		t.Fatal(err)
	}
	given.InsecureSkipVerify = true
	if private.InsecureSkipVerify || private.MinVersion != tls.VersionTLS12 || private.ServerName != "db1.test" {
		t.Errorf("skip %v, min %x, name %q", private.InsecureSkipVerify, private.MinVersion, private.ServerName)
	}
	given = &tls.Config{RootCAs: x509.NewCertPool(), MinVersion: tls.VersionTLS13}
	if private, err = verifiedTLS(given, "x"); err != nil || private.MinVersion != tls.VersionTLS13 {
		t.Errorf("TLS 1.3 only became %x (%v)", private.MinVersion, err)
	}
}
