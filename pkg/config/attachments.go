package config

import (
	"errors"
	"flag"
	"fmt"
	"slices"
	"strings"
)

// The places where attachments may be kept.
const (
	AttachmentsOff  = "off"
	AttachmentsDisk = "disk"
	AttachmentsS3   = "s3"
)

// Attachments is where attachments are kept, and which are taken.
type Attachments struct {
	Where string // one of the constants; default off
	Bytes int64  // of one file
	Types commaList

	S3Endpoint, S3PublicEndpoint string
	S3Bucket, S3Region           string
	S3AccessKeyFile              string
	S3SecretKeyFile              string

	// Disk is for the all-in-one binary, which has a folder, and keeps them there
	// unless it is told otherwise.
	Disk bool
}

// Register declares --attachments, --attachment-bytes, --attachment-types and the
// flags of S3.
func (g *Attachments) Register(fs *flag.FlagSet) {
	places, fallback := "off, s3", AttachmentsOff
	if g.Disk {
		places, fallback = "off, disk (in the directory --data), s3", AttachmentsDisk
	}
	fs.StringVar(&g.Where, "attachments", or(g.Where, fallback), "keep files that users send at this `place`: "+places)
	fs.Int64Var(&g.Bytes, "attachment-bytes", 100<<20, "take files of at most this many `bytes`")
	fs.Var(&g.Types, "attachment-types", "take only files of these content `types`, with commas between them, such as image/*;\nnone: all")
	fs.StringVar(&g.S3Endpoint, "s3-endpoint", g.S3Endpoint, "reach the S3-compatible store at this `url`")
	fs.StringVar(&g.S3PublicEndpoint, "s3-public-endpoint", g.S3PublicEndpoint, "have clients reach it at this `url`;\nnone: the same")
	fs.StringVar(&g.S3Bucket, "s3-bucket", g.S3Bucket, "keep files in this `bucket`")
	fs.StringVar(&g.S3Region, "s3-region", or(g.S3Region, "us-east-1"), "sign for this `region`")
	fs.StringVar(&g.S3AccessKeyFile, "s3-access-key-file", g.S3AccessKeyFile, "use the access key in this `file`")
	fs.StringVar(&g.S3SecretKeyFile, "s3-secret-key-file", g.S3SecretKeyFile, "use the secret key in this `file`")
}

// Validate demands all of S3 where that is chosen, and none of it otherwise.
func (g *Attachments) Validate() error {
	var errs []error
	settings := map[string]string{"s3-endpoint": g.S3Endpoint, "s3-bucket": g.S3Bucket,
		"s3-access-key-file": g.S3AccessKeyFile, "s3-secret-key-file": g.S3SecretKeyFile}
	switch {
	case g.Where == AttachmentsS3:
		for _, name := range []string{"s3-endpoint", "s3-bucket", "s3-access-key-file", "s3-secret-key-file"} {
			if settings[name] == "" {
				errs = append(errs, fmt.Errorf("attachments in S3 need %s", both(name)))
			}
		}
	case g.Where == AttachmentsOff, g.Where == AttachmentsDisk && g.Disk:
	default:
		errs = append(errs, fmt.Errorf("%.40q is no place for attachments: see %s", g.Where, both("attachments")))
	}
	if g.Bytes < 1 || g.Bytes > 5<<30 {
		errs = append(errs, fmt.Errorf("%s must be 1 byte to 5 GiB", both("attachment-bytes")))
	}
	if slices.ContainsFunc(g.Types, func(t string) bool { return strings.Count(t, "/") != 1 || strings.ToLower(t) != t }) {
		errs = append(errs, fmt.Errorf("%s has what is no content type in lower case, such as image/* or application/pdf", both("attachment-types")))
	}
	return errors.Join(errs...)
}
