package pebblestore

import (
	"bytes"
	"container/heap"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"

	"github.com/cockroachdb/pebble/v2"

	"github.com/parley-chat/parley/pkg/chat"
	"github.com/parley-chat/parley/pkg/search"
)

// Index implements [search.Store].
func (ss searchStore) Index(g search.Generation) search.Index {
	return &searchIndex{s: ss.s, postings: searchKey(g.Number, searchPosting), documents: searchKey(g.Number, searchDocument),
		marks: searchKey(g.Number, searchMark)}
}

type searchIndex struct {
	s                          *Store
	postings, documents, marks []byte // what keys begin with
}

// convHash stands for a conversation in keys: long enough that no two share one.
type convHash [12]byte

func hashConv(key chat.Key) (h convHash) {
	sum := sha256.Sum256([]byte(string(key.NS) + "\x00" + string(key.Conv)))
	copy(h[:], sum[:])
	return h
}

// The end of a posting's key: time in 6 bytes and seq in 7, both counted backwards.
const (
	placeSize = 13
	maxMillis = 1<<48 - 1
	maxSeq    = 1<<56 - 1
)

// spot is a place inside of one conversation.
type spot struct {
	time int64
	seq  chat.Seq
}

func (x *searchIndex) postingKey(dst []byte, h convHash, term string, at spot) []byte {
	dst = append(dst[:0], x.postings...)
	dst = append(dst, h[:]...)
	dst = append(dst, term...)
	dst = append(dst, 0)
	t, q := uint64(maxMillis-min(max(at.time, 0), maxMillis)), uint64(maxSeq-at.seq)
	dst = append(dst, byte(t>>40), byte(t>>32), byte(t>>24), byte(t>>16), byte(t>>8), byte(t))
	return append(dst, byte(q>>48), byte(q>>40), byte(q>>32), byte(q>>24), byte(q>>16), byte(q>>8), byte(q))
}

func spotOf(k []byte) spot {
	k = k[len(k)-placeSize:]
	var t, q uint64
	for _, b := range k[:6] {
		t = t<<8 | uint64(b)
	}
	for _, b := range k[6:] {
		q = q<<8 | uint64(b)
	}
	return spot{maxMillis - int64(t), chat.Seq(maxSeq - q)}
}

func (x *searchIndex) documentKey(h convHash, seq chat.Seq) []byte {
	return number(append(slices.Clone(x.documents), h[:]...), uint64(seq))
}

func (x *searchIndex) markKey(key chat.Key) []byte {
	k := append(slices.Clone(x.marks), key.NS...)
	k = append(k, 0)
	return append(k, key.Conv...)
}

// indexed is the row of a document: what of it must be known to replace it.
type indexed struct {
	rev   chat.Seq // MaxSeq: gone
	time  int64
	terms []string
}

func (x *searchIndex) document(h convHash, seq chat.Seq) (row indexed, err error) {
	v, err := get(x.s.db, x.documentKey(h, seq))
	if err != nil || v == nil {
		return row, err
	}
	d, err := decode(v, documentLayout)
	if err != nil {
		return row, err
	}
	row.rev, row.time, row.terms = chat.Seq(d.varint()), d.varint(), decodeStrings[string](d)
	return row, d.done()
}

// Apply implements [search.Index]. One batch, in the order of other calls; it does
// not wait for the disk, see tableSearch.
func (x *searchIndex) Apply(ctx context.Context, b search.Batch) error {
	if err := x.apply(ctx, b); err != nil {
		return fmt.Errorf("pebblestore: index: %w", err)
	}
	return nil
}

func (x *searchIndex) apply(ctx context.Context, b search.Batch) (err error) {
	if err := x.s.calls.enter(); err != nil {
		return err
	}
	defer x.s.calls.leave()
	if err := errors.Join(ctx.Err(), x.s.failure()); err != nil {
		return err
	}
	x.s.searching.Lock()
	defer x.s.searching.Unlock()
	batch := x.s.db.NewBatch()
	defer func() { err = errors.Join(err, batch.Close()) }()
	var key []byte
	for i := range b.Docs {
		if key, err = x.put(batch, &b.Docs[i], key); err != nil {
			return fmt.Errorf("%s/%d: %w", b.Docs[i].Conv, b.Docs[i].Seq, err)
		}
	}
	for k, seq := range b.Marks {
		if have, err := x.mark(k); err != nil {
			return err
		} else if have >= seq {
			continue
		}
		if err := errors.Join(checkNames(string(k.NS), string(k.Conv)), batch.Set(x.markKey(k), binary.AppendUvarint(nil, uint64(seq)), nil)); err != nil {
			return err
		}
	}
	if batch.Empty() {
		return nil
	}
	return x.s.db.Apply(batch, pebble.NoSync)
}

// put replaces the rows of a document, if it is newer. It returns key for others
// to use again.
func (x *searchIndex) put(batch *pebble.Batch, d *search.Doc, key []byte) ([]byte, error) {
	rev, h := d.Rev, hashConv(d.Key)
	if d.Gone {
		rev = chat.MaxSeq
	}
	old, err := x.document(h, d.Seq)
	if err != nil || old.rev >= rev {
		return key, err
	}
	for _, term := range old.terms {
		key = x.postingKey(key, h, term, spot{old.time, d.Seq})
		if err := batch.Delete(key, nil); err != nil {
			return key, err
		}
	}
	row := appendInt([]byte{documentLayout}, rev)
	if d.Gone {
		return key, batch.Set(x.documentKey(h, d.Seq), binary.AppendUvarint(appendInt(row, 0), 0), nil)
	}
	at := spot{d.Time.UnixMilli(), d.Seq}
	row = appendInt(row, at.time)
	row = binary.AppendUvarint(row, uint64(len(d.Terms)))
	var value []byte
	for _, t := range d.Terms {
		if err := checkNames(t.Text); err != nil {
			return key, err
		}
		row = appendString(row, t.Text)
		key = x.postingKey(key, h, t.Text, at)
		value = binary.AppendUvarint(value[:0], uint64(t.N))
		value = binary.AppendUvarint(value, uint64(d.Len))
		if err := batch.Set(key, value, nil); err != nil {
			return key, err
		}
	}
	return key, batch.Set(x.documentKey(h, d.Seq), row, nil)
}

func (x *searchIndex) mark(key chat.Key) (chat.Seq, error) {
	v, err := get(x.s.db, x.markKey(key))
	n, _ := binary.Uvarint(v)
	return chat.Seq(n), err
}

// Marks implements [search.Index].
func (x *searchIndex) Marks(ctx context.Context, keys []chat.Key) (map[chat.Key]chat.Seq, error) {
	return read(ctx, x.s, "read marks", nil, func() (map[chat.Key]chat.Seq, error) {
		marks := make(map[chat.Key]chat.Seq, len(keys))
		for _, key := range keys {
			seq, err := x.mark(key)
			if err != nil {
				return nil, err
			}
			if seq > 0 {
				marks[key] = seq
			}
		}
		return marks, nil
	})
}

// Find implements [search.Index].
func (x *searchIndex) Find(ctx context.Context, f search.Filter) (search.Found, error) {
	return read(ctx, x.s, "find", nil, func() (found search.Found, err error) {
		it, err := x.s.db.NewIter(&pebble.IterOptions{LowerBound: x.postings, UpperBound: after(x.postings)})
		if err != nil {
			return found, err
		}
		defer func() { err = errors.Join(err, it.Close()) }()
		s := &finding{x: x, it: it, f: f}
		return s.run(ctx)
	})
}

// finding walks through the postings of all conversations side by side, in the
// order of places, so that it can stop anywhere and say where to go on.
type finding struct {
	x      *searchIndex
	it     *pebble.Iterator
	f      search.Filter
	queue  strands
	key    []byte
	looked int
}

// strand is one conversation of a finding: nothing that is wanted comes before at.
type strand struct {
	search.Scope
	hash convHash
	at   spot
	hit  bool // the message at at has all terms
	search.Hit
}

func (s *strand) place() search.Place {
	return search.Place{Time: s.at.time, Conv: s.Scope.Conv, Seq: s.at.seq}
}

// strands is a heap: the first place is on top.
type strands []*strand

func (q strands) Len() int           { return len(q) }
func (q strands) Less(i, j int) bool { return q[i].place().Compare(q[j].place()) < 0 }
func (q strands) Swap(i, j int)      { q[i], q[j] = q[j], q[i] }
func (q *strands) Push(s any)        { *q = append(*q, s.(*strand)) }
func (q *strands) Pop() any {
	last := (*q)[len(*q)-1]
	*q = (*q)[:len(*q)-1]
	return last
}

func (s *finding) run(ctx context.Context) (found search.Found, err error) {
	for _, in := range s.f.In {
		s.queue = append(s.queue, &strand{Scope: in, hash: hashConv(chat.Key{NS: s.f.NS, Conv: in.Conv}), at: startOf(s.f, in.Conv)})
	}
	heap.Init(&s.queue)
	for steps := 0; len(s.queue) > 0; {
		top := s.queue[0]
		switch {
		case top.at.time < s.f.Since:
			return found, nil
		case len(found.Hits) == s.f.Limit || !top.hit && s.looked >= s.f.Look && steps >= len(s.f.In):
			next := top.place()
			found.Next = &next
			return found, nil
		case top.hit:
			top.Place, top.hit = top.place(), false
			found.Hits = append(found.Hits, top.Hit)
			top.at.seq--
			heap.Fix(&s.queue, 0)
			continue
		case steps%256 == 0 && ctx.Err() != nil:
			return found, ctx.Err()
		}
		steps++
		more, err := s.step(top)
		if err != nil {
			return found, err
		}
		if more {
			heap.Fix(&s.queue, 0)
		} else {
			heap.Pop(&s.queue)
		}
	}
	return found, nil
}

// startOf is the first spot of a conversation that a filter wants.
func startOf(f search.Filter, conv chat.ConvID) spot {
	at := spot{maxMillis, chat.MaxSeq}
	if f.From != (search.Place{}) {
		at.time = f.From.Time
		switch {
		case conv == f.From.Conv:
			at.seq = f.From.Seq
		case conv < f.From.Conv:
			at.time--
		}
	}
	if f.Until > 0 && at.time >= f.Until {
		at = spot{f.Until - 1, chat.MaxSeq}
	}
	return at
}

// step looks for each term from where the strand is on: either all have a posting
// at the same spot, or nothing is wanted before the furthest.
func (s *finding) step(t *strand) (more bool, err error) {
	if s.f.Weights {
		t.Counts = make([]int, len(s.f.Terms))
	}
	for i, term := range s.f.Terms {
		s.key = s.x.postingKey(s.key, t.hash, term, t.at)
		s.looked++
		if !s.it.SeekGE(s.key) || len(s.it.Key()) != len(s.key) || !bytes.HasPrefix(s.it.Key(), s.key[:len(s.key)-placeSize]) {
			return false, s.it.Error()
		}
		at := spotOf(s.it.Key())
		if i > 0 && at != t.at {
			t.at = at
			return true, nil
		}
		t.at = at
		if !s.f.Weights {
			continue
		}
		v, err := s.it.ValueAndErr()
		if err != nil {
			return false, err
		}
		d := decoder{s: string(v)}
		t.Counts[i], t.Len = int(d.uvarint()), int(d.uvarint())
		if err := d.done(); err != nil {
			return false, err
		}
	}
	if t.hit = t.Has(t.at.seq); !t.hit {
		t.at.seq--
	}
	return true, nil
}
