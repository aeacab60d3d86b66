package verify

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"os"
	"slices"
	"time"

	"github.com/parley-chat/parley/pkg/chat"
	"github.com/parley-chat/parley/pkg/pushlog"
)

// I13: every push ends in one success or one dead letter. The log of the pushes is
// made by whoever pushes, and by receivers; the numbers of attempts decide, not the
// order of lines.

// push is what the log tells of one job.
type push struct {
	job      pushlog.Job
	records  []*pushlog.Record // of this job, by attempt
	made     *pushlog.Record   // its first "new"
	ends     []*pushlog.Record // done and dead
	replayed map[int]bool      // attempts whose dead letter was put back
	leased   map[int][]*pushlog.Record
	latest   *pushlog.Record // the lease with the largest attempt
}

// pushesOf sorts a log by job, in order of the jobs' names.
func pushesOf(log []pushlog.Record) []*push {
	byJob := map[pushlog.Job]*push{}
	var all []*push
	for i := range log {
		r := &log[i]
		p := byJob[r.Job]
		if p == nil {
			p = &push{job: r.Job, replayed: map[int]bool{}, leased: map[int][]*pushlog.Record{}}
			byJob[r.Job] = p
			all = append(all, p)
		}
		p.records = append(p.records, r)
		switch r.Event {
		case pushlog.New:
			if p.made == nil {
				p.made = r
			}
		case pushlog.Leased:
			p.leased[r.Attempt] = append(p.leased[r.Attempt], r)
			if p.latest == nil || r.Attempt > p.latest.Attempt {
				p.latest = r
			}
		case pushlog.Done, pushlog.Dead:
			p.ends = append(p.ends, r)
		case pushlog.Replayed:
			p.replayed[r.Attempt] = true
		}
	}
	byAttempt := func(a, b *pushlog.Record) int { return cmp.Compare(a.Attempt, b.Attempt) }
	for _, p := range all {
		slices.SortStableFunc(p.records, byAttempt)
		slices.SortStableFunc(p.ends, byAttempt)
	}
	slices.SortFunc(all, func(a, b *push) int { return cmp.Compare(a.job, b.job) })
	return all
}

// of are the job's records of an event and attempt; attempt 0: of any.
func (p *push) of(event pushlog.Event, attempt int) (list []*pushlog.Record) {
	for _, r := range p.records {
		if r.Event == event && (attempt == 0 || r.Attempt == attempt) {
			list = append(list, r)
		}
	}
	return list
}

// open reports whether the job still waits for its end.
func (p *push) open() bool {
	if len(p.ends) == 0 {
		return true
	}
	last := p.ends[len(p.ends)-1]
	return last.Event == pushlog.Dead && p.replayed[last.Attempt]
}

// pushed judges I13. Jobs of conversations that are not the run's are others'.
func (j *judge) pushed() {
	received := slices.ContainsFunc(j.Pushes, func(r pushlog.Record) bool { return r.Event == pushlog.Received })
	type target struct {
		conv chat.ConvID
		seq  chat.Seq
		to   string
	}
	seen := map[target]*push{}
	for _, p := range pushesOf(j.Pushes) {
		if p.made == nil {
			j.pushViolated(p, p.records[:1], "a push that nobody has written down as new")
			continue
		}
		if j.Convs[p.made.Conv] == nil {
			continue
		}
		at := target{p.made.Conv, p.made.Seq, p.made.To}
		if other := seen[at]; other != nil {
			j.pushViolated(p, []*pushlog.Record{other.made, p.made}, "seq %d is pushed to %s twice, as %s too", at.seq, at.to, other.job)
		}
		seen[at] = p
		if j.stored[at.conv][at.seq] == nil {
			j.pushViolated(p, []*pushlog.Record{p.made}, "a push for an entry that does not exist")
		}
		j.fenced(p)
		j.endsOnce(p)
		j.endsTruly(p, received)
	}
}

// fenced: an attempt is won once, and only the latest may end the job.
func (j *judge) fenced(p *push) {
	for _, attempt := range slices.Sorted(maps.Keys(p.leased)) {
		if leases := p.leased[attempt]; len(leases) > 1 {
			j.pushViolated(p, leases, "attempt %d was won %d times", attempt, len(leases))
		}
	}
	for _, end := range p.ends {
		if len(p.leased[end.Attempt]) == 0 {
			j.pushViolated(p, []*pushlog.Record{p.made, end}, "ended by attempt %d, which nobody had won", end.Attempt)
		}
	}
	if last := len(p.ends) - 1; last >= 0 && !p.open() && p.latest != nil && p.latest.Attempt > p.ends[last].Attempt {
		j.pushViolated(p, []*pushlog.Record{p.ends[last], p.latest}, "ended by attempt %d, though attempt %d was won", p.ends[last].Attempt, p.latest.Attempt)
	}
}

// endsOnce: there is an end, and only a replay leads from one to another.
func (j *judge) endsOnce(p *push) {
	if p.open() {
		trace := []*pushlog.Record{p.made}
		if len(p.records) > 1 {
			trace = append(trace, p.records[len(p.records)-1])
		}
		j.pushViolated(p, trace, "no end: neither a success nor a dead letter")
	}
	for i := 1; i < len(p.ends); i++ {
		before, end := p.ends[i-1], p.ends[i]
		switch {
		case before.Event == pushlog.Dead && before.Attempt < end.Attempt && p.replayed[before.Attempt]:
		case before.Event != end.Event:
			j.pushViolated(p, []*pushlog.Record{before, end}, "both a success and a dead letter")
		default:
			j.pushViolated(p, []*pushlog.Record{before, end}, "ended twice, by the attempts %d and %d", before.Attempt, end.Attempt)
		}
	}
}

// endsTruly: an end is what the endpoint answered, and, where receivers keep a log
// too, what they know of it.
func (j *judge) endsTruly(p *push, received bool) {
	got := p.of(pushlog.Received, 0)
	for _, end := range p.ends {
		answers := p.of(pushlog.Answered, end.Attempt)
		ok := slices.ContainsFunc(answers, func(r *pushlog.Record) bool { return r.Status/100 == 2 })
		switch {
		case end.Event == pushlog.Done && !ok:
			j.pushViolated(p, append(answers, end), "a success that the endpoint had not answered")
		case end.Event == pushlog.Dead && ok:
			j.pushViolated(p, append(answers, end), "a dead letter, though the endpoint had answered a success")
		case end.Event == pushlog.Done && received && len(got) == 0:
			j.pushViolated(p, []*pushlog.Record{p.made, end}, "a success that its receiver knows nothing of")
		}
	}
	if len(got) > len(p.leased) {
		j.pushViolated(p, got, "received %d times in %d attempts", len(got), len(p.leased))
	}
}

// pushViolated notes a violation of a job, with the lines of the log that show it.
func (j *judge) pushViolated(p *push, records []*pushlog.Record, format string, args ...any) {
	conv, seq := chat.ConvID(""), chat.Seq(0)
	if p.made != nil {
		conv, seq = p.made.Conv, p.made.Seq
	}
	var trace []string
	for _, r := range records {
		trace = append(trace, pushLine(r))
	}
	j.violated(conv, seq, trace, "push %s: %s", p.job, fmt.Sprintf(format, args...))
}

// pushLine is a record as traces show it.
func pushLine(r *pushlog.Record) string {
	line := fmt.Sprintf("%s  push %s  %s", r.Time.Format("15:04:05.000"), r.Job, r.Event)
	if r.Event == pushlog.New {
		line += fmt.Sprintf(" %s seq %d to %s", r.Conv, r.Seq, r.To)
	}
	if r.Attempt != 0 {
		line += fmt.Sprintf(" attempt %d", r.Attempt)
	}
	if r.Worker != "" {
		line += " by " + r.Worker
	}
	if r.Event == pushlog.Answered {
		line += fmt.Sprintf(" %d", r.Status)
	}
	if r.Reason != "" {
		line += ": " + r.Reason
	}
	return line
}

// pushPoll is how often a push log is looked at while pushes are under way.
const pushPoll = 500 * time.Millisecond

// pushes reads a push log when all pushes of the run's conversations have ended, at
// the latest when ctx ends. A file that is there and cannot be read is an error.
func pushes(ctx context.Context, path string, convs map[chat.ConvID]*Conv) ([]pushlog.Record, error) {
	tick := time.NewTicker(pushPoll)
	defer tick.Stop()
	for {
		log, err := readPushLog(path)
		waiting := err != nil // a last line that is being written
		for _, p := range pushesOf(log) {
			waiting = waiting || p.made != nil && convs[p.made.Conv] != nil && p.open()
		}
		if !waiting {
			return log, nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return log, err
		}
	}
}

func readPushLog(path string) ([]pushlog.Record, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("open push log: %w", err)
	}
	defer f.Close()
	return pushlog.Read(f)
}
