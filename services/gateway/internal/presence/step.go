package presence

import "time"

// step does what is due.
func (t *Tracker) step(now time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for len(t.asking) > 0 && !t.asking[0].at.After(now) {
		s := t.asking[0].s
		t.asking = t.asking[1:]
		if s.index >= 0 && !s.ready && !t.onlineLocked(s) {
			t.lookLocked(s)
		}
	}
	for len(t.checking) > 0 && !t.checking[0].at.After(now) {
		s := t.checking[0].s
		t.checking = t.checking[1:]
		t.checkLocked(s, now)
	}
	for len(t.leaving) > 0 && !t.leaving[0].at.After(now) {
		d := t.leaving[0]
		t.leaving = t.leaving[1:]
		if d.s.index >= 0 && d.s.offAt.Equal(d.at) && !t.onlineLocked(d.s) {
			d.s.offAt = time.Time{}
			t.wentLocked(d.s)
		}
	}
	t.deliverLocked()
	if now.Sub(t.swept) >= t.opts.Batch {
		t.swept = now
		t.typeLocked(now)
		t.passLocked(now)
		t.hushSweepLocked(now)
		t.readBlocksLocked()
	}
	if now.Sub(t.sent) < t.opts.Batch {
		return
	}
	if !t.out.empty() || now.Sub(t.sent) >= t.opts.Beat {
		t.publishLocked(now)
	}
}

// wentLocked tells that a subject is offline. When it was last here is known from
// whoever said so; else it is read.
func (t *Tracker) wentLocked(s *subject) {
	if s.seen.IsZero() {
		t.lookLocked(s)
		return
	}
	t.tellLocked(s, false)
}

// checkLocked removes the pods that were asked about a subject, have been heard
// since, and have not said that the user is there.
func (t *Tracker) checkLocked(s *subject, now time.Time) {
	if s.index < 0 {
		return
	}
	for id, confirmed := range s.pods {
		p := t.peers[id]
		if confirmed.Before(s.asked) && (p == nil || p.heard.Sub(s.asked) > 3*t.opts.Batch) {
			delete(s.pods, id)
		}
	}
	t.judgeLocked(s, now)
}

// passLocked asks again about some of those who are watched.
func (t *Tracker) passLocked(now time.Time) {
	if len(t.peers) == 0 || len(t.order) == 0 {
		return
	}
	t.credit += float64(len(t.order)) * float64(t.opts.Batch) / float64(t.opts.Pass)
	n := min(perPass, int(t.credit))
	t.credit = min(perPass, t.credit-float64(n))
	if t.hurry > 0 {
		n = min(16*perPass, t.hurry)
		t.hurry -= n
	}
	for range min(n, len(t.order)) {
		if t.passed >= len(t.order) {
			t.passed = 0
		}
		t.askLocked(t.order[t.passed], now)
		t.passed++
	}
}

// deliverLocked queues what has to be told. A session whose queue is full keeps its
// dirty subjects, each once, and gets their latest state when there is room.
func (t *Tracker) deliverLocked() {
	for w, watch := range t.dirty {
		for s := range watch.dirty {
			if !t.tryLocked(w, watch.frameOf(s)) {
				break
			}
			delete(watch.dirty, s)
		}
		if len(watch.dirty) == 0 {
			delete(t.dirty, w)
		}
	}
}
