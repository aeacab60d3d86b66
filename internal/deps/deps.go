// Package deps checks what is linked into a binary. Each command's test lists
// what must not be, with the reason.
package deps

import (
	"os/exec"
	"strings"
	"testing"
)

// Module is the import path of the root module.
const Module = "github.com/parley-chat/parley"

// Forbid fails if the package in the current folder depends on any of the import
// paths in forbidden, or on packages below them; the values say why they must
// not be there. It also fails if it does not depend on must: then it looked at
// the wrong thing.
func Forbid(t *testing.T, must string, forbidden map[string]string) {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "go", "list", "-deps", ".").CombinedOutput()
	if err != nil {
		t.Fatalf("go list: %v\n%s", err, out)
	}
	found := false
	for pkg := range strings.Lines(string(out)) {
		pkg = strings.TrimSpace(pkg)
		found = found || pkg == must
		for path, why := range forbidden {
			if pkg == path || strings.HasPrefix(pkg, path+"/") {
				t.Errorf("%s is linked in: %s", pkg, why)
			}
		}
	}
	if !found {
		t.Errorf("go list does not name %s:\n%s", must, out)
	}
}
