package indexer

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/parley-chat/parley/pkg/chat"
	"github.com/parley-chat/parley/pkg/search"
	"github.com/parley-chat/parley/pkg/store"
)

// derived is what a part of a log does to the index.
type derived struct {
	docs    []search.Doc
	upTo    chat.Seq // the last entry of that part
	entries int
}

// derive reads on from a conversation's mark: the documents of messages, and those
// of messages that an edit or a recall speaks of, as they are folded now. What is
// below the head is folded, so everything up to upTo is in the documents, and
// perhaps more.
func derive(ctx context.Context, log Log, j job) (d derived, err error) {
	entries, err := log.Entries(ctx, j.key, store.Range{After: j.mark, Before: j.head + 1, Limit: convEntries})
	if err != nil {
		return d, fmt.Errorf("read entries of %s: %w", j.key.Conv, err)
	}
	if len(entries) == 0 || entries[0].Seq != j.mark+1 {
		return d, fmt.Errorf("the log of %s has nothing behind %d, and its head is %d", j.key.Conv, j.mark, j.head)
	}
	d.upTo, d.entries = entries[len(entries)-1].Seq, len(entries)
	messages := map[chat.Seq]*chat.Entry{}
	targets := map[chat.Seq]bool{}
	for i := range entries {
		switch e := &entries[i]; e.Kind {
		case chat.KindMessage:
			messages[e.Seq] = e
		case chat.KindEdited, chat.KindRecalled:
			targets[e.Target] = true
		}
	}
	for seq, e := range messages {
		if !targets[seq] {
			d.docs = append(d.docs, docOf(e, store.Fold{}))
		}
	}
	if len(targets) == 0 {
		return d, nil
	}
	folds, err := log.Folds(ctx, j.key, slices.Sorted(maps.Keys(targets)))
	if err != nil {
		return d, fmt.Errorf("read folds of %s: %w", j.key.Conv, err)
	}
	for seq := range targets {
		e := messages[seq]
		if e == nil {
			if e, err = message(ctx, log, j.key, seq); err != nil {
				return d, err
			}
		}
		if e != nil {
			d.docs = append(d.docs, docOf(e, folds[seq]))
		}
	}
	return d, nil
}

// message reads one message; nil if that is none.
func message(ctx context.Context, log Log, key chat.Key, seq chat.Seq) (*chat.Entry, error) {
	got, err := log.Entries(ctx, key, store.Range{After: seq - 1, Before: seq + 1, Limit: 1})
	if err != nil {
		return nil, fmt.Errorf("read entry %s/%d: %w", key.Conv, seq, err)
	}
	if len(got) == 0 || got[0].Seq != seq || got[0].Kind != chat.KindMessage {
		return nil, nil
	}
	return &got[0], nil
}

// docOf is the document of a message as an edit or a recall has left it.
func docOf(e *chat.Entry, f store.Fold) search.Doc {
	switch {
	case e.Gone, f.Recalled != nil, f.Edited != nil && f.Edited.Body == nil:
		return search.GoneDoc(e.Key, e.Seq)
	case f.Edited != nil:
		return search.NewDoc(e.Key, e.Seq, f.Edited.Seq, e.From, e.Time, f.Edited.Body)
	}
	return search.NewDoc(e.Key, e.Seq, e.Seq, e.From, e.Time, e.Body)
}
