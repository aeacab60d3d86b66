package s3blob

import (
	"fmt"
	"os"
	"strings"
)

// maxKeyFile bounds a file with a key.
const maxKeyFile = 4 << 10

// FileOptions are [Options] whose keys are in files, as secrets are mounted.
type FileOptions struct {
	Options
	AccessKeyFile, SecretKeyFile string
}

// NewFromFiles reads the keys and calls [New]. Blanks around them do not count;
// no error shows one.
func NewFromFiles(o FileOptions) (*Store, error) {
	for path, key := range map[string]*string{o.AccessKeyFile: &o.AccessKey, o.SecretKeyFile: &o.SecretKey} {
		data, err := os.ReadFile(path)
		if err != nil {
			return nil, fmt.Errorf("s3: read a key: %w", err)
		}
		if *key = strings.TrimSpace(string(data)); len(data) > maxKeyFile || *key == "" || strings.ContainsAny(*key, "\r\n") {
			return nil, fmt.Errorf("s3: the file %s has no key in one line", path)
		}
	}
	return New(o.Options)
}
