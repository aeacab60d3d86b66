package allinone

import (
	"cmp"
	"fmt"
	"net/url"
	"path/filepath"

	"github.com/parley-chat/parley/pkg/blob"
	"github.com/parley-chat/parley/pkg/blob/diskblob"
	"github.com/parley-chat/parley/pkg/blob/s3blob"
	"github.com/parley-chat/parley/pkg/config"
)

// Files says where attachments are kept. The zero value: in the data folder.
type Files struct {
	Where    string // as of package config; "": disk
	MaxBytes int64  // of one file; default 100 MiB
	Types    []string
	S3       s3blob.FileOptions // where that is chosen
}

// files opens what attachments are kept in; nil where they are switched off.
func (c *Cluster) files(o Options) (blob.Store, error) {
	switch o.Files.Where {
	case config.AttachmentsOff:
		return nil, nil
	case config.AttachmentsS3:
		return s3blob.NewFromFiles(o.Files.S3)
	}
	// The same for all gateways, and after a restart: URLs that were given out stay good.
	secret, err := ownSecret(filepath.Join(o.Data, "secret", "blob-hs256"))
	if err != nil {
		return nil, err
	}
	c.blobs, err = diskblob.Open(diskblob.Options{Dir: filepath.Join(o.Data, "attachments"), Secret: secret})
	if err != nil {
		return nil, fmt.Errorf("open the folder for attachments: %w", err)
	}
	return c.blobs, nil
}

// origins are where browsers fetch and put files, if not here.
func (f Files) origins() []string {
	if f.Where != config.AttachmentsS3 {
		return nil
	}
	u, err := url.Parse(cmp.Or(f.S3.PublicEndpoint, f.S3.Endpoint))
	if err != nil {
		return nil // which opening the store has refused
	}
	return []string{u.Scheme + "://" + u.Host}
}
