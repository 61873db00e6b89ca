package dbfailover

import (
	"crypto/tls"
	"errors"
	"fmt"
	"slices"
)

// verifiedTLS returns a private copy of c that verifies the given name, or an
// error that says which setting to remove. Every setting that could weaken
// verification, confidentiality or randomness is refused rather than overridden:
// who sets InsecureSkipVerify believes in something that is not so.
func verifiedTLS(c *tls.Config, name string) (*tls.Config, error) {
	if c == nil {
		return nil, errors.New("dbfailover: Config.TLS is not set: give the CA of the database servers in TLS.RootCAs")
	}
	for _, refuse := range []struct {
		bad  bool
		what string
	}{
		{c.RootCAs == nil, "RootCAs is not set: name the CA of the database servers (the system's CAs would let any public certificate in)"},
		{c.InsecureSkipVerify, "InsecureSkipVerify is set: servers are always verified; remove it"},
		{c.VerifyPeerCertificate != nil || c.VerifyConnection != nil, "VerifyPeerCertificate or VerifyConnection is set: verification is not configurable; remove it"},
		{c.ServerName != "", "ServerName is set: it would be one name for two servers; use Server.ServerName"},
		{c.MinVersion != 0 && c.MinVersion < tls.VersionTLS12, "MinVersion is below TLS 1.2"},
		{c.MaxVersion != 0 && c.MaxVersion < tls.VersionTLS12, "MaxVersion is below TLS 1.2"},
		{insecureSuite(c.CipherSuites), "CipherSuites names a suite that crypto/tls lists as insecure"},
		{c.Time != nil, "Time is set: certificates are checked against the real time; remove it"},
		{c.Rand != nil, "Rand is set: randomness comes from crypto/rand; remove it"},
		{c.KeyLogWriter != nil, "KeyLogWriter is set: it gives the traffic away; remove it"},
		{c.Renegotiation != tls.RenegotiateNever, "Renegotiation is set: database servers do not need it; remove it"},
	} {
		if refuse.bad {
			return nil, fmt.Errorf("dbfailover: Config.TLS: %s", refuse.what)
		}
	}
	private := c.Clone()
	private.ServerName = name
	// The default is TLS 1.2 already, but GODEBUG can lower a default.
	private.MinVersion = max(c.MinVersion, tls.VersionTLS12)
	return private, nil
}

func insecureSuite(ids []uint16) bool {
	return slices.ContainsFunc(tls.InsecureCipherSuites(), func(s *tls.CipherSuite) bool {
		return slices.Contains(ids, s.ID)
	})
}
