package gateway

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"sort"
	"time"

	"github.com/parley-chat/parley/pkg/auth"
	"github.com/parley-chat/parley/pkg/chat"
	"github.com/parley-chat/parley/pkg/job"
	"github.com/parley-chat/parley/pkg/rest"
	"github.com/parley-chat/parley/pkg/search"
	"github.com/parley-chat/parley/pkg/store"
	"github.com/parley-chat/parley/pkg/wire"
)

const (
	blankPage = 200  // entries in one step of taking content away
	blankMost = 5000 // entries that one request deals with
	// decisionCost is as how many sends it counts to decide for how long a conversation
	// is kept: each is a job of its own, and they are worked off one after the other, so
	// an owner who goes on deciding would keep everybody else's waiting.
	decisionCost = 20
)

// setRetention sets for how long a conversation is kept, see [keeper], or raises the
// floor of a conversation and takes the content below it away. The floor is stored
// first: from then on nobody may read below it, so whatever a crash leaves behind is
// seen by nobody, and the same request again takes it away. Everything is for good and
// may be repeated, by several at once too.
//
// The floor may rise to one behind the head as it was when the request came: a
// message that is stored meanwhile stays.
func (g *Gateway) setRetention(w http.ResponseWriter, r *http.Request, id auth.Identity) error {
	conv, err := rest.PathConv(r, "conv")
	if err != nil {
		return err
	}
	var in wire.SetRetention
	if err := rest.ReadJSON(w, r, int64(g.opts.Limits.Frame), &in); err != nil {
		return err
	}
	hours, err := checkRetention(&in)
	if err != nil {
		return err
	}
	c, err := g.view.Retained(r.Context(), chat.Key{NS: id.NS, Conv: conv}, id.User, id.Has(auth.ScopeOperator))
	if err != nil {
		return err
	}
	if in.Keep.Given {
		if err := g.mayStore(id, decisionCost); err != nil {
			return err
		}
		if c.Keep, err = g.keeper.decide(r.Context(), id, &c, job.Keep{Hours: hours, Default: in.Keep.Null}); err != nil {
			return err
		}
		rest.JSON(w, http.StatusOK, g.view.Retention(&c))
		return nil
	}
	floor := in.Floor
	if !in.Before.IsZero() {
		if floor, err = g.firstSince(r.Context(), c, in.Before.Time); err != nil {
			return err
		}
	}
	if floor > c.Last.Seq+1 {
		return chat.Errorf(chat.CodeBadRequest, `"floor" must be at most %d, one behind the head`, c.Last.Seq+1)
	}
	if c.Floor, err = g.opts.Store.RaiseFloor(r.Context(), c.Key, floor, nil); err != nil {
		return fmt.Errorf("raise floor: %w", err)
	}
	out := g.view.Retention(&c)
	if out.Next, err = g.blankBelow(r.Context(), c.Key, c.Floor, in.Next, blankMost); err != nil {
		return err
	}
	rest.JSON(w, http.StatusOK, out)
	return nil
}

// checkRetention is what a request can tell without a look at the conversation, and the
// hours of its "keep", if it has one.
func checkRetention(in *wire.SetRetention) (hours int, err error) {
	given := 0
	for _, is := range []bool{in.Floor != 0, !in.Before.IsZero(), in.Keep.Given} {
		if is {
			given++
		}
	}
	if given != 1 {
		return 0, chat.Errorf(chat.CodeBadRequest, `exactly one of "floor", "before" and "keep" must be given`)
	}
	if in.Floor < 0 || in.Next < 0 {
		return 0, chat.Errorf(chat.CodeBadRequest, `"floor" and "next" must be positive`)
	}
	if !in.Keep.Given {
		return 0, nil
	}
	if in.Next != 0 {
		return 0, chat.Errorf(chat.CodeBadRequest, `"next" does not go with "keep"`)
	}
	hours, ok := chat.ParseKeep(in.Keep.Text)
	if !ok {
		return 0, chat.Errorf(chat.CodeBadRequest, `"keep" must be whole hours or days, 1h to %dd, such as "720h" or "30d"; "" for ever, or null`, chat.MaxKeep/24)
	}
	return hours, nil
}

// firstSince is the first entry that was stored at a time or later, one behind the
// head if there is none. Entries of several servers are in order of their times but
// for what the servers' clocks differ; the search is as exact as that. It begins at the
// floor, and reads one entry a step.
func (g *Gateway) firstSince(ctx context.Context, c chat.Conversation, since time.Time) (chat.Seq, error) {
	var failed error
	floor := max(c.Floor, 1)
	n := sort.Search(int(max(c.Last.Seq+1-floor, 0)), func(i int) bool {
		if failed != nil {
			return true
		}
		seq := floor + chat.Seq(i)
		list, err := g.opts.Store.Entries(ctx, c.Key, store.Range{After: seq - 1, Limit: 1})
		if err == nil && len(list) == 0 {
			err = fmt.Errorf("%s, seq %d: %w", c.Conv, seq, errNoEntry)
		}
		if failed = err; err != nil {
			return true
		}
		return !list[0].Time.Before(since)
	})
	if failed != nil {
		return 0, fmt.Errorf("find the first entry since a time: %w", failed)
	}
	return floor + chat.Seq(n), nil
}

// blankBelow takes the content of the entries from a seq to below the floor away, at
// most most, and returns where to go on; 0: it is done.
func (g *Gateway) blankBelow(ctx context.Context, key chat.Key, floor, from chat.Seq, most int) (next chat.Seq, err error) {
	next = max(from, 1)
	for done := 0; next < floor; done += blankPage {
		if done >= most {
			return next, nil
		}
		list, err := g.opts.Store.Entries(ctx, key, store.Range{After: next - 1, Before: floor, Limit: blankPage})
		if err != nil {
			return 0, fmt.Errorf("read entries: %w", err)
		}
		if len(list) == 0 {
			return 0, fmt.Errorf("read entries: %s has none from %d to below %d", key.Conv, next, floor)
		}
		if err := g.blank(ctx, key, list); err != nil {
			return 0, err
		}
		next = list[len(list)-1].Seq + 1
	}
	return 0, nil
}

// blank takes the content of the messages in a list away: from the log, the search
// index and the attachments. Those that are gone already are taken again: whoever
// began may have died between the three.
func (g *Gateway) blank(ctx context.Context, key chat.Key, list []chat.Entry) error {
	var seqs []chat.Seq
	var docs []search.Doc
	carriers := make(map[chat.Seq]bool)
	for i := range list {
		e := &list[i]
		target := e.Seq
		switch e.Kind {
		case chat.KindMessage:
			seqs = append(seqs, e.Seq)
			docs = append(docs, search.GoneDoc(key, e.Seq))
		case chat.KindEdited:
			target = e.Target
		}
		if bytes.Contains(e.Body, []byte(`"attachments"`)) {
			carriers[target] = true
		}
	}
	if len(seqs) == 0 {
		return nil
	}
	if err := g.opts.Store.Blank(ctx, key, seqs); err != nil {
		return fmt.Errorf("blank messages: %w", err)
	}
	if err := g.unindex(ctx, docs); err != nil {
		return err
	}
	if g.uploads != nil {
		for seq := range carriers {
			g.uploads.Forget(key, seq)
		}
	}
	return nil
}

// unindex takes messages out of the search index. A message that is indexed at the
// same moment stays out: what is gone wins whatever comes first.
func (g *Gateway) unindex(ctx context.Context, docs []search.Doc) error {
	if g.opts.Search == nil {
		return nil
	}
	gen, err := g.opts.Search.Generation(ctx, search.Version, *g.epoch.Load(), false)
	if err == nil {
		err = g.opts.Search.Index(gen).Apply(ctx, search.Batch{Docs: docs})
	}
	if err != nil {
		return fmt.Errorf("take messages out of the search index: %w", err)
	}
	return nil
}
