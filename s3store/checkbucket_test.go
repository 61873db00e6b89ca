package s3store

import (
	"context"
	"errors"
	"net"
	"net/http"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/hipaakit/hipaakit/internal/testbed"
)

const goodPolicy = `{"Version": "2012-10-17", "Statement": [{"Effect": "Deny", "Principal": "*", "Action": "s3:*",
	"Resource": ["arn:aws:s3:::bucket", "arn:aws:s3:::bucket/*"], "Condition": {"Bool": {"aws:SecureTransport": "false"}}}]}`

func TestOnlyAWholeDenialOfPlainHTTPCounts(t *testing.T) {
	change := func(old, new string) string {
		changed := strings.Replace(goodPolicy, old, new, 1)
		if changed == goodPolicy {
			t.Fatalf("%q is not in the policy", old)
		}
		return changed
	}
	for name, policy := range map[string]string{
		"as recommended":  goodPolicy,
		"list and object": change(`"Principal": "*"`, `"Principal": {"AWS": ["*"]}`),
		"boolean":         change(`"false"`, `false`),
		"other partition": strings.ReplaceAll(goodPolicy, "arn:aws:", "arn:aws-us-gov:"),
		"all buckets":     change(`["arn:aws:s3:::bucket", "arn:aws:s3:::bucket/*"]`, `"*"`),
		"one statement":   `{"Statement": ` + strings.TrimSuffix(goodPolicy[strings.Index(goodPolicy, "[{")+1:], "]}") + `}`,
	} {
		if !deniesPlainHTTP(policy, "bucket") {
			t.Errorf("%s: not recognised", name)
		}
	}
	for name, policy := range map[string]string{
		"nothing":          "",
		"another document": `{"Statement": 7}`,
		"allowed":          change(`"Deny"`, `"Allow"`),
		"somebody":         change(`"Principal": "*"`, `"Principal": {"AWS": "arn:aws:iam::111122223333:root"}`),
		"all but somebody": change(`"Principal"`, `"NotPrincipal"`),
		"reading only":     change(`"s3:*"`, `"s3:GetObject"`),
		"all but reading":  change(`"Action"`, `"NotAction"`),
		"objects only":     change(`"arn:aws:s3:::bucket", `, ``),
		"bucket only":      change(`, "arn:aws:s3:::bucket/*"`, ``),
		"another bucket":   strings.ReplaceAll(goodPolicy, ":::bucket", ":::bucket2"),
		"all but these":    change(`"Resource"`, `"NotResource"`),
		"while on TLS":     change(`"false"`, `"true"`),
		"only from there":  change(`"false"}`, `"false", "aws:ViaAWSService": "true"}`),
		"and if":           change(`"false"}}`, `"false"}, "StringEquals": {"aws:username": "x"}}`),
	} {
		if deniesPlainHTTP(policy, "bucket") {
			t.Errorf("%s: taken for a denial of plain HTTP", name)
		}
	}
}

func TestLifecycleRulesForSomeObjectsDoNotCount(t *testing.T) {
	for name, rule := range map[string]types.LifecycleRule{
		"prefix":     {Filter: &types.LifecycleRuleFilter{Prefix: aws.String("logs/")}},
		"tag":        {Filter: &types.LifecycleRuleFilter{Tag: &types.Tag{}}},
		"size":       {Filter: &types.LifecycleRuleFilter{ObjectSizeGreaterThan: aws.Int64(1)}},
		"old prefix": {Prefix: aws.String("logs/")},
	} {
		if everything(rule) {
			t.Errorf("%s: taken for all objects", name)
		}
	}
	if !everything(types.LifecycleRule{}) || !everything(types.LifecycleRule{Filter: &types.LifecycleRuleFilter{Prefix: aws.String("")}}) {
		t.Error("all objects are not")
	}
}

// TestCheckBucketFindsWhatIsMissing sets a bucket up one step after the other, on a
// server that knows these settings.
func TestCheckBucketFindsWhatIsMissing(t *testing.T) {
	client := moto(t)
	ctx, bucket := t.Context(), aws.String("bucket")
	if _, err := client.CreateBucket(ctx, &s3.CreateBucketInput{Bucket: bucket}); err != nil {
		t.Fatal(err)
	}
	r, err := CheckBucket(ctx, client, *bucket)
	if err != nil || r.OK() {
		t.Fatalf("%+v, %v", r, err)
	}
	steps := map[string]func() error{
		"versioning": func() error {
			return fails(client.PutBucketVersioning(ctx, &s3.PutBucketVersioningInput{Bucket: bucket,
				VersioningConfiguration: &types.VersioningConfiguration{Status: types.BucketVersioningStatusEnabled}}))
		},
		"public access block": func() error {
			return fails(client.PutPublicAccessBlock(ctx, &s3.PutPublicAccessBlockInput{Bucket: bucket,
				PublicAccessBlockConfiguration: &types.PublicAccessBlockConfiguration{BlockPublicAcls: aws.Bool(true),
					BlockPublicPolicy: aws.Bool(true), IgnorePublicAcls: aws.Bool(true), RestrictPublicBuckets: aws.Bool(true)}}))
		},
		"default encryption": func() error {
			return fails(client.PutBucketEncryption(ctx, &s3.PutBucketEncryptionInput{Bucket: bucket,
				ServerSideEncryptionConfiguration: &types.ServerSideEncryptionConfiguration{Rules: []types.ServerSideEncryptionRule{{
					ApplyServerSideEncryptionByDefault: &types.ServerSideEncryptionByDefault{SSEAlgorithm: types.ServerSideEncryptionAes256}}}}}))
		},
		"TLS-only policy": func() error {
			return fails(client.PutBucketPolicy(ctx, &s3.PutBucketPolicyInput{Bucket: bucket, Policy: aws.String(goodPolicy)}))
		},
		"lifecycle": func() error {
			return fails(client.PutBucketLifecycleConfiguration(ctx, &s3.PutBucketLifecycleConfigurationInput{Bucket: bucket,
				LifecycleConfiguration: &types.BucketLifecycleConfiguration{Rules: []types.LifecycleRule{{
					ID: aws.String("tidy"), Status: types.ExpirationStatusEnabled, Filter: &types.LifecycleRuleFilter{Prefix: aws.String("")},
					AbortIncompleteMultipartUpload: &types.AbortIncompleteMultipartUpload{DaysAfterInitiation: aws.Int32(2)},
					NoncurrentVersionExpiration:    &types.NoncurrentVersionExpiration{NoncurrentDays: aws.Int32(90)}}}}}))
		},
	}
	bad := func() (missing []string) {
		r, err := CheckBucket(ctx, client, *bucket)
		if err != nil {
			t.Fatal(err)
		}
		r.Each(func(name string, f Finding) {
			if f.Detail == "" {
				t.Errorf("%s: nothing is said", name)
			}
			if !f.OK {
				missing = append(missing, name)
			}
		})
		return missing
	}
	for name, step := range steps {
		before := strings.Join(bad(), ", ")
		if name != "default encryption" && !strings.Contains(before, name) {
			t.Errorf("%s is not missed: %s", name, before)
		}
		if err := step(); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if after := strings.Join(bad(), ", "); strings.Contains(after, name) {
			t.Errorf("%s is not found: %s", name, after)
		}
	}
	if r, err := CheckBucket(ctx, client, *bucket); err != nil || !r.OK() {
		t.Errorf("in the end: %+v, %v", r, err)
	}
}

func TestCheckBucketSaysWhatItMayNotAsk(t *testing.T) {
	f := newFakeS3(t)
	f.before = answer(http.StatusForbidden, "AccessDenied")
	r, err := CheckBucket(t.Context(), f.client(), "bucket")
	if !errors.Is(err, ErrDenied) || r.OK() || r.TLSOnly.Err == nil || r.TLSOnly.OK {
		t.Errorf("%+v, %v", r, err)
	}
}

// moto starts moto_server (pip install "moto[server]").
func moto(t *testing.T) *s3.Client {
	t.Helper()
	program, err := exec.LookPath("moto_server")
	if err != nil {
		testbed.RequireOrSkip(t, `moto_server (pip install "moto[server]")`)
	}
	socket, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := socket.Addr().String()
	socket.Close()
	host, port, _ := net.SplitHostPort(address)
	cmd := exec.Command(program, "-H", host, "-p", port)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() })
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for ctx.Err() == nil {
		if c, err := net.Dial("tcp", address); err == nil {
			c.Close()
			return newClient("http://"+address, &http.Client{}, "AKIDTEST", strings.Repeat("s", 40))
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatal("moto_server does not answer")
	return nil
}
