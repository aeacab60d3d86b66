package wireproxy

import (
	"context"
	"encoding/binary"
	"fmt"
	"slices"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// A replica set whose majority does not follow: what its primary has inserted is in
// the unique indexes, and no read with read concern majority shows it. The proxy
// plays that by asking such reads to leave the documents out. As long as any are
// hidden, no write over this proxy is confirmed by a majority either.
//
// A read with read concern linearizable waits until nothing of its collection is
// hidden any more, or for as long as it says itself.
//
// It hides inserts only: an update shows at once, where a replica set would still
// show the document as it was before.

// hidden is documents that majority reads do not show yet.
type hidden struct {
	collection string
	ids        []bson.RawValue
	until      <-chan struct{}
}

// hide hides the documents of an insert before it is applied.
func (p *Proxy) hide(collection string, insert message, until <-chan struct{}) error {
	docs, err := insert.documents()
	if err != nil {
		return err
	}
	h := hidden{collection: collection, until: until}
	for _, d := range docs {
		h.ids = append(h.ids, d.Lookup("_id"))
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.hidden = append(p.hidden, h)
	return nil
}

// unseen are the documents of a collection that are hidden now, and whether some of
// any collection are.
func (p *Proxy) unseen(collection string) (ids bson.A, some bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	still := p.hidden[:0]
	for _, h := range p.hidden {
		select {
		case <-h.until:
			continue
		default:
		}
		still = append(still, h)
		if h.collection == collection {
			for _, id := range h.ids {
				ids = append(ids, id)
			}
		}
	}
	p.hidden = still
	return ids, len(still) > 0
}

// majority has a linearizable read of a collection wait until a majority has all that is
// in it. late says that the time of the read was over before that.
func (p *Proxy) majority(ctx context.Context, command bson.Raw) (late bool) {
	cmd, coll := name(command)
	level, _ := command.Lookup("readConcern", "level").StringValueOK()
	if cmd != "find" || level != "linearizable" {
		return false
	}
	if ms, ok := command.Lookup("maxTimeMS").AsInt64OK(); ok && ms > 0 {
		limited, cancel := context.WithTimeout(ctx, time.Duration(ms)*time.Millisecond)
		defer cancel()
		ctx = limited
	}
	p.mu.Lock()
	waits := slices.Clone(p.hidden)
	p.mu.Unlock()
	for _, h := range waits {
		if h.collection != coll {
			continue
		}
		select {
		case <-h.until:
		case <-ctx.Done():
			return true
		}
	}
	return false
}

// blindfold makes a majority read of a collection leave out what is hidden in it;
// other requests it leaves as they are.
func (p *Proxy) blindfold(req message, command bson.Raw) (message, error) {
	cmd, coll := name(command)
	level, _ := command.Lookup("readConcern", "level").StringValueOK()
	if cmd != "find" || level != "majority" {
		return req, nil
	}
	ids, _ := p.unseen(coll)
	if len(ids) == 0 {
		return req, nil
	}
	elements, err := command.Elements()
	if err != nil {
		return nil, fmt.Errorf("reading a find: %w", err)
	}
	without := bson.D{{Key: "_id", Value: bson.D{{Key: "$nin", Value: ids}}}}
	doc := bson.D{}
	for _, e := range elements {
		if e.Key() == "filter" {
			doc = append(doc, bson.E{Key: "filter", Value: bson.D{{Key: "$and", Value: bson.A{e.Value(), without}}}})
			continue
		}
		doc = append(doc, bson.E{Key: e.Key(), Value: e.Value()})
	}
	raw, err := bson.Marshal(doc)
	if err != nil {
		return nil, fmt.Errorf("encoding a find: %w", err)
	}
	blind := ofBody(raw)
	binary.LittleEndian.PutUint32(blind[4:], req.requestID())
	return blind, nil
}

// unconfirmed says beside the answer to a write that no majority confirms it, while
// anything is hidden.
func (p *Proxy) unconfirmed(res message, cmd string) (message, error) {
	switch cmd {
	case "insert", "update", "delete", "findAndModify":
	default:
		return res, nil
	}
	if _, some := p.unseen(""); !some {
		return res, nil
	}
	return spoil(res, CodeWriteConcernTimeout, true)
}
