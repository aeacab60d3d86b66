package mongostore

import (
	"context"
	"fmt"
	"slices"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/parley-chat/parley/pkg/chat"
	"github.com/parley-chat/parley/pkg/store"
)

// Finish implements [store.Log]. Each step is a set of updates that commute with
// one another and with themselves, so a step may be repeated and its bulks may
// run side by side. The order of the steps is what the contract promises to
// readers: whoever sees a head sees what led to it, and whoever sees a journal
// line sees the head.
func (s *Store) Finish(ctx context.Context, b store.Batch) error {
	if err := s.foldMembers(ctx, b.Entries); err != nil {
		return s.fail("folding members", err)
	}
	previews, err := s.foldMessages(ctx, b.Entries)
	if err != nil {
		return s.fail("folding messages", err)
	}
	if err := s.update(ctx, s.conversations, conversationFolds(b.Entries, previews)); err != nil {
		return s.fail("folding conversations", err)
	}
	if err := s.writeJournal(ctx, b); err != nil {
		return s.fail("writing the journal", err)
	}
	return nil
}

// foldMembers writes what members entries do to members. Several folds of one
// member are written in order.
func (s *Store) foldMembers(ctx context.Context, entries []chat.Entry) error {
	var waves [][]store.MemberFold
	depth := make(map[string]int) // folds so far, by member
	for i := range entries {
		for _, f := range store.MemberFolds(&entries[i]) {
			id := memberID(f.Key, f.User)
			if depth[id] == len(waves) {
				waves = append(waves, nil)
			}
			waves[depth[id]] = append(waves[depth[id]], f)
			depth[id]++
		}
	}
	for _, folds := range waves {
		if err := s.foldWave(ctx, folds); err != nil {
			return err
		}
	}
	return nil
}

// foldWave writes at most one fold a member: documents that are missing are
// inserted, the others updated where they are older. An upsert with the fence in
// its filter would do it in one command, but runs into the document that the
// fence excludes, and a FerretDB bulk, unordered too, ends at its first error.
func (s *Store) foldWave(ctx context.Context, folds []store.MemberFold) error {
	docs := make([]*memberDoc, len(folds))
	for i, f := range folds {
		m := chat.Member{Key: f.Key, User: f.User}
		f.Apply(&m)
		docs[i] = memberOf(&m)
	}
	present, err := insertMissing(ctx, s.members, docs)
	if err != nil {
		return err
	}
	var updates []mongo.WriteModel
	for _, i := range present {
		f := folds[i]
		set := bson.D{{Key: "as_of", Value: int64(f.Seq)}, {Key: "role", Value: string(f.Role)}}
		if f.Joins {
			set = append(set,
				bson.E{Key: "joined", Value: int64(f.Seq)},
				bson.E{Key: "joined_n", Value: f.Count},
				bson.E{Key: "left", Value: int64(0)})
		}
		if f.Leaves {
			set = append(set, bson.E{Key: "left", Value: int64(f.Seq)})
		}
		updates = append(updates, updateOne(
			append(byID(docs[i].ID), bson.E{Key: "as_of", Value: bson.D{{Key: "$lt", Value: int64(f.Seq)}}}),
			bson.D{{Key: "$set", Value: set}}))
	}
	return s.update(ctx, s.members, updates)
}

// foldMessages writes what edits, recalls and reactions do to messages, and
// returns the blanked previews of recalled messages.
func (s *Store) foldMessages(ctx context.Context, entries []chat.Entry) ([]recalledPreview, error) {
	var messages, reactions []mongo.WriteModel
	var edits []editDoc
	var aimed []*chat.Entry // at a message that is, or may be, recalled
	for i := range entries {
		switch e := &entries[i]; e.Kind {
		case chat.KindEdited:
			messages = append(messages, editFolds(e)...)
			edits = append(edits, editDoc{ID: messageID(e.Key, e.Seq), Message: messageID(e.Key, e.Target)})
			aimed = append(aimed, e)
		case chat.KindRecalled:
			messages = append(messages, recallFold(e))
			aimed = append(aimed, e)
		case chat.KindReacted:
			reactions = append(reactions, reactionFold(e))
		}
	}
	if _, err := insertMissing(ctx, s.edits, edits); err != nil {
		return nil, err
	}
	if err := s.update(ctx, s.messages, messages); err != nil {
		return nil, err
	}
	if err := s.update(ctx, s.reactions, reactions); err != nil {
		return nil, err
	}
	return s.blankRecalled(ctx, aimed)
}

// editFolds are the two cases of an edit: a message whose text is gone learns
// that it had been edited, but not the text. A recall that comes in between the
// two blanks what the first has written.
func editFolds(e *chat.Entry) []mongo.WriteModel {
	fold := func(gone bool, doc editedDoc) mongo.WriteModel {
		filter := append(byID(messageID(e.Key, e.Target)),
			exists("g", gone),
			bson.E{Key: "ed.s", Value: bson.D{{Key: "$not", Value: bson.D{{Key: "$gte", Value: doc.Seq}}}}})
		return updateOne(filter, bson.D{{Key: "$set", Value: bson.D{{Key: "ed", Value: doc}}}})
	}
	doc := editedDoc{Seq: int64(e.Seq), Time: e.Time}
	bare := doc
	doc.Body = string(e.Body)
	return []mongo.WriteModel{fold(false, doc), fold(true, bare)}
}

// recallFold marks and blanks the message.
func recallFold(e *chat.Entry) mongo.WriteModel {
	return updateOne(
		append(byID(messageID(e.Key, e.Target)), exists("rc", false)),
		bson.D{
			{Key: "$set", Value: bson.D{
				{Key: "rc", Value: recalledDoc{Seq: int64(e.Seq), By: string(e.From), Time: e.Time}},
				{Key: "g", Value: true},
			}},
			{Key: "$unset", Value: bson.D{{Key: "b", Value: ""}, {Key: "ed.b", Value: ""}}},
		})
}

func reactionFold(e *chat.Entry) mongo.WriteModel {
	target := messageID(e.Key, e.Target)
	return updateOne(byID(reactionID(target, e.From, e.Emoji)), bson.D{
		{Key: "$max", Value: bson.D{{Key: "v", Value: store.ReactionVersion(e.Seq, e.On)}}},
		{Key: "$setOnInsert", Value: bson.D{
			{Key: "m", Value: target}, {Key: "u", Value: string(e.From)}, {Key: "e", Value: e.Emoji},
		}},
	}).SetUpsert(true)
}

// recalledPreview is what the preview of a conversation is if a recalled message
// is its latest.
type recalledPreview struct {
	conv string
	previewDoc
}

// blanked is what such a preview, and the text of an edit beside it, become by $max.
func (p *recalledPreview) blanked() bson.D {
	return bson.D{{Key: "preview", Value: p.previewDoc}, {Key: "preview_ed", Value: goneEdit(p.Seq)}}
}

// blankRecalled looks at the targets of edits and recalls after their folds were
// written. Of those that are recalled it blanks all edits, and returns the
// previews. An edit is listed before it looks whether its target is recalled, and
// a recall is marked before it looks for edits: one of the two sees the other.
func (s *Store) blankRecalled(ctx context.Context, aimed []*chat.Entry) ([]recalledPreview, error) {
	if len(aimed) == 0 {
		return nil, nil
	}
	targets := make([]string, len(aimed))
	for i, e := range aimed {
		targets[i] = messageID(e.Key, e.Target)
	}
	return s.blankEdits(ctx, targets)
}

// blankEdits blanks the edits of those of some messages that are gone, and returns
// the previews of these.
func (s *Store) blankEdits(ctx context.Context, targets []string) ([]recalledPreview, error) {
	messages, err := find[messageDoc](ctx, s.messages, append(anyOf(targets), exists("g", true)), options.Find().
		SetProjection(bson.D{{Key: "c", Value: 1}, {Key: "f", Value: 1}, {Key: "t", Value: 1}}))
	if err != nil || len(messages) == 0 {
		return nil, err
	}
	previews := make([]recalledPreview, len(messages))
	recalled := make([]string, len(messages))
	for i, d := range messages {
		seq, err := parseNumber(d.ID)
		if err != nil {
			return nil, err
		}
		recalled[i] = d.ID
		previews[i] = recalledPreview{conv: d.Conv, previewDoc: previewDoc{Seq: seq, Gone: 1, From: d.From, Time: d.Time}}
	}
	edits, err := find[editDoc](ctx, s.edits, bson.D{{Key: "m", Value: bson.D{{Key: "$in", Value: recalled}}}}, options.Find())
	if err != nil {
		return nil, err
	}
	var blanks []mongo.WriteModel
	for _, d := range edits {
		blanks = append(blanks, updateOne(byID(d.ID), bson.D{
			{Key: "$set", Value: bson.D{{Key: "g", Value: true}}},
			{Key: "$unset", Value: bson.D{{Key: "b", Value: ""}}},
		}))
	}
	return previews, s.update(ctx, s.messages, blanks)
}

// conversationFolds are one update for each conversation of a batch, so that no
// head is seen, or outlives a crash, without what led to it. Everything in them moves
// by $max, so that they need no fence.
func conversationFolds(entries []chat.Entry, recalled []recalledPreview) []mongo.WriteModel {
	folds := make(map[string]*bson.D)
	var order []string
	maxOf := func(conv, field string, value any) {
		d, ok := folds[conv]
		if !ok {
			d = new(bson.D)
			folds[conv] = d
			order = append(order, conv)
		}
		// Later entries of a conversation replace earlier ones.
		*d = append(slices.DeleteFunc(*d, func(e bson.E) bool { return e.Key == field }), bson.E{Key: field, Value: value})
	}
	previews, edits := previewFolds(entries, recalled)
	for i := range entries {
		e := &entries[i]
		conv := convID(e.Key)
		maxOf(conv, "last", lastOf(store.LastOf(e)))
		if v, ok := store.EventOf(e); ok {
			maxOf(conv, "event", eventOf(v))
		}
		if preview, ok := previews[conv]; ok {
			maxOf(conv, "preview", preview)
		}
		if edit, ok := edits[conv]; ok {
			maxOf(conv, "preview_ed", edit)
		}
		switch {
		case e.Kind != chat.KindMembers:
		case e.Change == chat.ChangeCreated, e.Change == chat.ChangeRenamed:
			maxOf(conv, "title", titleDoc{Seq: int64(e.Seq), Text: e.Title})
		case e.Change == chat.ChangeClosed:
			maxOf(conv, "closed", int64(e.Seq))
		}
	}
	var updates []mongo.WriteModel
	for _, conv := range order {
		updates = append(updates, updateOne(byID(conv), bson.D{{Key: "$max", Value: *folds[conv]}}))
	}
	return updates
}

// previewFolds are the largest previews and edits of a batch, by conversation. A
// recalled message's preview is written even where the message has not been finished:
// then its late Finish finds a larger one. So do late edits of it.
func previewFolds(entries []chat.Entry, recalled []recalledPreview) (map[string]previewDoc, map[string]previewEditDoc) {
	previews, edits := make(map[string]previewDoc), make(map[string]previewEditDoc)
	raise := func(conv string, p previewDoc) {
		if old, ok := previews[conv]; !ok || old.below(p) {
			previews[conv] = p
		}
	}
	raiseEdit := func(conv string, e previewEditDoc) {
		if old, ok := edits[conv]; !ok || old.below(e) {
			edits[conv] = e
		}
	}
	for _, p := range recalled {
		raise(p.conv, p.previewDoc)
		raiseEdit(p.conv, goneEdit(p.Seq))
	}
	for i := range entries {
		e := &entries[i]
		if p, ok := store.PreviewOf(e); ok {
			preview := previewOf(p)
			if e.Gone {
				preview.Gone = 1
			}
			raise(convID(e.Key), preview)
		}
		if e.Kind == chat.KindEdited {
			raiseEdit(convID(e.Key), previewEditOf(e.Target, store.PreviewEditOf(e.Seq, e.Body)))
		}
	}
	return previews, edits
}

// writeJournal writes the batch's line an entry as one document. A batch must
// stay below the 16 MB that MongoDB allows: some 100,000 entries, or 400 that name
// 500 users each.
func (s *Store) writeJournal(ctx context.Context, b store.Batch) error {
	if b.Journal == (store.JournalID{}) {
		return nil
	}
	d := journalDoc{
		ID: journalID(b.Journal.Pod, b.Journal.Number), Epoch: b.Journal.Epoch, Time: time.Now(),
		Lines: make([]lineDoc, len(b.Entries)),
	}
	for i := range b.Entries {
		d.Lines[i] = lineOf(store.LineOf(&b.Entries[i]))
	}
	if _, err := insertMissing(ctx, s.journal, []journalDoc{d}); err != nil {
		return fmt.Errorf("of %s: %w", d.ID, err)
	}
	return nil
}

func updateOne(filter, update bson.D) *mongo.UpdateOneModel {
	return mongo.NewUpdateOneModel().SetFilter(filter).SetUpdate(update)
}
