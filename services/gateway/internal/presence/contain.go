package presence

import "context"

// contain does a part of the work, which must leave the tracker in order wherever it
// breaks.
func (t *Tracker) contain(what string, do func()) {
	_ = t.panics.Do(t.opts.Log, what, func() error {
		do()
		return nil
	})
}

// askStoreLocked calls the store without the lock, which is held again when it returns,
// or breaks: that is an error of the store's.
func (t *Tracker) askStoreLocked(ask func(ctx context.Context) error) error {
	t.mu.Unlock()
	defer t.mu.Lock()
	ctx, cancel := context.WithTimeout(context.Background(), opTime)
	defer cancel()
	return t.panics.Do(t.opts.Log, "a question of presence", func() error { return ask(ctx) })
}

// tryLocked queues a frame for a session. One that breaks had no room: the frame stays
// marked, and is tried again.
func (t *Tracker) tryLocked(w Watcher, frame []byte) (queued bool) {
	t.contain("a watcher", func() { queued = w.Try(frame) })
	return queued
}
