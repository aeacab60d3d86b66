package pebblestore

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"

	"github.com/cockroachdb/pebble/v2"

	"github.com/parley-chat/parley/pkg/chat"
	"github.com/parley-chat/parley/pkg/store"
)

// Entries implements [store.Log].
func (s *Store) Entries(ctx context.Context, key chat.Key, r store.Range) ([]chat.Entry, error) {
	return read(ctx, s, "read entries", []fence{fenceOf(s, key)}, func() ([]chat.Entry, error) {
		return s.entries(key, r)
	})
}

// EntriesBy implements [store.Log]: there is no index by sender, which each message would
// have to write, and reading a log here costs no round trips.
func (s *Store) EntriesBy(ctx context.Context, _ chat.Key, _ chat.User, _ int) ([]chat.Entry, bool, error) {
	return nil, false, ctx.Err()
}

func (s *Store) entries(key chat.Key, r store.Range) (es []chat.Entry, err error) {
	o := &pebble.IterOptions{
		LowerBound: entryKey(key, max(r.After, 0)+1),
		UpperBound: after(inConv(tableEntry, key)),
	}
	if r.Before > 0 {
		o.UpperBound = entryKey(key, r.Before)
	}
	if bytes.Compare(o.LowerBound, o.UpperBound) >= 0 {
		return nil, nil
	}
	it, err := s.db.NewIter(o)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, it.Close()) }()
	start, step := it.First, it.Next
	if r.Desc {
		start, step = it.Last, it.Prev
	}
	for ok := start(); ok && len(es) < r.Limit; ok = step() {
		e, _, err := entryAt(it, key)
		if err != nil {
			return nil, err
		}
		es = append(es, e)
	}
	if r.Desc {
		slices.Reverse(es)
	}
	return es, nil
}

// Lookup implements [store.Log].
func (s *Store) Lookup(ctx context.Context, key chat.Key, from chat.User, cmid chat.CMID) (chat.Entry, error) {
	return read(ctx, s, "look up a cmid", []fence{fenceOf(s, key)}, func() (chat.Entry, error) {
		e, err := findCMID(s.db, key, from, cmid)
		if err == nil && e.Seq == 0 {
			err = store.ErrNotFound
		}
		return e, err
	})
}

// LookupLinearizable implements [store.Log]: there is one copy of the data, of which
// every read shows the latest.
func (s *Store) LookupLinearizable(ctx context.Context, key chat.Key, from chat.User, cmid chat.CMID) (chat.Entry, error) {
	return s.Lookup(ctx, key, from, cmid)
}

// Folds implements [store.Log].
func (s *Store) Folds(ctx context.Context, key chat.Key, seqs []chat.Seq) (map[chat.Seq]store.Fold, error) {
	return read(ctx, s, "read folds", []fence{fenceOf(s, key)}, func() (folds map[chat.Seq]store.Fold, err error) {
		it, err := s.db.NewIter(nil) // one, so that all comes from one moment
		if err != nil {
			return nil, err
		}
		defer func() { err = errors.Join(err, it.Close()) }()
		folds = map[chat.Seq]store.Fold{}
		for _, seq := range seqs {
			f, err := foldAt(it, key, seq)
			if err != nil {
				return nil, fmt.Errorf("of %s/%d: %w", key.Conv, seq, err)
			}
			if f.Edited != nil || f.Recalled != nil || f.Reactions != nil || f.Withdrawn != nil {
				folds[seq] = f
			}
		}
		return folds, nil
	})
}

// foldAt reads the rows of one message, which are in order of the kind of fold, and
// the last edit from the log.
func foldAt(it *pebble.Iterator, key chat.Key, target chat.Seq) (f store.Fold, err error) {
	var edit chat.Seq
	prefix := foldsKey(key, target)
	for ok := it.SeekGE(prefix); ok && bytes.HasPrefix(it.Key(), prefix); ok = it.Next() {
		v, err := it.ValueAndErr()
		if err != nil {
			return f, err
		}
		switch k := it.Key()[len(prefix):]; k[0] {
		case foldEdit:
			edit = chat.Seq(binary.BigEndian.Uint64(k[1:]))
			f.Edits++
		case foldRecall:
			if f.Recalled, err = decodeRecall(v); err != nil {
				return f, err
			}
		case foldReaction:
			version, _ := binary.Varint(v)
			emoji, user, ok := bytes.Cut(k[1:], []byte{0})
			switch r := (store.Reaction{Emoji: string(emoji), User: chat.User(user)}); {
			case !ok:
			case version%2 == 1:
				f.Reactions = append(f.Reactions, r)
			default:
				f.Withdrawn = append(f.Withdrawn, r)
			}
		}
	}
	if err := it.Error(); err != nil || edit == 0 {
		return f, err
	}
	e, ok, err := seekEntry(it, key, edit)
	if ok {
		f.Edited = &store.Edited{Seq: edit, Time: e.Time, Body: e.Body}
	}
	return f, err
}

// seekEntry reads one entry; ok is false if there is none.
func seekEntry(it *pebble.Iterator, key chat.Key, seq chat.Seq) (e chat.Entry, ok bool, err error) {
	k := entryKey(key, seq)
	if !it.SeekGE(k) || !bytes.Equal(it.Key(), k) {
		return e, false, it.Error()
	}
	e, _, err = entryAt(it, key)
	return e, err == nil, err
}

// ConversationsByKey implements [store.Conversations].
func (s *Store) ConversationsByKey(ctx context.Context, keys []chat.Key) ([]chat.Conversation, error) {
	fences := make([]fence, len(keys))
	for i, key := range keys {
		fences[i] = fenceOf(s, key)
	}
	return read(ctx, s, "read conversations", fences, func() (out []chat.Conversation, err error) {
		it, err := s.db.NewIter(nil)
		if err != nil {
			return nil, err
		}
		defer func() { err = errors.Join(err, it.Close()) }()
		for _, key := range keys {
			c, ok, err := conversationAt(it, key)
			if err != nil {
				return nil, fmt.Errorf("of %s: %w", key.Conv, err)
			}
			if ok {
				out = append(out, c.Conversation)
			}
		}
		return out, nil
	})
}

func conversationAt(it *pebble.Iterator, key chat.Key) (c conversation, ok bool, err error) {
	k := conversationKey(key)
	if !it.SeekGE(k) || !bytes.Equal(it.Key(), k) {
		return c, false, it.Error()
	}
	v, err := it.ValueAndErr()
	if err != nil {
		return c, false, err
	}
	if c, err = decodeConversation(key, v); err != nil {
		return c, false, err
	}
	return c, true, head(it, &c)
}

// head reads the head and the preview from the end of the log. An entry that is
// later than the document was finished when it was stored, so they are what
// finishing it would have written here. The document has those of older entries.
func head(it *pebble.Iterator, c *conversation) error {
	last, message, err := lastEntry(it, c.Key)
	if err != nil {
		return err
	}
	tail := last.Seq
	if tail > max(c.base, c.Last.Seq) {
		if err := later(it, c, last, message); err != nil {
			return err
		}
	}
	if c.Preview.Seq == 0 || c.Preview.Gone || c.Preview.Seq >= tail {
		return nil // as a rule: nothing came after the message, so nobody has edited it
	}
	return editPreview(it, c)
}

// later takes what the last entry, and the last message before it, say beyond the document.
func later(it *pebble.Iterator, c *conversation, last chat.Entry, message chat.Seq) error {
	c.Last = store.LastOf(&last)
	if err := event(it, c, last, message); err != nil {
		return err
	}
	if message <= max(c.base, c.Preview.Seq) {
		return nil
	}
	if message != last.Seq {
		var ok bool
		var err error
		if last, ok, err = seekEntry(it, c.Key, message); err != nil || !ok {
			return err
		}
	}
	if p, ok := store.PreviewOf(&last); ok {
		c.Preview = p
	}
	return nil
}

// editPreview reads the latest edit of the message that a preview is of: no row tells
// its text but the log, so a late or repeated Finish cannot bring an older one back. The
// edits of a message that is gone are gone, too.
func editPreview(it *pebble.Iterator, c *conversation) error {
	prefix := editsKey(c.Key, c.Preview.Seq)
	if !it.SeekLT(after(prefix)) || !bytes.HasPrefix(it.Key(), prefix) {
		return it.Error()
	}
	edit := chat.Seq(binary.BigEndian.Uint64(it.Key()[len(prefix):]))
	e, ok, err := seekEntry(it, c.Key, edit)
	if ok && !e.Gone {
		c.Preview.Edit = store.PreviewEditOf(edit, e.Body)
	}
	return err
}

// event reads the latest members entry, of which the last entry tells, if no message
// is later.
func event(it *pebble.Iterator, c *conversation, last chat.Entry, message chat.Seq) (err error) {
	if message > c.Event.Seq {
		c.Event = chat.Event{}
	}
	if last.MV <= max(c.base, c.Event.Seq, message) {
		return nil
	}
	if last.MV != last.Seq {
		var ok bool
		if last, ok, err = seekEntry(it, c.Key, last.MV); err != nil || !ok {
			return err
		}
	}
	if v, ok := store.EventOf(&last); ok {
		c.Event = v
	}
	return nil
}
