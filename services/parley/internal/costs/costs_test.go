package costs

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/parley-chat/parley/services/parley/internal/generated"
)

const document = "../../../../docs/costs.md"

// TestDocument holds docs/costs.md against what is measured; with
// PARLEY_WRITE_COSTS set (make costs) it writes it instead.
func TestDocument(t *testing.T) {
	port := measure(t, func() backend { return &memory{} })
	commands := measure(t, func() backend { return &mongo{} })
	if t.Failed() {
		return
	}
	checkBounds(t, port, commands)
	var table strings.Builder
	table.WriteString("| action | calls on the store port | commands on MongoDB |\n|---|---|---|\n")
	for _, row := range rows {
		if port[row] == nil || commands[row] == nil {
			t.Fatalf("%q is not measured", row)
		}
		fmt.Fprintf(&table, "| %s | %s | %s |\n", row, port[row], commands[row])
		delete(port, row)
		delete(commands, row)
	}
	for row := range port {
		t.Errorf("%q is not in the table", row)
	}
	if writing {
		if err := generated.ReplaceFile(document, "make costs", table.String()); err != nil {
			t.Fatal(err)
		}
		return
	}
	have, err := os.ReadFile(document)
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range strings.Split(strings.TrimSpace(table.String()), "\n") {
		if !strings.Contains(string(have), line+"\n") {
			t.Errorf("docs/costs.md is out of date: run make costs. Measured: %s", line)
		}
	}
}

// checkBounds holds the costs against what operators rely on, whatever the document
// says: what a user with many conversations costs grows with chunks of 500, not with
// conversations; a message is one append and one finish whoever reads it; and nothing
// walks a whole collection.
func checkBounds(t *testing.T, port, commands map[string]usage) {
	t.Helper()
	chunks := many/500 + 1
	for row, most := range map[string]int{
		"connect, nothing new, 20 conversations":                             4,
		"connect, nothing new, 5,000 conversations":                          3*chunks + 3,
		"connect, a new device that has nothing to get, 5,000 conversations": 4*chunks + 3,
		"connect, 20 conversations with one new message each":                5 + 3*behind,
		"conversation list, first page of 50, 5,000 conversations":           2*chunks + 50 + 1,
		"conversation list, second page of 50, 5,000 conversations":          2*chunks + 50 + 1,
		"send, direct, this pod knows the conversation":                      3,
		"send, group of 2,000":                                               2,
		"`recv`":                                                             1,
		"`typing`, nobody of the conversation is on this pod":                0,
		"`typing`, direct, to a user of this pod, the first in a minute":     1,
		"`watch`, 100 users":                                                 1,
		"messages page, 50 in the middle of 2,000":                           7,
		"messages page, group of 2,000":                                      12,
		"unread, more than 1,000 entries after `read`":                       3,
		"create a group of 2,000":                                            25,
	} {
		if n := port[row].calls(); n > most {
			t.Errorf("%s: %d calls, at most %d are promised: %s", row, n, most, port[row])
		}
	}
	for row, u := range commands {
		for command := range u {
			if strings.Contains(command, "(scan)") {
				t.Errorf("%s walks a whole collection: %s", row, u)
			}
		}
	}
}
