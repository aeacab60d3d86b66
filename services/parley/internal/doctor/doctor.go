// Package doctor looks at what a Parley deployment needs and says what is wrong, and
// what to do about it. It reads: it changes nothing, unless it is asked to try a
// write, and needs no more rights than a gateway has.
//
// What is found is looked at by pure functions (the names that begin with judge), so
// that states which no test can bring about are tested too.
package doctor

import (
	"context"
	"fmt"
	"time"
)

// Status is the outcome of one check.
type Status string

// The outcomes.
const (
	OK   Status = "ok"
	Warn Status = "warn" // it works, and will hurt
	Fail Status = "fail" // it does not work, or is not safe
)

// Result is what one check found. No text contains a secret.
type Result struct {
	Check   string  `json:"check"`
	Status  Status  `json:"status"`
	Found   string  `json:"found"`
	Do      string  `json:"do,omitempty"` // what next; "" where all is well
	Seconds float64 `json:"seconds"`
}

// Report is all results.
type Report struct {
	Service string   `json:"service"` // as which the settings were looked at
	Status  Status   `json:"status"`  // the worst
	Results []Result `json:"results"`
}

// ExitCode is 0 if all is well, 1 with warnings, 2 with failures.
func (r *Report) ExitCode() int {
	return map[Status]int{OK: 0, Warn: 1, Fail: 2}[r.Status]
}

// findings collects the results of one check.
type findings struct {
	check string
	list  []Result
}

func (f *findings) add(s Status, do, format string, args ...any) {
	f.list = append(f.list, Result{Check: f.check, Status: s, Found: fmt.Sprintf(format, args...), Do: do})
}

func (f *findings) ok(format string, args ...any) { f.add(OK, "", format, args...) }

func (f *findings) warn(do, format string, args ...any) { f.add(Warn, do, format, args...) }

func (f *findings) fail(do, format string, args ...any) { f.add(Fail, do, format, args...) }

// check is one of the things that are looked at.
type check struct {
	name string
	run  func(ctx context.Context, f *findings)
}

// Run checks everything that the settings speak of, one after the other, and gives
// each check at most s.Timeout. It blocks until all are done; when ctx ends, the
// rest fails at once.
func Run(ctx context.Context, s *Settings) *Report {
	r := &Report{Service: s.As, Status: OK}
	e := &examination{s: s}
	for _, c := range e.checks() {
		for _, x := range c.results(ctx, s.Timeout) {
			if worse(x.Status, r.Status) {
				r.Status = x.Status
			}
			r.Results = append(r.Results, x)
		}
	}
	return r
}

// results runs a check, for a time.
func (c check) results(ctx context.Context, most time.Duration) []Result {
	f := &findings{check: c.name}
	begun := time.Now()
	ctx, cancel := context.WithTimeout(ctx, most)
	defer cancel()
	c.run(ctx, f)
	for i := range f.list {
		f.list[i].Seconds = time.Since(begun).Seconds()
	}
	return f.list
}

func worse(a, b Status) bool {
	rank := map[Status]int{OK: 0, Warn: 1, Fail: 2}
	return rank[a] > rank[b]
}

// examination is one run, with what later checks need of earlier ones.
type examination struct {
	s       *Settings
	cluster string // of the data; "": not known
	busAway bool
	unread  bool     // the data could not be read, so what they would say is not known
	pods    []string // that are registered in the data and alive
}

// checks are those that the settings ask for.
func (e *examination) checks() []check {
	list := []check{{"configuration", e.configuration}, {"tokens", e.tokens}, {"origins", e.origins}}
	if e.s.Mongo.URI != "" {
		list = append(list, check{"mongodb", e.mongo})
	}
	if e.s.Mongo.URI == "" && e.s.As == AllInOne {
		list = append(list, check{"data folder", e.data})
	}
	if e.s.NATS.URL != "" {
		list = append(list, check{"nats", e.nats}, check{"pods", e.others})
	}
	if e.s.TLS.CertFile != "" && e.s.TLS.KeyFile != "" {
		list = append(list, check{"tls", e.tls})
	}
	return append(list, check{"ports", e.ports}, check{"files", e.files}, check{"memory", e.memory})
}
