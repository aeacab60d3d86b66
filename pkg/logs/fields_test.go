package logs_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/parley-chat/parley/pkg/logs"
)

// methods of a slog.Logger, and where their fields begin.
var methods = map[string]int{"Debug": 1, "Info": 1, "Warn": 1, "Error": 1, "With": 0}

// Every line that a service can write has fields of the list alone, and a message
// that is a text of the program.
func TestFieldsAreOfTheList(t *testing.T) {
	allowed, used, calls := logs.Fields(), map[string]bool{"suppressed": true}, 0
	for _, root := range []string{"../../pkg", "../../services/gateway", "../../services/history", "../../services/push", "../../services/parley/internal/allinone", "../../services/parley/pebblestore", "../../web/cmd"} {
		err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
			switch {
			case err != nil && strings.HasSuffix(root, "push"):
				return nil // not built yet
			case err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go"):
				return err
			}
			fset := token.NewFileSet()
			file, err := parser.ParseFile(fset, path, nil, 0)
			if err != nil {
				return err
			}
			ast.Inspect(file, func(n ast.Node) bool {
				call, ok := n.(*ast.CallExpr)
				if !ok {
					return true
				}
				at, ok := logCall(call)
				if !ok {
					return true
				}
				calls++
				where := fset.Position(call.Pos()).String()
				for i := at; i < len(call.Args); i += 2 {
					if isTraceAttr(call.Args[i]) {
						used["trace_id"] = true
						i--
						continue
					}
					lit, ok := call.Args[i].(*ast.BasicLit)
					if !ok {
						t.Errorf("%s: the key of a field is no literal", where)
						continue
					}
					key, _ := strconv.Unquote(lit.Value)
					if used[key] = true; allowed[key] == "" {
						t.Errorf("%s: %q is not among the fields of package logs", where, key)
					}
				}
				return true
			})
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if calls < 40 {
		t.Errorf("only %d calls were found", calls)
	}
	for key := range allowed {
		if !used[key] {
			t.Errorf("nobody writes the field %q", key)
		}
	}
	for _, key := range []string{"user", "device", "token", "body", "cmid", "path", "address", "ip"} {
		if _, ok := allowed[key]; ok {
			t.Errorf("%q is a field", key)
		}
	}
}

// isTraceAttr reports whether an argument is a whole field: that of a trace.
func isTraceAttr(arg ast.Expr) bool {
	call, ok := arg.(*ast.CallExpr)
	if !ok {
		return false
	}
	sel, ok := call.Fun.(*ast.SelectorExpr)
	return ok && sel.Sel.Name == "LogAttr"
}

// logCall reports whether a call is one of a logger, by what loggers are called
// here, and where its fields begin.
func logCall(call *ast.CallExpr) (at int, ok bool) {
	sel, isSel := call.Fun.(*ast.SelectorExpr)
	if !isSel {
		return 0, false
	}
	at, ok = methods[sel.Sel.Name]
	if !ok {
		return 0, false
	}
	var name string
	switch x := sel.X.(type) {
	case *ast.Ident:
		name = x.Name
	case *ast.SelectorExpr:
		name = x.Sel.Name
	}
	return at, slices.Contains([]string{"log", "Log", "logger", "Logger"}, name)
}
