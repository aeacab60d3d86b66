package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/parley-chat/parley/pkg/contract"
)

// tree is a folder with the types as they are and contracts of the test's own.
func tree(t *testing.T, openAPI string) (root, file string) {
	t.Helper()
	root = t.TempDir()
	dir := filepath.Join(root, "pkg", "contract")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, p := range []string{"chat", "wire"} {
		from, err := filepath.Abs(filepath.Join("../../..", p))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(from, filepath.Join(root, "pkg", p)); err != nil {
			t.Fatal(err)
		}
	}
	file = filepath.Join(dir, contract.OpenAPIFile)
	if openAPI != "" {
		if err := os.WriteFile(file, []byte(openAPI), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return root, file
}

func TestRun(t *testing.T) {
	const lost = `{"paths":{"/v1/lost":{"get":{"operationId":"x","summary":"","responses":{}}}},"components":{"schemas":{}}}`
	for _, c := range []struct {
		name, old string
		breaking  bool
		err       string // "": it is written
	}{
		{"for the first time", "", false, ""},
		{"the same", string(contract.OpenAPI()), false, ""},
		{"more", `{"paths":{},"components":{"schemas":{}}}`, false, ""},
		{"breaking", lost, false, "GET /v1/lost: is no more\n      instead: keep the route"},
		{"breaking, on purpose", lost, true, ""},
		{"after a merge", "<<<<<<< ours", false, "take either side"},
	} {
		t.Run(c.name, func(t *testing.T) {
			root, file := tree(t, c.old)
			err := run(root, c.breaking)
			if c.err != "" {
				if err == nil || !strings.Contains(err.Error(), c.err) {
					t.Errorf("error %v", err)
				}
				if now, err := os.ReadFile(file); err != nil || string(now) != c.old {
					t.Errorf("written all the same, %v", err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if now, err := os.ReadFile(file); err != nil || !bytes.Equal(now, contract.OpenAPI()) {
				t.Errorf("not as committed, %v", err)
			}
		})
	}
	if err := run(t.TempDir(), false); err == nil {
		t.Error("contracts out of nothing")
	}
}
