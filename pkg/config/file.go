package config

import (
	"fmt"
	"os"
	"strings"
)

// uriFile is the file that an address with credentials may be in instead of in its
// flag or variable, which others can see: in the list of processes, in a crash dump,
// in kubectl describe.
type uriFile struct {
	path string
	read URI // what was in it; not what was set by its flag
}

// load reads the file, if there is one, into the address that its flag would set.
func (f *uriFile) load(flagName string, to *URI) error {
	if f.path == "" {
		return nil
	}
	if *to != "" && *to != f.read {
		return fmt.Errorf("given twice: set %s, or %s, and not both", both(flagName), both(flagName+"-file"))
	}
	text, err := os.ReadFile(f.path)
	if err != nil {
		return fmt.Errorf("read %s: %w", both(flagName+"-file"), err)
	}
	f.read = URI(strings.TrimSpace(string(text)))
	if f.read == "" {
		return fmt.Errorf("the file of %s is empty", both(flagName+"-file"))
	}
	*to = f.read
	return nil
}
