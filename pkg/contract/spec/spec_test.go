package spec

import (
	"bytes"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/parley-chat/parley/pkg/chat"
	"github.com/parley-chat/parley/pkg/contract"
	"github.com/parley-chat/parley/pkg/wire"
)

// root is the module's root folder.
const root = "../../.."

func documents(t *testing.T) (*OpenAPI, *AsyncAPI) {
	t.Helper()
	http, socket, err := Documents(root)
	if err != nil {
		t.Fatal(err)
	}
	return http, socket
}

// The committed contracts are those of the types, and no change of the types breaks
// what was committed.
func TestContractsAreThoseOfTheTypes(t *testing.T) {
	http, socket := documents(t)
	for _, d := range []struct {
		file      string
		committed []byte
		document  any
		breaking  func([]byte) ([]Change, error)
	}{
		{contract.OpenAPIFile, contract.OpenAPI(), http, http.BreakingSince},
		{contract.AsyncAPIFile, contract.AsyncAPI(), socket, socket.BreakingSince},
	} {
		changes, err := d.breaking(d.committed)
		if err != nil {
			t.Fatal(err)
		}
		if len(changes) > 0 {
			t.Errorf("%s: %s", d.file, Explain(changes))
			continue
		}
		var now bytes.Buffer
		if err := Write(&now, d.document); err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(now.Bytes(), d.committed) {
			t.Errorf("pkg/contract/%s is not that of the types: run make contracts, and commit it", d.file)
		}
	}
}

// cases are the string literals in the case clauses of a function of package wire.
func cases(t *testing.T, file, function string) (list []string) {
	t.Helper()
	f, err := parser.ParseFile(token.NewFileSet(), filepath.Join(root, "pkg/wire", file), nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	ast.Inspect(f, func(n ast.Node) bool {
		if fn, ok := n.(*ast.FuncDecl); ok {
			return fn.Name.Name == function
		}
		if c, ok := n.(*ast.CaseClause); ok {
			for _, e := range c.List {
				if lit, ok := e.(*ast.BasicLit); ok {
					s, err := strconv.Unquote(lit.Value)
					if err != nil {
						t.Fatal(err)
					}
					list = append(list, s)
				}
			}
		}
		return true
	})
	if len(list) == 0 {
		t.Fatalf("%s in %s decodes nothing", function, file)
	}
	return list
}

// The list of frames is what package wire decodes.
func TestFramesAreThoseOfWire(t *testing.T) {
	kinds := []chat.Kind{chat.KindMessage, chat.KindEdited, chat.KindRecalled, chat.KindReacted, chat.KindMembers}
	var decoded []string
	decoded = append(decoded, cases(t, "client.go", "newFrame")...)
	decoded = append(decoded, cases(t, "encode.go", "DecodeServer")...)
	for _, k := range kinds {
		decoded = append(decoded, string(k))
	}
	source, err := readSource(root)
	if err != nil {
		t.Fatal(err)
	}
	if len(kinds) != len(source.enums["chat.Kind"]) {
		t.Errorf("there are other kinds of entries: %v", source.enums["chat.Kind"])
	}
	var listed []string
	for i := range Frames {
		f := &Frames[i]
		listed = append(listed, f.Type)
		if f.Client {
			v, ok := reflect.New(reflect.TypeOf(f.Value)).Interface().(wire.Frame)
			if !ok || v.Name() != f.Type {
				t.Errorf("%T is not the frame %s", f.Value, f.Type)
			}
			continue
		}
		v, err := wire.DecodeServer([]byte(`{"type":"` + f.Type + `","count":1,"seq":1,"time":"2026-01-02T03:04:05.006Z"}`))
		if err != nil || reflect.TypeOf(v) != reflect.PointerTo(reflect.TypeOf(f.Value)) {
			t.Errorf("%s is decoded into %T, not %T: %v", f.Type, v, f.Value, err)
		}
	}
	for _, typ := range decoded {
		if !slices.Contains(listed, typ) {
			t.Errorf("the frame %s is not in the contract: add it to pkg/contract/spec/frames.go, and run make contracts", typ)
		}
	}
	for _, typ := range listed {
		if !slices.Contains(decoded, typ) {
			t.Errorf("the frame %s of pkg/contract/spec/frames.go is decoded nowhere", typ)
		}
	}
}

// fill sets everything in a value to something that is not zero.
func fill(v reflect.Value) {
	switch v.Interface().(type) {
	case wire.Time:
		v.Set(reflect.ValueOf(wire.Time{Time: time.UnixMilli(1_700_000_000_006)}))
		return
	case jsontext.Value:
		v.Set(reflect.ValueOf(jsontext.Value(`{"text":"x"}`)))
		return
	}
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			fill(v.Field(i))
		}
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(v.Elem())
	case reflect.Array:
		for i := range v.Len() {
			fill(v.Index(i))
		}
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 1, 1))
		fill(v.Index(0))
	case reflect.Map:
		k, e := reflect.New(v.Type().Key()).Elem(), reflect.New(v.Type().Elem()).Elem()
		fill(k)
		fill(e)
		v.Set(reflect.MakeMap(v.Type()))
		v.SetMapIndex(k, e)
	case reflect.String:
		v.SetString("x")
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Int, reflect.Int64:
		v.SetInt(7)
	}
}

// names are the fields of a struct as JSON has them, without and with those that may
// be missing.
func names(t *testing.T, value any) (always, all []string) {
	t.Helper()
	full := reflect.New(reflect.TypeOf(value)).Elem()
	fill(full)
	for i, v := range []any{value, full.Interface()} {
		raw, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		var object map[string]jsontext.Value
		if err := json.Unmarshal(raw, &object); err != nil {
			t.Fatal(err)
		}
		list := slices.Sorted(maps.Keys(object))
		if i == 0 {
			always = list
		} else {
			all = list
		}
	}
	return always, all
}

// The schemas have the fields that encoding the structs gives, and require those
// that are always there.
func TestSchemasHaveTheFieldsOfTheStructs(t *testing.T) {
	http, socket := documents(t)
	shown := map[reflect.Type]map[string]bool{}
	for i := range Frames {
		f := &Frames[i]
		s := socket.Components.Schemas[f.SchemaName()]
		always, _ := names(t, f.Value)
		for _, name := range always {
			if !slices.Contains(s.Required, name) && name != "body" { // raw JSON must be set to be encoded
				t.Errorf("%s may lack %s", f.Type, name)
			}
		}
		typ := reflect.TypeOf(f.Value)
		if shown[typ] == nil {
			shown[typ] = map[string]bool{}
		}
		for name := range s.Properties {
			shown[typ][name] = true
		}
	}
	for typ, properties := range shown {
		_, all := names(t, reflect.Zero(typ).Interface())
		if got := slices.Sorted(maps.Keys(properties)); !slices.Equal(got, all) {
			t.Errorf("%s has the fields %v, its schemas %v", typ, all, got)
		}
	}
	for _, o := range Operations {
		values := []any{o.Body}
		for _, a := range o.Answers {
			value, _ := a.body()
			values = append(values, value)
		}
		for _, v := range values {
			if v == nil {
				continue
			}
			s := http.Components.Schemas[nameOf(reflect.TypeOf(v))]
			if s == nil {
				t.Errorf("%s: no schema for %T", o.ID, v)
				continue
			}
			_, all := names(t, v)
			if got := slices.Sorted(maps.Keys(s.Properties)); !slices.Equal(got, all) {
				t.Errorf("%T has the fields %v, its schema %v", v, all, got)
			}
		}
	}
}

// The patterns take what the checks take.
func TestFormsAreThoseOfTheChecks(t *testing.T) {
	samples := []string{"", "a", "A9", "_a", "a_b-c", "a.b@c+d", "-a", "ä", "a b", "!add:x", "d_abcdefghijklmnop", "g_abcdefghijklmno",
		"g_abcdefghijklmnopqrstuvwxyz0123456789abcd", "g_abcdefghijklmnopqrstuvwxyz0123456789abcde", "u_abcdefghijklmnop", "d_Abcdefghijklmnop",
		string(bytes.Repeat([]byte("x"), 64)), string(bytes.Repeat([]byte("x"), 65))}
	for _, s := range samples {
		for _, c := range []struct {
			typ   reflect.Type
			valid bool
		}{
			{reflect.TypeFor[chat.User](), chat.User(s).Valid()}, {reflect.TypeFor[chat.Device](), chat.Device(s).Valid()},
			{reflect.TypeFor[chat.ConvID](), chat.ConvID(s).Valid()}, {reflect.TypeFor[chat.CMID](), chat.CMID(s).Valid()},
		} {
			if regexp.MustCompile(forms[c.typ].Pattern).MatchString(s) != c.valid {
				t.Errorf("%q as %s: the check says %v, the pattern not", s, c.typ, c.valid)
			}
		}
	}
}

// What a generator cannot describe is an error that says what to do.
func TestWhatCannotBeDescribed(t *testing.T) {
	for what, v := range map[string]any{
		"no tag": struct{ A string }{},
		"raw JSON": struct {
			A jsontext.Value `json:"a"`
		}{},
		"own writing": struct {
			A time.Time `json:"a"`
		}{},
		"a channel": struct {
			A chan int `json:"a"`
		}{},
	} {
		func() {
			defer func() {
				if f, ok := recover().(failure); !ok || f.Error() == "" {
					t.Errorf("%s was described", what)
				}
			}()
			g := &generator{source: &source{}, schemas: map[string]*Schema{}, made: map[string]reflect.Type{}}
			g.object(reflect.TypeOf(v))
		}()
	}
	if _, _, err := Documents(t.TempDir()); err == nil {
		t.Error("contracts out of nothing")
	}
}
