package spec

import (
	"bytes"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/parley-chat/parley/pkg/contract"
)

// compiler knows a committed contract under its file's name.
func compiler(t *testing.T, file string, document []byte) *jsonschema.Compiler {
	t.Helper()
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(document))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	c.AssertFormat()
	if err := c.AddResource(file, doc); err != nil {
		t.Fatal(err)
	}
	return c
}

// Every schema of both contracts is a JSON Schema, and refers to what there is.
func TestSchemasCompile(t *testing.T) {
	http, socket := documents(t)
	for _, d := range []struct {
		file      string
		committed []byte
		schemas   map[string]*Schema
	}{
		{contract.OpenAPIFile, contract.OpenAPI(), http.Components.Schemas},
		{contract.AsyncAPIFile, contract.AsyncAPI(), socket.Components.Schemas},
	} {
		c := compiler(t, d.file, d.committed)
		for name := range d.schemas {
			if _, err := c.Compile(d.file + "#/components/schemas/" + name); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
}

// goldenFrames are the golden frames of package wire by file name.
func goldenFrames(t *testing.T, side string) map[string][]byte {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(root, "pkg/wire/testdata", side, "*.json"))
	if err != nil || len(files) == 0 {
		t.Fatal("no golden frames", err)
	}
	frames := map[string][]byte{}
	for _, path := range files {
		if frames[strings.TrimSuffix(filepath.Base(path), ".json")], err = os.ReadFile(path); err != nil {
			t.Fatal(err)
		}
	}
	return frames
}

// Golden frames of every type are as the contract says. Without a field that it
// requires they are not, nor with a field of another type, nor, where clients send
// them, with one that nobody knows.
func TestGoldenFramesAreInTheContract(t *testing.T) {
	c := compiler(t, contract.AsyncAPIFile, contract.AsyncAPI())
	golden := map[bool]map[string][]byte{true: goldenFrames(t, "client"), false: goldenFrames(t, "server")}
	_, socket := documents(t)
	used := map[string]bool{}
	for i := range Frames {
		f := &Frames[i]
		schema, err := c.Compile(contract.AsyncAPIFile + "#/components/schemas/" + f.SchemaName())
		if err != nil {
			t.Fatal(err)
		}
		valid := func(object map[string]any) bool { return schema.Validate(object) == nil }
		there := 0
		for _, name := range slices.Sorted(maps.Keys(golden[f.Client])) {
			if typ, _, _ := strings.Cut(name, "-"); typ != f.Type {
				continue
			}
			there++
			used[name] = true
			v, err := jsonschema.UnmarshalJSON(bytes.NewReader(golden[f.Client][name]))
			if err != nil {
				t.Fatal(err)
			}
			if err := schema.Validate(v); err != nil {
				t.Errorf("%s: %v", name, err)
				continue
			}
			whole := v.(map[string]any)
			s := socket.Components.Schemas[f.SchemaName()]
			for _, field := range s.Required {
				less := maps.Clone(whole)
				delete(less, field)
				if valid(less) {
					t.Errorf("%s is right without %s", name, field)
				}
			}
			for field := range whole {
				other := maps.Clone(whole)
				other[field] = []any{map[string]any{}}
				if valid(other) {
					t.Errorf("%s is right with a list as %s", name, field)
				}
			}
			more := maps.Clone(whole)
			more["of_a_later_version"] = true
			if tolerant := !f.Client || f.Type == "hello"; valid(more) != tolerant {
				t.Errorf("%s with an unknown field: %v", name, !tolerant)
			}
		}
		if there == 0 {
			t.Errorf("there is no golden frame of type %s: add one to pkg/wire/testdata", f.Type)
		}
	}
	for _, frames := range golden {
		for name := range frames {
			if !used[name] {
				t.Errorf("the golden frame %s is of no type of the contract", name)
			}
		}
	}
}
