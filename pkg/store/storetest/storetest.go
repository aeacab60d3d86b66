// Package storetest is the contract of [store.Store] as tests. Every
// implementation runs the same suite: what it does not ask for, nobody may rely
// on.
//
// The suite makes fresh tenants, conversations and pods for each test, so that
// all of it can run against one shared database; only the identity of the data
// (Meta) is shared, and its epoch changes. It stores about a thousand small
// documents in all. It knows both kinds of stores: those whose Append finishes in the
// same step, and those that need a Finish.
package storetest

import (
	"context"
	"crypto/rand"
	"testing"
	"time"

	"github.com/parley-chat/parley/pkg/store"
)

// patience is the longest that one test may take on a slow store.
const patience = 2 * time.Minute

// Run runs the suite. Each test calls open once; it may return the same store
// every time. Closing it is left to open (t.Cleanup).
func Run(t *testing.T, open func(t *testing.T) store.Store) {
	groups := []struct {
		name  string
		tests []test
	}{
		{"Append", appendTests},
		{"Entries", entriesTests},
		{"Finish", finishTests},
		{"Members", memberTests},
		{"Fold", foldTests},
		{"Recall", recallTests},
		{"Preview of an edit", previewTests},
		{"Conversations", conversationTests},
		{"Cursors", cursorTests},
		{"Devices", deviceTests},
		{"Blocks", blockTests},
		{"Settings", settingsTests},
		{"Attachments", attachmentTests},
		{"Retention", retentionTests},
		{"Jobs", jobTests},
		{"Revocations", revocationTests},
		{"Journal", journalTests},
		{"Pods", podTests},
		{"Meta", metaTests},
		{"Context", contextTests},
		{"Concurrent", concurrentTests},
	}
	for _, g := range groups {
		t.Run(g.name, func(t *testing.T) {
			for _, c := range g.tests {
				t.Run(c.name, func(t *testing.T) { c.run(newFixture(t, open(t))) })
			}
		})
	}
}

// test is one sentence of the contract.
type test struct {
	name string
	run  func(*fixture)
}

func newFixture(t *testing.T, s store.Store) *fixture {
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	return &fixture{T: t, ctx: ctx, Store: s, ns: ns()}
}

func random() string { return rand.Text()[:16] }
