package pebblestore

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/cockroachdb/pebble/v2"

	"github.com/parley-chat/parley/pkg/chat"
	"github.com/parley-chat/parley/pkg/search"
)

// The search index is a table of its own, and all generations are in it. A
// generation's rows are:
//
//	s gen 'p' conv term time seq   posting: how often, in how many tokens
//	s gen 'd' conv seq             document: its rev, time and terms
//	s gen 'm' ns conv              mark
//	s gen 'l'                      who leads, and how far it is
//	s 0 gen                        registry: version and epoch
//
// Here conv is a hash of the conversation's key, and time and seq are counted
// backwards, so that the newest posting comes first. The index is written past
// the turns of the store, without a sync: what a crash takes back are the last
// documents together with their marks, and they are indexed again.
const (
	tableSearch = 's'

	searchPosting  = 'p'
	searchDocument = 'd'
	searchMark     = 'm'
	searchLead     = 'l'
)

// The versions of the layouts of what is in the index.
const (
	generationLayout = 1
	documentLayout   = 1
	leadLayout       = 1
)

// Search is the search index in this store. It ends with the store.
func (s *Store) Search() search.Store { return searchStore{s} }

type searchStore struct{ s *Store }

type (
	searchFence struct{} // registry and leads
)

func searchKey(gen int64, kind byte) []byte {
	return append(number([]byte{tableSearch}, uint64(gen)), kind)
}

func registryKey(gen int64) []byte { return number(number([]byte{tableSearch}, 0), uint64(gen)) }

// Generation implements [search.Store].
func (ss searchStore) Generation(ctx context.Context, version int, epoch string, anew bool) (search.Generation, error) {
	g, err := read(ctx, ss.s, "read search generations", []fence{fenceOf(ss.s, searchFence{})}, func() (search.Generation, error) {
		return newestGeneration(ss.s.db, version, epoch)
	})
	if err != nil || g.Number > 0 && !anew {
		return g, err
	}
	err = ss.s.update(ctx, "make a search generation", func(w *write) error {
		w.mark(fenceOf(ss.s, searchFence{}))
		if g, err = newestGeneration(w.reader(), version, epoch); err != nil || g.Number > 0 && !anew {
			return err
		}
		v, err := get(w.reader(), selfKey("search"))
		if err != nil {
			return err
		}
		last, _ := binary.Uvarint(v)
		g = search.Generation{Number: int64(last) + 1, Version: version, Epoch: epoch}
		row := appendString(appendInt([]byte{generationLayout}, version), epoch)
		return errors.Join(w.set(registryKey(g.Number), row), w.set(selfKey("search"), binary.AppendUvarint(nil, last+1)))
	})
	return g, err
}

func newestGeneration(r pebble.Reader, version int, epoch string) (newest search.Generation, err error) {
	err = scanGenerations(r, func(g search.Generation) {
		if g.Version == version && g.Epoch == epoch {
			newest = g
		}
	})
	return newest, err
}

func scanGenerations(r pebble.Reader, each func(search.Generation)) error {
	prefix := number([]byte{tableSearch}, 0)
	return scan(r, prefix, after(prefix), func(k, v []byte) (bool, error) {
		d, err := decode(v, generationLayout)
		if err != nil {
			return false, err
		}
		g := search.Generation{Number: int64(binary.BigEndian.Uint64(k[len(prefix):])), Version: int(d.varint()), Epoch: d.string()}
		each(g)
		return true, d.done()
	})
}

// searchLeader is the row of who leads a generation.
type searchLeader struct {
	owner string
	until time.Time
	search.Lead
}

func appendLeader(dst []byte, l *searchLeader) []byte {
	p := &l.Progress
	dst = append(dst, leadLayout)
	dst = appendString(dst, l.owner)
	dst = appendTime(dst, l.until)
	dst = appendInt(dst, l.Term)
	flags := 0
	for i, yes := range []bool{p.Begun, p.Again, p.Sweeping, !p.Swept.IsZero()} {
		if yes {
			flags |= 1 << i
		}
	}
	dst = appendInt(dst, flags)
	dst = appendTime(dst, p.Swept)
	dst = appendInt(dst, p.Rounds)
	dst = appendString(dst, p.Cursor.NS)
	dst = appendString(dst, p.Cursor.Conv)
	dst = appendInt(dst, p.Seen)
	dst = appendInt(dst, p.Messages)
	dst = binary.AppendUvarint(dst, uint64(len(p.Journals)))
	for _, j := range p.Journals {
		dst = appendString(dst, j.Pod)
		dst = binary.AppendUvarint(dst, j.Number)
	}
	return dst
}

func decodeLeader(v []byte) (l searchLeader, err error) {
	d, err := decode(v, leadLayout)
	if err != nil {
		return l, err
	}
	p := &l.Progress
	l.owner, l.until, l.Term = d.string(), d.time(), d.varint()
	flags := d.varint()
	p.Begun, p.Again, p.Sweeping = flags&1 != 0, flags&2 != 0, flags&4 != 0
	if p.Swept = d.time(); flags&8 == 0 {
		p.Swept = time.Time{}
	}
	p.Rounds = d.varint()
	p.Cursor = chat.Key{NS: chat.NS(d.string()), Conv: chat.ConvID(d.string())}
	p.Seen, p.Messages = d.varint(), d.varint()
	for range d.count(2) {
		p.Journals = append(p.Journals, search.Position{Pod: d.string(), Number: d.uvarint()})
	}
	return l, d.done()
}

func leaderOf(r pebble.Reader, gen int64) (searchLeader, error) {
	v, err := get(r, searchKey(gen, searchLead))
	if err != nil || v == nil {
		return searchLeader{}, err
	}
	return decodeLeader(v)
}

// Lead implements [search.Store].
func (ss searchStore) Lead(ctx context.Context, g search.Generation, owner string, lease time.Duration) (l search.Lead, ok bool, err error) {
	err = ss.s.update(ctx, "lead search", func(w *write) error {
		w.mark(fenceOf(ss.s, searchFence{}))
		have, err := leaderOf(w.reader(), g.Number)
		if err != nil {
			return err
		}
		now := ss.s.now()
		switch {
		case !have.until.After(now):
			have.Term++
		case have.owner != owner:
			return nil
		}
		have.owner, have.until = owner, now.Add(lease)
		l, ok = have.Lead, true
		return w.set(searchKey(g.Number, searchLead), appendLeader(nil, &have))
	})
	return l, ok && err == nil, err
}

// Save implements [search.Store].
func (ss searchStore) Save(ctx context.Context, g search.Generation, l search.Lead) error {
	return ss.s.update(ctx, "save the progress of search", func(w *write) error {
		w.mark(fenceOf(ss.s, searchFence{}))
		have, err := leaderOf(w.reader(), g.Number)
		if err != nil {
			return err
		}
		if have.Term != l.Term {
			return search.ErrNotLeading
		}
		have.Progress = l.Progress
		return w.set(searchKey(g.Number, searchLead), appendLeader(nil, &have))
	})
}

// Progress implements [search.Store].
func (ss searchStore) Progress(ctx context.Context, g search.Generation) (search.Progress, error) {
	return read(ctx, ss.s, "read the progress of search", []fence{fenceOf(ss.s, searchFence{})}, func() (search.Progress, error) {
		l, err := leaderOf(ss.s.db, g.Number)
		return l.Progress, err
	})
}

// DropOthers implements [search.Store].
func (ss searchStore) DropOthers(ctx context.Context, g search.Generation, idle time.Duration) (dropped int, err error) {
	err = ss.s.update(ctx, "drop old search generations", func(w *write) error {
		w.mark(fenceOf(ss.s, searchFence{}))
		var old []int64
		err := scanGenerations(w.reader(), func(have search.Generation) {
			if have.Number != g.Number {
				old = append(old, have.Number)
			}
		})
		if err != nil {
			return err
		}
		for _, n := range old {
			l, err := leaderOf(w.reader(), n)
			if err != nil {
				return err
			}
			if l.until.Add(idle).After(ss.s.now()) {
				continue
			}
			all := number([]byte{tableSearch}, uint64(n))
			if err := errors.Join(w.changes().DeleteRange(all, after(all), nil), w.changes().Delete(registryKey(n), nil)); err != nil {
				return err
			}
			dropped++
		}
		return nil
	})
	return dropped, err
}

// ConversationsAfter implements [search.Conversations].
func (s *Store) ConversationsAfter(ctx context.Context, from chat.Key, limit int) ([]chat.Conversation, error) {
	keys, err := read(ctx, s, "list conversations", nil, func() (keys []chat.Key, err error) {
		lower := []byte{tableConversation}
		if from != (chat.Key{}) {
			lower = conversationKey(from)
		}
		err = scan(s.db, lower, []byte{tableConversation + 1}, func(k, _ []byte) (bool, error) {
			ns, conv, _ := bytes.Cut(k[1:], []byte{0})
			key := chat.Key{NS: chat.NS(ns), Conv: chat.ConvID(bytes.TrimSuffix(conv, []byte{0}))}
			if key != from {
				keys = append(keys, key)
			}
			return len(keys) < limit, nil
		})
		return keys, err
	})
	if err != nil {
		return nil, err
	}
	var list []chat.Conversation
	for part := range slices.Chunk(keys, 500) {
		convs, err := s.ConversationsByKey(ctx, part)
		if err != nil {
			return nil, fmt.Errorf("list conversations: %w", err)
		}
		list = append(list, convs...)
	}
	return list, nil
}
