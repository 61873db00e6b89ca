package awskms

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/service/kms"
)

// API is the part of a KMS client that a [Protector] calls; any *kms.Client of
// aws-sdk-go-v2 fits. Safe for concurrent use. It must hand out each answer once:
// whoever gets a key wipes it.
type API interface {
	GenerateDataKey(context.Context, *kms.GenerateDataKeyInput, ...func(*kms.Options)) (*kms.GenerateDataKeyOutput, error)
	Encrypt(context.Context, *kms.EncryptInput, ...func(*kms.Options)) (*kms.EncryptOutput, error)
	Decrypt(context.Context, *kms.DecryptInput, ...func(*kms.Options)) (*kms.DecryptOutput, error)
}
