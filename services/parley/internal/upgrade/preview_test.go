package upgrade

import (
	"bytes"
	"path/filepath"
	"testing"

	"github.com/parley-chat/parley/pkg/chat"
	"github.com/parley-chat/parley/pkg/store"
)

// previewed is the preview of the group.
func previewed(t *testing.T, st store.Store) chat.Preview {
	t.Helper()
	list, err := st.ConversationsByKey(t.Context(), []chat.Key{group})
	if err != nil || len(list) != 1 {
		t.Fatal(list, err)
	}
	return list[0].Preview
}

// puts stores and finishes an entry of the group.
func puts(t *testing.T, st store.Store, e chat.Entry) {
	t.Helper()
	b := store.Batch{Entries: []chat.Entry{e}}
	a := st.Append(t.Context(), b)
	if a.Err != nil || a.Outcomes[0] != store.Stored {
		t.Fatalf("%+v", a)
	}
	if err := st.Finish(t.Context(), b); err != nil {
		t.Fatal(err)
	}
}

// editsOldPreview edits what version 1 left as the preview of the group, which has no
// place for an edit, and takes it back.
func editsOldPreview(t *testing.T, st store.Store) {
	t.Helper()
	shows := func(text string, edit chat.PreviewEdit) {
		t.Helper()
		if p := previewed(t, st); p.Seq != 3 || p.Text != text || p.Edit != edit {
			t.Fatalf("the preview is %+v, want %q and %+v", p, text, edit)
		}
	}
	shows("to the group", chat.PreviewEdit{})
	first := entry(group, 4, "bob@example.com", chat.Entry{Kind: chat.KindEdited, Target: 3, Body: []byte(`{"text":"qzxsecret"}`)})
	puts(t, st, first)
	shows("to the group", chat.PreviewEdit{Seq: 4, Text: "qzxsecret"})
	puts(t, st, entry(group, 5, "bob@example.com", chat.Entry{Kind: chat.KindEdited, Target: 3, Body: []byte(`{"text":"qzxsecret two"}`)}))
	shows("to the group", chat.PreviewEdit{Seq: 5, Text: "qzxsecret two"})
	puts(t, st, entry(group, 6, "bob@example.com", chat.Entry{Kind: chat.KindRecalled, Target: 3}))
	shows("", chat.PreviewEdit{})
	if err := st.Finish(t.Context(), store.Batch{Entries: []chat.Entry{first}}); err != nil {
		t.Fatal(err)
	}
	shows("", chat.PreviewEdit{})
}

func TestEditsPreviewOfVersion1(t *testing.T) {
	old, db := mongoStore(t)
	for _, d := range golden(t, documents) {
		if _, err := db.Collection(d.collection).InsertOne(t.Context(), d.Raw); err != nil {
			t.Fatal(err)
		}
	}
	editsOldPreview(t, old)
	hasNo(t, dump(t, db), "qzxsecret")
}

func TestEditsPreviewInAFolderOfVersion1(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "old")
	unpack(t, dir, folderFile)
	st := pebble(t, dir)
	defer func() {
		if err := st.Close(); err != nil {
			t.Error(err)
		}
	}()
	editsOldPreview(t, st)
}

// No document keeps the text of an edit whose message is gone, be it the preview's or
// an older one.
func TestPreviewKeepsNoText(t *testing.T) {
	st, db := mongoStore(t)
	script(t, st)
	secret := func(seq, target chat.Seq) chat.Entry {
		return entry(group, seq, "bob@example.com", chat.Entry{Kind: chat.KindEdited, Target: target, Body: []byte(`{"text":"qzxsecret"}`)})
	}
	edited := secret(5, 3)
	puts(t, st, entry(group, 4, "bob@example.com", chat.Entry{Body: []byte(`{"text":"later"}`)}))
	puts(t, st, edited)
	puts(t, st, entry(group, 6, "bob@example.com", chat.Entry{Kind: chat.KindRecalled, Target: 3}))
	hasNo(t, dump(t, db), "qzxsecret")
	puts(t, st, secret(7, 4))
	if err := st.Blank(t.Context(), group, []chat.Seq{3, 4}); err != nil {
		t.Fatal(err)
	}
	hasNo(t, dump(t, db), "qzxsecret")
	if err := st.Finish(t.Context(), store.Batch{Entries: []chat.Entry{edited, secret(7, 4)}}); err != nil {
		t.Fatal(err)
	}
	hasNo(t, dump(t, db), "qzxsecret")
}

func hasNo(t *testing.T, docs []document, text string) {
	t.Helper()
	for _, d := range docs {
		if bytes.Contains(d.Raw, []byte(text)) {
			t.Errorf("%s of %s: %s", d.id(), d.collection, d.Raw)
		}
	}
}
