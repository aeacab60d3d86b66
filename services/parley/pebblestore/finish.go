package pebblestore

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/cockroachdb/pebble/v2"

	"github.com/parley-chat/parley/pkg/chat"
	"github.com/parley-chat/parley/pkg/store"
)

// Finish implements [store.Log]. [Store.Append] has finished what it stored, so
// there is something to do only where the conversation was made after its entries.
func (s *Store) Finish(ctx context.Context, b store.Batch) error {
	return s.update(ctx, "finish", func(w *write) error {
		lines := make([]store.JournalLine, len(b.Entries))
		for i := range b.Entries {
			e := &b.Entries[i]
			lines[i] = store.LineOf(e)
			w.mark(fenceOf(s, e.Key))
			if err := checkEntryNames(e); err != nil {
				return err
			}
			if err := errors.Join(w.effects(e), w.foldHead(e)); err != nil {
				return fmt.Errorf("entry %s/%d: %w", e.Conv, e.Seq, err)
			}
		}
		return w.journal(b.Journal, lines)
	})
}

// effects writes the effects of an entry that the log does not tell. A message has
// none: see head.
func (w *write) effects(e *chat.Entry) error {
	switch e.Kind {
	case chat.KindMembers:
		return w.foldMembers(e)
	case chat.KindEdited:
		return w.foldEdit(e)
	case chat.KindRecalled:
		return w.foldRecall(e)
	case chat.KindReacted:
		return w.foldReaction(e)
	}
	return nil
}

func (w *write) foldMembers(e *chat.Entry) error {
	for _, f := range store.MemberFolds(e) {
		m, known, err := w.member(f.Key, f.User)
		if err != nil {
			return err
		}
		if m.AsOf >= f.Seq {
			continue
		}
		f.Apply(&m)
		if err := w.putMember(&m, !known); err != nil {
			return err
		}
	}
	switch e.Change {
	case chat.ChangeCreated, chat.ChangeRenamed, chat.ChangeClosed:
		return w.foldConversation(e)
	}
	return nil
}

// conversation reads a conversation's document as this write leaves it; nil if
// there is none.
func (w *write) conversation(key chat.Key) (*conversation, error) {
	v, err := get(w.reader(), conversationKey(key))
	if err != nil || v == nil {
		return nil, err
	}
	c, err := decodeConversation(key, v)
	return &c, err
}

func (w *write) putConversation(c *conversation) error {
	return w.set(conversationKey(c.Key), appendConversation(nil, c))
}

func (w *write) foldConversation(e *chat.Entry) error {
	c, err := w.conversation(e.Key)
	if err != nil || c == nil {
		return err
	}
	switch {
	case e.Change == chat.ChangeClosed && c.Closed == 0:
		c.Closed = e.Seq
	case e.Change != chat.ChangeClosed && c.TitleAsOf < e.Seq:
		c.Title, c.TitleAsOf = e.Title, e.Seq
	default:
		return nil
	}
	return w.putConversation(c)
}

// foldHead writes head and preview for an entry that is older than its
// conversation's document. For later ones the log tells them.
func (w *write) foldHead(e *chat.Entry) error {
	c, err := w.conversation(e.Key)
	if err != nil || c == nil || e.Seq > c.base {
		return err
	}
	stored, _, err := w.entry(e.Key, e.Seq) // its body may be gone
	if err != nil || stored.Seq == 0 {
		return err
	}
	changed := false
	if c.Last.Seq < e.Seq {
		c.Last, changed = store.LastOf(&stored), true
	}
	if p, ok := store.PreviewOf(&stored); ok && c.Preview.Seq < e.Seq {
		c.Preview, changed = p, true
	}
	if v, ok := store.EventOf(&stored); ok && c.Event.Seq < e.Seq {
		c.Event, changed = v, true
	}
	if c.Event.Seq < c.Preview.Seq {
		c.Event = chat.Event{}
	}
	if !changed {
		return nil
	}
	return w.putConversation(c)
}

// foldEdit only notes that there is an edit: what it says is in the log.
func (w *write) foldEdit(e *chat.Entry) error {
	if err := w.setNew(editKey(e.Key, e.Target, e.Seq), nil); err != nil {
		return err
	}
	target, _, err := w.entry(e.Key, e.Target)
	if err != nil || !target.Gone {
		return err
	}
	return w.blank(e.Key, e.Seq)
}

func (w *write) foldRecall(e *chat.Entry) error {
	r := appendRecall(nil, &store.Recalled{Seq: e.Seq, By: e.From, Time: e.Time})
	if err := w.setNew(recallKey(e.Key, e.Target), r); err != nil {
		return err
	}
	return w.blankMessage(e.Key, e.Target)
}

// blankMessage takes the text of a message and of its edits away.
func (w *write) blankMessage(key chat.Key, message chat.Seq) error {
	if err := errors.Join(w.blank(key, message), w.blankPreview(key, message)); err != nil {
		return err
	}
	var edits []chat.Seq
	prefix := editsKey(key, message)
	err := scan(w.reader(), prefix, after(prefix), func(k, _ []byte) (bool, error) {
		edits = append(edits, chat.Seq(binary.BigEndian.Uint64(k[len(prefix):])))
		return true, nil
	})
	for i := 0; err == nil && i < len(edits); i++ {
		err = w.blank(key, edits[i])
	}
	return err
}

func (w *write) foldReaction(e *chat.Entry) error {
	key := reactionKey(e.Key, e.Target, store.Reaction{Emoji: e.Emoji, User: e.From})
	old, err := get(w.reader(), key)
	if err != nil {
		return err
	}
	version := store.ReactionVersion(e.Seq, e.On)
	if old != nil {
		if v, n := binary.Varint(old); n != len(old) {
			return fmt.Errorf("reaction: %w", errCorrupt)
		} else if v >= version {
			return nil
		}
	}
	return w.set(key, appendInt(nil, version))
}

// setNew writes a row unless there is one.
func (w *write) setNew(key, value []byte) error {
	if there, err := has(w.reader(), key); err != nil || there {
		return err
	}
	return w.set(key, value)
}

// blank takes the body of an entry away, if there is such an entry.
func (w *write) blank(key chat.Key, seq chat.Seq) error {
	e, message, err := w.entry(key, seq)
	if err != nil || e.Seq == 0 || e.Gone && e.Body == nil {
		return err
	}
	e.Body, e.Gone = nil, true
	v, err := appendEntry(nil, &e, message)
	if err != nil {
		return err
	}
	return w.set(entryKey(key, seq), v)
}

// blankPreview is for a preview that is in the document.
func (w *write) blankPreview(key chat.Key, seq chat.Seq) error {
	c, err := w.conversation(key)
	if err != nil || c == nil || c.Preview.Seq != seq || c.Preview.Gone {
		return err
	}
	c.Preview = store.Blanked(c.Preview)
	return w.putConversation(c)
}

// entry reads an entry as this write leaves it; its Seq is 0 if there is none.
func (w *write) entry(key chat.Key, seq chat.Seq) (e chat.Entry, message chat.Seq, err error) {
	if seq < 1 {
		return e, 0, nil
	}
	v, err := get(w.reader(), entryKey(key, seq))
	if err != nil {
		return e, 0, err
	}
	if v != nil {
		return decodeEntry(key, seq, v)
	}
	for _, a := range w.added {
		if a.Seq == seq && a.Key == key {
			return *a.Entry, a.message, nil
		}
	}
	return e, 0, nil
}

// journal writes the document of a batch, unless it is there.
func (w *write) journal(id store.JournalID, lines []store.JournalLine) error {
	if id == (store.JournalID{}) {
		return nil
	}
	if err := checkNames(id.Pod); err != nil {
		return err
	}
	w.mark(fenceOf(w.s, podFence{id.Pod}))
	key := journalKey(id.Pod, id.Number)
	if end, err := w.journalEnd(id.Pod); err != nil {
		return err
	} else if id.Number <= end { // a repeat, or one that others have overtaken
		if there, err := has(w.reader(), key); err != nil || there {
			return err
		}
	}
	w.s.ends[id.Pod] = max(w.s.ends[id.Pod], id.Number)
	doc := store.JournalDoc{JournalID: id, Time: w.s.now(), Lines: lines}
	value := appendJournal(make([]byte, 0, journalSize(&doc)), &doc)
	if w.entries != nil { // nothing in this write reads it
		return w.entries.Set(key, value, nil)
	}
	return w.set(key, value)
}

// mostEnds is how many pods' journal ends are remembered: those of one process, and
// a few that are gone.
const mostEnds = 64

// journalEnd is a number above which a pod's journal has nothing, so that a batch,
// which has a new number, need not look whether its document is there.
func (w *write) journalEnd(pod string) (uint64, error) {
	if end, ok := w.s.ends[pod]; ok {
		return end, nil
	}
	prefix := row(nil, tableJournal, pod)
	it, err := w.reader().NewIter(&pebble.IterOptions{LowerBound: prefix, UpperBound: after(prefix)})
	if err != nil {
		return 0, fmt.Errorf("find the end of a journal: %w", err)
	}
	var end uint64
	if it.Last() {
		end = binary.BigEndian.Uint64(it.Key()[len(prefix):])
	}
	if err := it.Close(); err != nil {
		return 0, fmt.Errorf("find the end of a journal: %w", err)
	}
	if w.s.ends == nil || len(w.s.ends) >= mostEnds {
		w.s.ends = make(map[string]uint64)
	}
	w.s.ends[pod] = end
	return end, nil
}
