package memstore

import (
	"context"
	"fmt"
	"slices"

	"github.com/parley-chat/parley/pkg/chat"
	"github.com/parley-chat/parley/pkg/store"
)

// Finish implements [store.Log]. It panics if an entry is not stored, or not
// visible yet: what is not committed for good has no effects.
func (s *Store) Finish(ctx context.Context, b store.Batch) error {
	b.Entries = cloneEntries(b.Entries)
	return exec(ctx, s, Call{Op: OpFinish, Batch: b}, func() error {
		s.finishLocked(b)
		return nil
	})
}

func (s *state) finishLocked(b store.Batch) {
	for i := range b.Entries {
		s.effectsLocked(&b.Entries[i])
	}
	if b.Journal == (store.JournalID{}) {
		return
	}
	docs := s.journals[b.Journal.Pod]
	if docs == nil {
		docs = map[uint64]store.JournalDoc{}
		s.journals[b.Journal.Pod] = docs
	}
	if _, there := docs[b.Journal.Number]; there {
		return
	}
	d := store.JournalDoc{JournalID: b.Journal, Time: s.now()}
	for i := range b.Entries {
		d.Lines = append(d.Lines, store.LineOf(&b.Entries[i]))
	}
	docs[b.Journal.Number] = cloneDoc(d)
}

func (s *state) effectsLocked(e *chat.Entry) {
	c := s.convLocked(e.Key)
	if e.Seq < 1 || int(e.Seq) > c.visible || c.log[e.Seq-1].CMID != e.CMID || c.log[e.Seq-1].From != e.From {
		panic(fmt.Sprintf("memstore: finish of %s/%d by %s, %q: it is not stored", e.Conv, e.Seq, e.From, e.CMID))
	}
	for _, f := range store.MemberFolds(e) {
		m, _ := s.memberLocked(f.Key, f.User)
		f.Apply(m)
	}
	switch e.Kind {
	case chat.KindEdited:
		c.edit(e)
	case chat.KindRecalled:
		c.recall(e)
	case chat.KindReacted:
		r := store.Reaction{Emoji: e.Emoji, User: e.From}
		f := c.fold(e.Target)
		f.reactions[r] = max(f.reactions[r], store.ReactionVersion(e.Seq, e.On))
	}
	if c.doc != nil {
		c.head(e)
	}
}

func (c *conversation) edit(e *chat.Entry) {
	f := c.fold(e.Target)
	f.edits[e.Seq] = true
	if f.edited == nil || f.edited.Seq < e.Seq {
		f.edited = &store.Edited{Seq: e.Seq, Time: e.Time, Body: e.Body}
	}
	if f.recalled != nil || c.gone(e.Target) {
		f.edited.Body = nil
		c.blank(e.Seq)
	}
}

func (c *conversation) recall(e *chat.Entry) {
	f := c.fold(e.Target)
	if f.recalled == nil {
		f.recalled = &store.Recalled{Seq: e.Seq, By: e.From, Time: e.Time}
	}
	c.blankMessage(e.Target)
}

func (c *conversation) blank(seq chat.Seq) {
	if seq >= 1 && int(seq) <= len(c.log) {
		c.log[seq-1].Body, c.log[seq-1].Gone = nil, true
	}
}

// head folds an entry into the conversation's document.
func (c *conversation) head(e *chat.Entry) {
	if e.Kind == chat.KindMembers {
		switch e.Change {
		case chat.ChangeCreated, chat.ChangeRenamed:
			if c.doc.TitleAsOf < e.Seq {
				c.doc.Title, c.doc.TitleAsOf = e.Title, e.Seq
			}
		case chat.ChangeClosed:
			if c.doc.Closed == 0 {
				c.doc.Closed = e.Seq
			}
		}
	}
	if p, ok := store.PreviewOf(e); ok && c.doc.Preview.Seq < p.Seq {
		if c.gone(e.Seq) {
			p = store.Blanked(p) // it was taken back before it was finished
		}
		c.doc.Preview = p
	}
	if v, ok := store.EventOf(e); ok && c.doc.Event.Seq < v.Seq {
		c.doc.Event = v
	}
	if c.doc.Event.Seq < c.doc.Preview.Seq {
		c.doc.Event = chat.Event{}
	}
	c.editPreview()
	if c.doc.Last.Seq < e.Seq {
		c.doc.Last = store.LastOf(e)
	}
}

// editPreview shows the latest edit of the message that the preview is of.
func (c *conversation) editPreview() {
	p := &c.doc.Preview
	if f := c.folds[p.Seq]; f != nil && f.edited != nil && f.recalled == nil && !c.gone(p.Seq) {
		p.Edit = store.PreviewEditOf(f.edited.Seq, f.edited.Body)
	}
}

// Folds implements [store.Log].
func (s *Store) Folds(ctx context.Context, key chat.Key, seqs []chat.Seq) (map[chat.Seq]store.Fold, error) {
	return read(ctx, s, Call{Op: OpFolds, Keys: []chat.Key{key}}, func() (map[chat.Seq]store.Fold, error) {
		c := s.convLocked(key)
		out := map[chat.Seq]store.Fold{}
		for _, seq := range seqs {
			if f := c.folds[seq]; f != nil {
				if v := f.view(); v.Edited != nil || v.Recalled != nil || v.Reactions != nil || v.Withdrawn != nil {
					out[seq] = v
				}
			}
		}
		return out, nil
	})
}

func (f *fold) view() store.Fold {
	var v store.Fold
	if f.edited != nil {
		e := *f.edited
		v.Edited, v.Edits = &e, len(f.edits)
	}
	if f.recalled != nil {
		r := *f.recalled
		v.Recalled = &r
	}
	for r, version := range f.reactions {
		if version%2 == 1 {
			v.Reactions = append(v.Reactions, r)
		} else {
			v.Withdrawn = append(v.Withdrawn, r)
		}
	}
	slices.SortFunc(v.Reactions, store.CompareReactions)
	slices.SortFunc(v.Withdrawn, store.CompareReactions)
	return v
}
