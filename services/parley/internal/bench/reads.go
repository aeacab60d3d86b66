package bench

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/parley-chat/parley/pkg/chat"
	"github.com/parley-chat/parley/services/parley/internal/bench/measure"
)

// flush connects a device that missed many messages.
func (r *run) flush(ctx context.Context) error {
	r.progress("%d messages are sent in %d conversations", r.Missed, r.Convs)
	reader := r.user(0)
	for i := range r.Convs {
		d, err := r.newDevice(ctx, r.user(i+1), "bench", i)
		if err != nil {
			return err
		}
		f := r.newFlow(string(chat.DirectID(d.namespace(), d.user, reader)), d, d)
		f.to = reader
	}
	senders := r.devices
	if err := r.connect(ctx, senders); err != nil {
		return err
	}
	if err := r.fill(ctx, int64(r.Missed/r.Convs)); err != nil {
		return err
	}
	for _, d := range senders {
		d.drop()
	}
	if !r.checks().ok() {
		return nil
	}
	return r.flushes(ctx, reader)
}

// flushes measures: each time it is a new device of the user that connects.
func (r *run) flushes(ctx context.Context, reader chat.User) error {
	var first, synced measure.Histogram
	var seconds float64
	var count int64
	profiled := r.profile(ctx, 2*time.Second)
	for i := range r.Repeat {
		d, err := r.newDevice(ctx, reader, chat.Device(fmt.Sprint("flush-", i)), i)
		if err != nil {
			return err
		}
		for _, f := range r.flows {
			f.readers = append(f.readers, d)
		}
		if err := d.dial(ctx); err != nil {
			return err
		}
		before, err := r.sample()
		if err != nil {
			return err
		}
		began := r.now()
		if err := d.hello(ctx); err != nil {
			return err
		}
		took := r.now() - began
		after, err := r.sample()
		if err != nil {
			return err
		}
		r.account(before, after)
		d.disconnect()
		n := d.received.Load()
		synced.Record(time.Duration(took))
		if d.first > 0 {
			first.Record(time.Duration(d.first - began))
		}
		rate := float64(n) / (float64(took) / 1e9)
		r.progress("  %d messages in %v, %s a second", n, time.Duration(took).Round(time.Millisecond), measure.Number(rate))
		count, seconds = count+n, seconds+float64(took)/1e9
		r.report.Timeline = append(r.report.Timeline, Point{T: seconds, PerSecond: rate})
	}
	r.count("entries", count, seconds)
	r.keep("first", first.Take())
	r.keep("synced", synced.Take())
	return profiled()
}

// pagePlaces are where history reads: the seq before which a page ends.
var pagePlaces = []struct {
	name   string
	before func(depth, page int) int
}{
	{"newest", func(depth, _ int) int { return depth + 1 }},
	{"middle", func(depth, page int) int { return max(depth/2, page+1) }},
	{"oldest", func(_, page int) int { return page + 1 }},
}

// history reads pages of one long conversation.
func (r *run) history(ctx context.Context) error {
	r.progress("%d messages are sent in one conversation", r.Depth)
	a, err := r.newDevice(ctx, r.user(0), "bench", 0)
	if err != nil {
		return err
	}
	f := r.newFlow(string(chat.DirectID(a.namespace(), a.user, r.user(1))), a, a)
	f.to = r.user(1)
	if err := r.connect(ctx, r.devices); err != nil {
		return err
	}
	if err := r.fill(ctx, int64(r.Depth)); err != nil {
		return err
	}
	a.drop()
	if !r.checks().ok() {
		return nil
	}
	readers, err := r.pageReaders(ctx, f)
	if err != nil {
		return err
	}
	profiled := r.profile(ctx, r.Duration)
	before, err := r.sample()
	if err != nil {
		return err
	}
	var total int64
	for _, at := range pagePlaces {
		var took measure.Histogram
		began := time.Now()
		group, ctx := errgroup.WithContext(ctx)
		for _, d := range readers {
			group.Go(func() error {
				return d.pages(ctx, f.conv, at.before(r.Depth, r.Page), r.Duration/time.Duration(len(pagePlaces)), &took)
			})
		}
		if err := group.Wait(); err != nil {
			return err
		}
		s := took.Take()
		r.keep(at.name, s)
		r.report.Rates["pages "+at.name] = float64(s.Count()) / time.Since(began).Seconds()
		r.progress("  %s: %d pages, p50 %s", at.name, s.Count(), measure.Millisecond(measure.Millis(s.At(50))))
		total += s.Count()
	}
	after, err := r.sample()
	if err != nil {
		return err
	}
	r.account(before, after)
	r.count("pages", total, r.report.Seconds)
	return profiled()
}

// pageReaders connects devices that hold the whole log already: they resume at its
// head, and nothing is flushed to them.
func (r *run) pageReaders(ctx context.Context, f *flow) ([]*device, error) {
	var list []*device
	for i := range r.Readers {
		d, err := r.newDevice(ctx, f.from.user, chat.Device(fmt.Sprint("reader-", i)), i)
		if err != nil {
			return nil, err
		}
		d.epoch = f.from.epoch
		d.places[f.conv] = &place{conv: f.conv, seq: f.from.place(f.conv).seq}
		if err := d.connect(ctx); err != nil {
			return nil, fmt.Errorf("connect %s: %w", d.user, err)
		}
		list = append(list, d)
	}
	return list, nil
}

// pages asks for the same page, one request after the other, and once at least.
func (d *device) pages(ctx context.Context, conv string, before int, span time.Duration, took *measure.Histogram) error {
	r := d.r
	stop := context.AfterFunc(ctx, d.disconnect)
	defer stop()
	var asked int64
	answered := false
	d.onPage = func(f *frame) {
		took.Record(time.Duration(d.now - asked))
		answered = true
		r.checkPage(f, int64(before-r.Page))
	}
	ask := fmt.Appendf(nil, `{"type":"history","conv":%q,"before":%d,"limit":%d}`, conv, before, r.Page)
	for end, first := r.now()+int64(span), true; (first || r.now() < end) && r.checks().ok(); first = false {
		asked, answered = r.now(), false
		d.conn.Queue(ask)
		if err := d.conn.Flush(); err != nil {
			return errors.Join(err, ctx.Err())
		}
		for !answered && r.Refused.Load() == 0 {
			if err := d.read(); err != nil {
				return errors.Join(err, ctx.Err())
			}
		}
	}
	return nil
}

// checkPage looks whether a page has the messages that it must have: in this
// conversation the number of a message is its seq.
func (r *run) checkPage(page *frame, first int64) {
	want := first
	var item frame
	ok := each(page.items, func(b []byte) {
		if !item.scan(b) || len(item.text) != r.Size {
			r.note(&r.Altered, 1, "a page has an item %.100q", b)
			return
		}
		s, ok := parseStamp(item.text[len(r.id)+1:], ' ')
		if item.seq != want || !ok || s.number != want {
			r.note(&r.Disordered, 1, "a page has message %d as seq %d, in place of %d", s.number, item.seq, want)
		}
		want++
	})
	if !ok || want != first+int64(r.Page) {
		r.note(&r.Lost, 1, "a page from %d on has %d of %d messages", first, want-first, r.Page)
	}
}

// errNoSearch is a server without search.
var errNoSearch = errors.New(`this server has no search: its welcome.features do not name "search"`)

// search asks for words that one message has, and for one that all have.
func (r *run) search(ctx context.Context) error {
	a, err := r.newDevice(ctx, r.user(0), "bench", 0)
	if err != nil {
		return err
	}
	for i := range r.Convs {
		peer := r.user(i + 1)
		f := r.newFlow(string(chat.DirectID(a.namespace(), a.user, peer)), a, a)
		f.to, f.remember = peer, true
	}
	if err := r.connect(ctx, r.devices); err != nil {
		return err
	}
	if !a.has("search") {
		return errNoSearch
	}
	r.progress("%d messages are sent in %d conversations", r.Depth, r.Convs)
	if err := r.fill(ctx, int64(max(1, r.Depth/r.Convs))); err != nil || !r.checks().ok() {
		return err
	}
	if err := r.findable(ctx, a.token); err != nil {
		return err
	}
	return r.searches(ctx, a.token)
}

// find searches, and reports whether the word is in the answer.
func (r *run) find(ctx context.Context, token, word string) (found bool, took time.Duration, err error) {
	body, took, err := r.get(ctx, strings.TrimSuffix(r.API, "/")+"/v1/search?q="+url.QueryEscape(word), token)
	return bytes.Contains(body, []byte(word)), took, err
}

// findable waits until what was sent last is found.
func (r *run) findable(ctx context.Context, token string) error {
	var lag measure.Histogram
	began := time.Now()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for _, f := range r.flows {
		for {
			found, _, err := r.find(ctx, token, strconv.FormatInt(f.times[len(f.times)-1], 36))
			if err != nil {
				return err
			}
			if found {
				break
			}
			if time.Since(began) > r.Drain {
				r.note(&r.Lost, 1, "%s: the last message is not found after %v", f.conv, r.Drain)
				return nil
			}
			select {
			case <-tick.C:
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		lag.Record(time.Since(began))
	}
	r.keep("findable", lag.Take())
	return nil
}

// searches measures. Every second search is for what all messages have; each reader
// asks twice at least.
func (r *run) searches(ctx context.Context, token string) error {
	profiled := r.profile(ctx, r.Duration)
	before, err := r.sample()
	if err != nil {
		return err
	}
	var rare, common measure.Histogram
	var n atomic.Int64
	var wg sync.WaitGroup
	for range r.Readers {
		wg.Go(func() {
			for end, i := r.now()+int64(r.Duration), 0; (i < 2 || r.now() < end) && r.checks().ok() && ctx.Err() == nil; i++ {
				f := r.flows[rand.IntN(len(r.flows))]
				word, took := strconv.FormatInt(f.times[rand.IntN(len(f.times))], 36), &rare
				if n.Add(1)%2 == 0 {
					word, took = r.id, &common
				}
				found, d, err := r.find(ctx, token, word)
				switch {
				case err != nil && ctx.Err() == nil:
					r.note(&r.Failed, 1, "search: %v", err)
				case err == nil && !found:
					r.note(&r.Lost, 1, "a search for %q does not find it", word)
				case err == nil:
					took.Record(d)
				}
			}
		})
	}
	wg.Wait()
	after, err := r.sample()
	if err != nil {
		return errors.Join(err, ctx.Err())
	}
	r.account(before, after)
	r.count("searches", n.Load(), r.report.Seconds)
	r.keep("search of one", rare.Take())
	r.keep("search of many", common.Take())
	return errors.Join(ctx.Err(), profiled())
}
