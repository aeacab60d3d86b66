package contract

import (
	"slices"
	"strings"
	"sync"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// Methods lists what the whole HTTP API, whichever service answers, lets one do at a
// path as it was sent, percent-encoding included: for Allow where all of it is behind
// one address. It is sorted, and empty where the API has no such path. Nobody may
// change it.
func Methods(path string) []string {
	parts := strings.Split(path, "/")
	best := -1
	var methods []string
	for _, p := range paths() {
		if fixed, ok := p.match(parts); ok && fixed > best {
			best, methods = fixed, p.methods
		}
	}
	return methods
}

// pathMethods is a path of the contract.
type pathMethods struct {
	parts   []string // "{x}" stands for any text
	methods []string
}

// match says whether p is the path with these parts, and how many of them it names:
// of two paths that match, the one that names more is meant.
func (p *pathMethods) match(parts []string) (fixed int, ok bool) {
	if len(parts) != len(p.parts) {
		return 0, false
	}
	for i, want := range p.parts {
		switch {
		case want == parts[i]:
			fixed++
		case parts[i] == "" || !strings.HasPrefix(want, "{"):
			return 0, false
		}
	}
	return fixed, true
}

// paths are those of the document, which is part of the program: it is read once,
// when it is first asked for, and a test reads it.
var paths = sync.OnceValue(func() (list []pathMethods) {
	var document struct {
		Paths map[string]map[string]jsontext.Value `json:"paths"`
	}
	if err := json.Unmarshal(openAPI, &document); err != nil {
		panic("contract: " + err.Error())
	}
	for path, operations := range document.Paths {
		p := pathMethods{parts: strings.Split(path, "/")}
		for method := range operations {
			p.methods = append(p.methods, strings.ToUpper(method))
		}
		slices.Sort(p.methods)
		list = append(list, p)
	}
	return list
})
