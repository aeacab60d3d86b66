package storetest

import (
	"strings"

	"github.com/parley-chat/parley/pkg/chat"
	"github.com/parley-chat/parley/pkg/store"
)

var previewTests = []test{
	{"is the latest", previewLatest},
	{"of an older message", previewOlder},
	{"ends with the next message", previewNext},
	{"is cut short", previewCut},
	{"never comes after a recall", previewRecalled},
	{"never comes after a blank", previewBlanked},
	{"older than the document", previewWithoutDocument},
	{"finished by many", previewConcurrent},
}

// showsEdit checks a preview of alice's message, as sent and as edited; sent as nothing:
// it is gone.
func (f *fixture) showsEdit(key chat.Key, message chat.Seq, sent string, edit chat.Seq, text string) {
	f.Helper()
	f.samePreview(key, chat.Preview{
		Seq: message, From: "alice", Time: at(message), Gone: sent == "", Text: sent, Edit: chat.PreviewEdit{Seq: edit, Text: text},
	})
}

func previewLatest(f *fixture) {
	key := f.group()
	m, e, e2 := message(key, 1, "one"), edit(key, 2, 1, "one 2"), edit(key, 3, 1, "one 3")
	f.put(m)
	f.showsEdit(key, 1, "one", 0, "")
	f.put(e)
	f.showsEdit(key, 1, "one", 2, "one 2")
	f.put(e2)
	f.showsEdit(key, 1, "one", 3, "one 3")
	for _, late := range [][]chat.Entry{{e}, {m}, {e2, e}, {m, e}, {e2}} {
		f.finish(late...)
		f.showsEdit(key, 1, "one", 3, "one 3")
	}

	for _, order := range [][]int{{2, 1, 0}, {1, 2, 0}, {2, 0, 1}, {0, 2, 1}} {
		key := f.group()
		es := []chat.Entry{message(key, 1, "one"), edit(key, 2, 1, "one 2"), edit(key, 3, 1, "one 3")}
		f.appendOnly(es...)
		for _, i := range order {
			f.finish(es[i])
		}
		f.showsEdit(key, 1, "one", 3, "one 3")
	}
}

func previewOlder(f *fixture) {
	key := f.group()
	f.put(append(messages(key, 2), edit(key, 3, 1, "older"))...)
	f.showsEdit(key, 2, "text 2", 0, "")
	f.put(edit(key, 4, 2, "latest"), edit(key, 5, 1, "older again"))
	f.showsEdit(key, 2, "text 2", 4, "latest")
	f.put(edit(key, 6, 1, "older once more"))
	f.showsEdit(key, 2, "text 2", 4, "latest")
	f.put(recall(key, 7, 1))
	f.showsEdit(key, 2, "text 2", 4, "latest")
}

func previewNext(f *fixture) {
	key := f.group()
	m, e := message(key, 1, "one"), edit(key, 2, 1, "one 2")
	f.put(m, e, message(key, 3, "three"))
	f.showsEdit(key, 3, "three", 0, "")
	f.finish(m, e)
	f.showsEdit(key, 3, "three", 0, "")
	f.put(edit(key, 4, 1, "one 4"), edit(key, 5, 3, "three 5"))
	f.showsEdit(key, 3, "three", 5, "three 5")
}

func previewCut(f *fixture) {
	key := f.group()
	f.put(message(key, 1, "one"), edit(key, 2, 1, strings.Repeat("é😀", chat.PreviewRunes)))
	f.showsEdit(key, 1, "one", 2, strings.Repeat("é😀", chat.PreviewRunes/2))
	data := edit(key, 3, 1, "")
	data.Body = []byte(`{"data":{"n":1}}`)
	f.put(data)
	f.showsEdit(key, 1, "one", 3, "")
}

func previewRecalled(f *fixture) {
	key := f.group()
	es := []chat.Entry{message(key, 1, "one"), edit(key, 2, 1, "one 2"), edit(key, 3, 1, "one 3"), recall(key, 4, 1)}
	f.put(es...)
	f.showsEdit(key, 1, "", 0, "")
	for i := range es {
		f.finish(es[i])
		f.showsEdit(key, 1, "", 0, "")
	}
	f.put(message(key, 5, "five"), edit(key, 6, 5, "five 6"))
	f.finish(es...)
	f.showsEdit(key, 5, "five", 6, "five 6")
}

func previewBlanked(f *fixture) {
	key := f.group()
	es := []chat.Entry{
		message(key, 1, "one"), message(key, 2, "two"), edit(key, 3, 2, "two 3"), edit(key, 4, 1, "one 4"),
	}
	f.put(es...)
	f.ok("blank the older", f.Blank(f.ctx, key, []chat.Seq{1}))
	f.showsEdit(key, 2, "two", 3, "two 3")
	f.ok("blank", f.Blank(f.ctx, key, []chat.Seq{1, 2}))
	f.showsEdit(key, 2, "", 0, "")
	f.finish(es...)
	f.finish(es[2])
	f.showsEdit(key, 2, "", 0, "")
}

func previewWithoutDocument(f *fixture) {
	key := f.key()
	es := []chat.Entry{message(key, 1, "one"), edit(key, 2, 1, "one 2")}
	f.put(es...)
	f.ok("create", f.Create(f.ctx, conversation(key), nil))
	f.finish(es...)
	f.showsEdit(key, 1, "one", 2, "one 2")
	f.put(edit(key, 3, 1, "one 3"))
	f.showsEdit(key, 1, "one", 3, "one 3")
	f.put(recall(key, 4, 1))
	f.showsEdit(key, 1, "", 0, "")
}

// previewConcurrent has several pods finish the same edits, in both directions, the
// recall of another message among them.
func previewConcurrent(f *fixture) {
	key := f.group()
	es := []chat.Entry{
		message(key, 1, "one"), message(key, 2, "two"), edit(key, 3, 2, "two 3"), edit(key, 4, 1, "one 4"),
		edit(key, 5, 2, "two 5"), recall(key, 6, 1),
	}
	f.appendOnly(es...)
	f.parallel(4, func(i int) error {
		for j := range es {
			if i%2 == 0 {
				j = len(es) - 1 - j
			}
			if err := f.Finish(f.ctx, store.Batch{Entries: es[j : j+1]}); err != nil {
				return err
			}
		}
		return nil
	})
	f.showsEdit(key, 2, "two", 5, "two 5")
}
