// Package authz is who may do what: each request of the contract, each role, and what
// that role gets, as data. Tests of the services ask for every cell, and
// docs/authorisation.md shows the same tables, so that what is promised, what is
// shown and what is done are one.
package authz

import (
	"fmt"
	"strings"

	"github.com/parley-chat/parley/pkg/contract/spec"
)

// Role is who asks.
type Role struct{ Name, Doc string }

// Roles are in the order of a row.
var Roles = []Role{
	{"none", "nobody: no token, or one that is not good"},
	{"stranger", "a user who never was in the group"},
	{"former", "a member who was removed"},
	{"muted", "a member who may not write"},
	{"member", "a member"},
	{"admin", "an admin of the group"},
	{"owner", "the owner of the group"},
	{"service", "a service with the scope `send:any`, in no group"},
	{"elsewhere", "a user of the owner's name in another tenant"},
	{"operator", "an operator with the scopes `operator`, `revoke:any` and `erase:any`, in no group"},
}

// Row is one request, and the status that each role gets. In path and body {conv},
// {own} and {foreign} stand for the group and for messages of the caller (of others,
// where the caller never was a member) and of another member; {file} for another
// member's upload, {sent} for a file that was sent to the group, {me} for the caller.
type Row struct {
	ID, Name   string // operation of the contract; what it is about
	Path, Body string // "": the operation's
	Want       string // a status for each role
}

// Statuses takes Want apart.
func (r Row) Statuses() []string { return strings.Fields(r.Want) }

// Operations are those of the contract that a service answers, by id.
func Operations(by spec.Service) map[string]spec.Operation {
	ops := map[string]spec.Operation{}
	for _, o := range spec.Operations {
		if o.By&by != 0 {
			ops[o.ID] = o
		}
	}
	return ops
}

// Check says what is wrong with a matrix: rows of no operation, or not one status a
// role; operations without a row.
func Check(rows []Row, by spec.Service) (wrong []string) {
	ops, seen := Operations(by), map[string]bool{}
	for n, row := range rows {
		if _, ok := ops[row.ID]; !ok || len(row.Statuses()) != len(Roles) {
			wrong = append(wrong, fmt.Sprintf("row %d (%s) is of no operation, or has not one status a role", n, row.ID))
		}
		seen[row.ID] = true
	}
	for id := range ops {
		if !seen[id] {
			wrong = append(wrong, id+" has no row in the matrix: say who may do it")
		}
	}
	return wrong
}

// Tables is the part of docs/authorisation.md that is written from the matrices.
func Tables() string {
	var b strings.Builder
	b.WriteString("| role | who that is |\n|---|---|\n")
	for _, r := range Roles {
		fmt.Fprintf(&b, "| %s | %s |\n", r.Name, r.Doc)
	}
	for _, part := range []struct {
		title string
		rows  []Row
		by    spec.Service
	}{
		{"What changes something: gateway", Gateway, spec.Gateway},
		{"What is read: history", History, spec.History},
		{"Dev tokens: `parley up`, where `--dev-tokens=false` switches them off, and `parley dev-tokens`", Dev, spec.AllInOne},
	} {
		fmt.Fprintf(&b, "\n## %s\n\n| request | about |", part.title)
		for _, r := range Roles {
			fmt.Fprintf(&b, " %s |", r.Name)
		}
		b.WriteString("\n|---|---|" + strings.Repeat(":-:|", len(Roles)) + "\n")
		ops := Operations(part.by)
		for _, row := range part.rows {
			fmt.Fprintf(&b, "| `%s %s` | %s |", ops[row.ID].Method, ops[row.ID].Path, row.Name)
			for _, s := range row.Statuses() {
				fmt.Fprintf(&b, " %s |", shown(s))
			}
			b.WriteString("\n")
		}
	}
	b.WriteString("\n## The operations port\n\nNobody is asked for a token there. Never open it to the world.\n\n| request | about | everybody |\n|---|---|:-:|\n")
	for _, row := range Ops {
		fmt.Fprintf(&b, "| `%s %s` | %s | %s |\n", row.ID, row.Path, row.Name, shown(row.Want))
	}
	return b.String()
}

// shown makes what is allowed stand out.
func shown(status string) string {
	if status[0] < '4' {
		return "**" + status + "**"
	}
	return status
}
