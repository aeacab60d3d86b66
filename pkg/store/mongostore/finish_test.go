package mongostore

import (
	"reflect"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"

	"github.com/parley-chat/parley/pkg/chat"
)

// A conversation's head, preview and the preview's edit are one update: a crash of the
// server between two would leave a recall below the head whose preview still tells the
// text, and nobody would finish it again.
func TestOneUpdateAConversation(t *testing.T) {
	entry := func(seq, target chat.Seq, kind chat.Kind, body string) chat.Entry {
		return chat.Entry{Key: testKey, Seq: seq, Kind: kind, From: "alice", Target: target, Body: []byte(body)}
	}
	gone := func(seq int64) recalledPreview {
		return recalledPreview{conv: convID(testKey), previewDoc: previewDoc{Seq: seq, Gone: 1, From: "alice"}}
	}
	message := entry(4, 0, chat.KindMessage, `{"text":"four"}`)
	edit, older := entry(5, 4, chat.KindEdited, `{"text":"edited"}`), entry(6, 3, chat.KindEdited, `{"text":"older"}`)
	for name, c := range map[string]struct {
		entries  []chat.Entry
		recalled []recalledPreview
		preview  any
		edit     any
	}{
		"a message":               {[]chat.Entry{message}, nil, previewDoc{Seq: 4, From: "alice", Text: "four"}, nil},
		"edits of two":            {[]chat.Entry{edit, older}, nil, nil, previewEditDoc{Message: 4, Seq: 5, Text: "edited"}},
		"a recall":                {[]chat.Entry{entry(7, 4, chat.KindRecalled, "")}, []recalledPreview{gone(4)}, gone(4).previewDoc, goneEdit(4)},
		"with what is recalled":   {[]chat.Entry{message, edit, entry(7, 4, chat.KindRecalled, "")}, []recalledPreview{gone(4)}, gone(4).previewDoc, goneEdit(4)},
		"beside an older recall":  {[]chat.Entry{message, edit, older}, []recalledPreview{gone(3)}, previewDoc{Seq: 4, From: "alice", Text: "four"}, previewEditDoc{Message: 4, Seq: 5, Text: "edited"}},
		"recalls of two":          {[]chat.Entry{edit, older}, []recalledPreview{gone(4), gone(3)}, gone(4).previewDoc, goneEdit(4)},
		"an edit of what is gone": {[]chat.Entry{older}, []recalledPreview{gone(3)}, gone(3).previewDoc, goneEdit(3)},
	} {
		updates := conversationFolds(c.entries, c.recalled)
		if len(updates) != 1 {
			t.Errorf("%s: %d updates", name, len(updates))
			continue
		}
		set, got := updates[0].(*mongo.UpdateOneModel).Update.(bson.D)[0].Value.(bson.D), map[string]any{}
		for _, e := range set {
			got[e.Key] = e.Value
		}
		if !reflect.DeepEqual(got["preview"], c.preview) || !reflect.DeepEqual(got["preview_ed"], c.edit) || got["last"] == nil {
			t.Errorf("%s: %+v", name, got)
		}
	}
}
