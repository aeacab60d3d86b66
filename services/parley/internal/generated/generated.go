// Package generated keeps the parts of a document up to date that a program
// writes. Such a part stands between two lines, which stay:
//
//	<!-- generated: NAME -->
//	<!-- end: NAME -->
package generated

import (
	"fmt"
	"os"
	"strings"
)

// Replace returns doc with text between the lines of name. A document without
// these lines, once each and in order, is an error.
func Replace(doc, name, text string) (string, error) {
	begin, end := "<!-- generated: "+name+" -->\n", "<!-- end: "+name+" -->\n"
	head, rest, ok := strings.Cut(doc, begin)
	_, tail, ok2 := strings.Cut(rest, end)
	if !ok || !ok2 || strings.Contains(tail, begin) || strings.Contains(tail, end) {
		return "", fmt.Errorf("the document needs the lines %q and %q once", strings.TrimSpace(begin), strings.TrimSpace(end))
	}
	return head + begin + "\n" + strings.TrimSpace(text) + "\n\n" + end + tail, nil
}

// ReplaceFile does it in a file. A file that would not change is not written.
func ReplaceFile(path, name, text string) error {
	doc, err := os.ReadFile(path)
	if err != nil {
		return fmt.Errorf("read document: %w", err)
	}
	changed, err := Replace(string(doc), name, text)
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	if changed == string(doc) {
		return nil
	}
	if err := os.WriteFile(path, []byte(changed), 0o644); err != nil {
		return fmt.Errorf("write document: %w", err)
	}
	return nil
}
