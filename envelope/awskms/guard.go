package awskms

import (
	"context"
	"fmt"
	"net"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/smithy-go/middleware"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/hipaakit/hipaakit/envelope/keyring"
)

var errNoTLS = fmt.Errorf("%w: awskms: the client's endpoint is not https", keyring.ErrInvalid)

// guarded takes from a client, for one call, what would give the key away: the
// bodies of Encrypt's request and of the others' answers hold it in the clear. The
// client's retries, credentials and the rest stay as they are.
func guarded(o *kms.Options) {
	o.ClientLogMode &^= aws.LogRequestWithBody | aws.LogResponseWithBody
	o.APIOptions = append(slices.Clip(o.APIOptions), func(s *middleware.Stack) error {
		// Where a request is ready to be sent, so that it counts what the endpoint
		// became, from whatever option or environment variable.
		return s.Deserialize.Add(middleware.DeserializeMiddlewareFunc("hipaakit:TLS", requireTLS), middleware.Before)
	})
}

func requireTLS(ctx context.Context, in middleware.DeserializeInput, next middleware.DeserializeHandler) (
	out middleware.DeserializeOutput, metadata middleware.Metadata, err error,
) {
	req, ok := in.Request.(*smithyhttp.Request)
	if !ok || req.URL.Scheme != "https" && !loopback(req.URL.Hostname()) {
		return out, metadata, errNoTLS
	}
	return next.HandleDeserialize(ctx, in)
}

// loopback knows no name but the one that must not lead elsewhere (RFC 6761, 6.3):
// what a resolver says of others can change before the connection is made.
func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}
