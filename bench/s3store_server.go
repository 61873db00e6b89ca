package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"go/build"
	"math/big"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
)

// s3Server is a versitygw: S3 over a folder, with TLS, as S3 has.
type s3Server struct {
	url, secret string
	certificate string // file
	pool        *x509.CertPool
	child       *exec.Cmd
	out         *strings.Builder
	gets        atomic.Int64 // requests that the SDK's client has sent to read
}

const benchAccessKey = "AKIDBENCH"

var errNoServer = errors.New("versitygw is not here; scripts/install-test-tools.sh installs it")

func startServer(dir string) (*s3Server, error) {
	program, err := findServer()
	if err != nil {
		return nil, err
	}
	for _, sub := range []string{"", "data"} {
		if err := os.Mkdir(filepath.Join(dir, sub), 0o700); err != nil {
			return nil, err
		}
	}
	s := &s3Server{secret: (rand.Text() + rand.Text())[:40], pool: x509.NewCertPool(), out: &strings.Builder{}}
	key, err := s.certify(dir)
	if err != nil {
		return nil, err
	}
	port, err := freeAddress()
	if err != nil {
		return nil, err
	}
	s.url = "https://" + port
	s.child = exec.Command(program, "--quiet", "--keep-alive", "--health", "/health", "--port", port,
		"--region", "us-east-1", "--cert", s.certificate, "--key", key, "posix", filepath.Join(dir, "data"))
	s.child.Env = []string{"ROOT_ACCESS_KEY=" + benchAccessKey, "ROOT_SECRET_KEY=" + s.secret}
	s.child.Stdout, s.child.Stderr = s.out, s.out
	if err := s.child.Start(); err != nil {
		return nil, err
	}
	if err := s.await(); err != nil {
		return nil, errors.Join(err, s.close(), errors.New(s.out.String()))
	}
	_, err = s.client().CreateBucket(context.Background(), &s3.CreateBucketInput{Bucket: aws.String(benchBucket)})
	return s, err
}

func findServer() (string, error) {
	candidates := []string{"versitygw", "../.tools/bin/versitygw"}
	for _, gopath := range filepath.SplitList(build.Default.GOPATH) {
		candidates = append(candidates, filepath.Join(gopath, "bin", "versitygw"))
	}
	for _, name := range candidates {
		if path, err := exec.LookPath(name); err == nil {
			return filepath.Abs(path)
		}
	}
	return "", errNoServer
}

// certify makes a certificate that only this run trusts, and returns its key's file.
func (s *s3Server) certify(dir string) (keyFile string, err error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return "", err
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}, IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return "", err
	}
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return "", err
	}
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	s.pool.AppendCertsFromPEM(text)
	s.certificate, keyFile = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	return keyFile, errors.Join(os.WriteFile(s.certificate, text, 0o600),
		os.WriteFile(keyFile, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret}), 0o600))
}

func freeAddress() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return l.Addr().String(), l.Close()
}

func (s *s3Server) await() error {
	client := s.http()
	defer client.CloseIdleConnections()
	for range 1000 { // ten seconds
		res, err := client.Get(s.url + "/health")
		if err == nil {
			res.Body.Close()
			return nil
		}
		time.Sleep(10 * time.Millisecond)
	}
	return fmt.Errorf("%s does not answer", s.child.Path)
}

func (s *s3Server) http() *http.Client {
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.Proxy, t.TLSClientConfig = nil, &tls.Config{RootCAs: s.pool, MinVersion: tls.VersionTLS12}
	t.MaxIdleConnsPerHost = 16
	return &http.Client{Transport: t}
}

// client is one for everybody who uses the SDK, ours included.
func (s *s3Server) client() *s3.Client {
	counting := s.http()
	next := counting.Transport
	counting.Transport = roundTrip(func(r *http.Request) (*http.Response, error) {
		if r.Method == http.MethodGet {
			s.gets.Add(1)
		}
		return next.RoundTrip(r)
	})
	return s3.New(s3.Options{
		Region: "us-east-1", BaseEndpoint: &s.url, UsePathStyle: true, HTTPClient: counting,
		// As config.LoadDefaultConfig has them.
		RequestChecksumCalculation: aws.RequestChecksumCalculationWhenSupported,
		ResponseChecksumValidation: aws.ResponseChecksumValidationWhenSupported,
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: benchAccessKey, SecretAccessKey: s.secret}, nil
		}),
	})
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func (s *s3Server) close() error {
	if s.child.ProcessState != nil {
		return nil
	}
	err := s.child.Process.Kill()
	_ = s.child.Wait() // that it was killed is no news
	return err
}
