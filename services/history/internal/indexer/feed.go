package indexer

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/parley-chat/parley/pkg/chat"
	"github.com/parley-chat/parley/pkg/search"
)

// feed is the work of a leader. It belongs to one goroutine.
type feed struct {
	*Indexer
	gen   search.Generation
	index search.Index

	lead    search.Lead
	renewed time.Time // when the renewal that holds was asked for
	saved   time.Time
	changed bool // since then

	journals map[string]*journal
	listed   time.Time
	pending  map[chat.Key]job // what is known to be behind; low and cursor rest while it is not empty
	marks    map[chat.Key]chat.Seq
	cursor   chat.Key // the sweep has put conversations up to here into pending
	lastPage bool     // the sweep has come to the last of them
}

// job is a conversation to be indexed from one behind mark up to head.
type job struct {
	key        chat.Key
	mark, head chat.Seq
	failed     int // times in a row
}

func newFeed(ix *Indexer, g search.Generation, l search.Lead, renewed time.Time) *feed {
	f := &feed{Indexer: ix, gen: g, index: ix.opts.Store.Index(g), lead: l, renewed: renewed, saved: renewed,
		journals: map[string]*journal{}, pending: map[chat.Key]job{}, marks: map[chat.Key]chat.Seq{}, cursor: l.Progress.Cursor}
	for _, p := range l.Progress.Journals {
		f.journals[p.Pod] = newJournal(p.Pod, p.Number)
	}
	return f
}

// run works until ctx ends or somebody else leads. Errors are tried again for as
// long as the lease lasts.
func (f *feed) run(ctx context.Context) error {
	wait := f.opts.Poll
	for ctx.Err() == nil {
		begun := time.Now()
		busy, err := f.step(ctx)
		f.note(len(f.pending), time.Now())
		switch {
		case errors.Is(err, search.ErrNotLeading), err != nil && time.Since(f.renewed) >= f.opts.Lease:
			return err
		case err != nil:
			if ctx.Err() == nil {
				f.errors.Add(1)
				f.opts.Log.Warn("a step of indexing failed; trying again", "error", err)
			}
			pause(ctx, wait)
			wait = min(2*wait, mostPause, f.opts.Lease/4)
		case busy:
			wait = f.opts.Poll
			spent := time.Since(begun)
			pause(ctx, time.Duration(float64(spent)*(1/f.opts.Share-1)))
		default:
			wait = f.opts.Poll
			pause(ctx, f.opts.Poll)
		}
	}
	return nil
}

// step does a bounded amount of work, and reports whether there is more to do now.
func (f *feed) step(ctx context.Context) (busy bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, f.opts.Lease/2)
	defer cancel()
	if err := f.renew(ctx); err != nil {
		return false, err
	}
	if err := f.list(ctx); err != nil {
		return false, err
	}
	more, err := f.follow(ctx)
	if err != nil {
		return false, err
	}
	if len(f.pending) == 0 {
		if err := f.sweep(ctx); err != nil {
			return false, err
		}
	}
	if err := f.work(ctx); err != nil {
		return false, err
	}
	if len(f.pending) == 0 {
		f.settle()
	}
	if f.changed && time.Since(f.saved) >= saveEvery {
		if err := f.save(ctx); err != nil {
			return false, err
		}
	}
	return more || len(f.pending) > 0 || f.lead.Progress.Sweeping, nil
}

// renew renews the lease where it is time, and ends where another index has become
// the current one.
func (f *feed) renew(ctx context.Context) error {
	now := time.Now()
	if now.Sub(f.renewed) < f.opts.Lease/4 {
		return nil
	}
	g, err := f.opts.Current.Generation(ctx)
	if err != nil {
		return err
	}
	l, ok, err := f.opts.Store.Lead(ctx, f.gen, f.owner, f.opts.Lease)
	if err != nil {
		return fmt.Errorf("renew the lease: %w", err)
	}
	if !ok || l.Term != f.lead.Term || g != f.gen {
		return search.ErrNotLeading
	}
	f.renewed = now
	return nil
}

// save writes down what is done. Pending work is done again by whoever is next.
func (f *feed) save(ctx context.Context) error {
	p := &f.lead.Progress
	p.Journals = p.Journals[:0]
	for _, j := range f.journals {
		p.Journals = append(p.Journals, search.Position{Pod: j.pod, Number: j.done})
	}
	slices.SortFunc(p.Journals, func(a, b search.Position) int { return cmp.Compare(a.Pod, b.Pod) })
	if err := f.opts.Store.Save(ctx, f.gen, f.lead); err != nil {
		return fmt.Errorf("save progress: %w", err)
	}
	f.changed, f.saved = false, time.Now()
	return nil
}

// settle is called when everything that is known has been done.
func (f *feed) settle() {
	for _, j := range f.journals {
		f.changed = f.changed || j.done != j.low
		j.done = j.low
	}
	p := &f.lead.Progress
	if !p.Sweeping {
		return
	}
	f.changed = true
	p.Cursor = f.cursor
	if f.lastPage {
		p.Sweeping, p.Cursor, p.Swept = false, chat.Key{}, time.Now().UTC().Truncate(time.Millisecond)
		p.Rounds++
		f.sweeps.Add(1)
		f.saved = time.Time{} // searchers wait to hear that the index is built
		f.opts.Log.Info("swept all conversations", "conversations", p.Seen, "messages", p.Messages, "round", p.Rounds)
	}
}

// add notes conversations that may be behind.
func (f *feed) add(ctx context.Context, convs []chat.Conversation) error {
	var unknown []chat.Key
	for _, c := range convs {
		if _, ok := f.marks[c.Key]; !ok {
			unknown = append(unknown, c.Key)
		}
	}
	if len(f.marks)+len(unknown) > mostMarks {
		clear(f.marks) // they are read again
		unknown = unknown[:0]
		for _, c := range convs {
			unknown = append(unknown, c.Key)
		}
	}
	for part := range slices.Chunk(unknown, 500) {
		marks, err := f.index.Marks(ctx, part)
		if err != nil {
			return fmt.Errorf("read marks: %w", err)
		}
		for _, key := range part {
			f.marks[key] = marks[key]
		}
	}
	for _, c := range convs {
		j, ok := f.pending[c.Key]
		if !ok {
			j = job{key: c.Key, mark: f.marks[c.Key]}
		}
		if j.head = max(j.head, c.Last.Seq); j.head > j.mark {
			f.pending[c.Key] = j
		}
	}
	return nil
}

// work indexes a bounded part of what is pending. Who is least behind comes first:
// so new messages do not wait for an old log.
func (f *feed) work(ctx context.Context) error {
	if len(f.pending) == 0 {
		return nil
	}
	jobs := f.next()
	read := make([]derived, len(jobs))
	errs := make([]error, len(jobs))
	var wg sync.WaitGroup
	slots := make(chan struct{}, f.opts.reads())
	for i, j := range jobs {
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			read[i], errs[i] = derive(ctx, f.opts.Source, j)
		})
	}
	wg.Wait()
	b := search.Batch{Marks: make(map[chat.Key]chat.Seq, len(jobs))}
	for i, d := range read {
		if errs[i] == nil {
			b.Docs = append(b.Docs, d.docs...)
			b.Marks[jobs[i].key] = d.upTo
			f.entries.Add(uint64(d.entries))
		}
	}
	if err := f.index.Apply(ctx, b); err != nil {
		return fmt.Errorf("apply: %w", err)
	}
	f.messages.Add(uint64(len(b.Docs)))
	f.lead.Progress.Messages += int64(len(b.Docs))
	f.changed = true
	for i, j := range jobs {
		switch {
		case errs[i] != nil:
			// Where others can be read, it is not the store that is away: this one must not
			// hold them up. The next sweep comes back to it.
			if j.failed++; j.failed >= mostFailures && len(b.Marks) > 0 {
				delete(f.pending, j.key)
				continue
			}
		default:
			f.marks[j.key] = max(f.marks[j.key], read[i].upTo)
			j.mark, j.failed = read[i].upTo, 0
		}
		if j.mark >= j.head {
			delete(f.pending, j.key)
		} else {
			f.pending[j.key] = j
		}
	}
	return errors.Join(errs...)
}

// next chooses what to index in one step.
func (f *feed) next() []job {
	jobs := make([]job, 0, len(f.pending))
	for _, j := range f.pending {
		jobs = append(jobs, j)
	}
	behind := func(j job) int { return int(min(j.head-j.mark, convEntries)) }
	if len(jobs) > stepConvs {
		slices.SortFunc(jobs, func(a, b job) int { return cmp.Compare(a.head-a.mark, b.head-b.mark) })
		jobs = jobs[:stepConvs]
	} else {
		slices.SortFunc(jobs, func(a, b job) int { return behind(a) - behind(b) })
	}
	sum := 0
	for i, j := range jobs {
		if sum += behind(j); i > 0 && sum > f.opts.stepEntries() {
			return jobs[:i]
		}
	}
	return jobs
}
