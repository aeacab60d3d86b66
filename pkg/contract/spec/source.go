package spec

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// source is what reflection does not show of the types: their comments, and the
// constants of those that are enumerations. Names are package.Type, and
// package.Type.Field with Go's name.
type source struct {
	types  map[string]string
	fields map[string]string
	enums  map[string][]string // values, sorted
}

// packages are those whose types the contracts show, below the root.
var packages = []string{"pkg/chat", "pkg/wire"}

// key is how a source calls a type.
func key(t reflect.Type) string {
	name, _, _ := strings.Cut(t.Name(), "[")
	return filepath.Base(t.PkgPath()) + "." + name
}

// readSource parses the packages below the module's root folder.
func readSource(root string) (*source, error) {
	s := &source{types: map[string]string{}, fields: map[string]string{}, enums: map[string][]string{}}
	for _, dir := range packages {
		files, err := filepath.Glob(filepath.Join(root, dir, "*.go"))
		if err != nil || len(files) == 0 {
			return nil, fmt.Errorf("no Go files in %s: begin at the module's root folder", filepath.Join(root, dir))
		}
		for _, name := range files {
			if strings.HasSuffix(name, "_test.go") {
				continue
			}
			file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ParseComments)
			if err != nil {
				return nil, fmt.Errorf("parse the types: %w", err)
			}
			for _, d := range file.Decls {
				if g, ok := d.(*ast.GenDecl); ok {
					s.declaration(file.Name.Name, g)
				}
			}
		}
	}
	for _, values := range s.enums {
		slices.Sort(values)
	}
	return s, nil
}

func (s *source) declaration(pkg string, d *ast.GenDecl) {
	for _, spec := range d.Specs {
		switch spec := spec.(type) {
		case *ast.TypeSpec:
			name := pkg + "." + spec.Name.Name
			s.types[name] = plain(d.Doc.Text())
			if spec.Doc != nil {
				s.types[name] = plain(spec.Doc.Text())
			}
			if st, ok := spec.Type.(*ast.StructType); ok {
				s.structure(name, st)
			}
		case *ast.ValueSpec:
			typ, ok := spec.Type.(*ast.Ident)
			if d.Tok != token.CONST || !ok {
				continue
			}
			for _, v := range spec.Values {
				if lit, ok := v.(*ast.BasicLit); ok && lit.Kind == token.STRING && d.Lparen.IsValid() {
					value, err := strconv.Unquote(lit.Value)
					if err == nil {
						s.enums[pkg+"."+typ.Name] = append(s.enums[pkg+"."+typ.Name], value)
					}
				}
			}
		}
	}
}

func (s *source) structure(name string, st *ast.StructType) {
	for _, f := range st.Fields.List {
		text := f.Doc.Text()
		if text == "" {
			text = f.Comment.Text()
		}
		for _, n := range f.Names {
			s.fields[name+"."+n.Name] = plain(text)
		}
	}
}

var link = regexp.MustCompile(`\[\*?([A-Za-z.]+)\]`)

// plain is a Go comment as one line, without the brackets of links.
func plain(comment string) string {
	return link.ReplaceAllString(strings.Join(strings.Fields(comment), " "), "$1")
}
