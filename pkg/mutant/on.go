//go:build mutants

package mutant

import (
	"fmt"
	"os"
	"slices"
	"sync"
)

// chosen is the mutant that this process is.
var chosen = sync.OnceValue(func() Name {
	name := Name(os.Getenv(Env))
	if name != "" && !slices.Contains(All(), name) {
		fmt.Fprintf(os.Stderr, "%s is %q, and must be one of %q\n", Env, name, All())
		os.Exit(2)
	}
	return name
})

// Is reports whether a mutant is switched on.
func Is(name Name) bool { return chosen() == name }
