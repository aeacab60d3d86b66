// Command contracts writes the contracts that package contract serves, from the Go
// types. It is `make contracts`, and is run in the root folder of the module.
//
// It refuses to write a change that breaks those who rely on the contract, and says
// how to make one that does not.
package main

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/parley-chat/parley/pkg/contract"
	"github.com/parley-chat/parley/pkg/contract/spec"
)

func main() {
	breaking := flag.Bool("breaking", false, "write incompatible changes too: for what was never released")
	flag.Parse()
	if err := run(".", *breaking); err != nil {
		fmt.Fprintln(os.Stderr, "contracts:", err)
		os.Exit(1)
	}
}

func run(root string, breaking bool) error {
	http, socket, err := spec.Documents(root)
	if err != nil {
		return err
	}
	var changes []spec.Change
	for _, d := range []struct {
		name     string
		document any
		compare  func(old []byte) ([]spec.Change, error)
	}{
		{contract.OpenAPIFile, http, http.BreakingSince},
		{contract.AsyncAPIFile, socket, socket.BreakingSince},
	} {
		path := filepath.Join(root, "pkg", "contract", d.name)
		old, err := os.ReadFile(path)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("read the committed contract: %w", err)
		}
		if len(old) > 0 && !breaking {
			found, err := d.compare(old)
			if err != nil {
				return fmt.Errorf("%w\nafter a merge: take either side of %s, and run make contracts again", err, path)
			}
			if changes = append(changes, found...); len(found) > 0 {
				continue
			}
		}
		var b bytes.Buffer
		if err := spec.Write(&b, d.document); err != nil {
			return err
		}
		if bytes.Equal(old, b.Bytes()) {
			continue
		}
		if err := os.WriteFile(path, b.Bytes(), 0o644); err != nil {
			return fmt.Errorf("write the contract: %w", err)
		}
		fmt.Println("wrote", path)
	}
	if len(changes) > 0 {
		return errors.New(spec.Explain(changes))
	}
	return nil
}
