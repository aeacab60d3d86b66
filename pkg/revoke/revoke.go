// Package revoke is the list of tokens that are good by themselves and are not
// taken any more: single ones, those of a user that were issued before a time, and
// all of a user who is banned. It stands behind step 2 of a message's way, where it
// is fixed who speaks.
//
// A [List] is read from the store when a pod starts, which is when the pod begins to
// know anybody, and is kept in step from then on by asking for what has changed. If
// the store is away, what is known stays in force, and what is revoked meanwhile
// (nobody can: that is a write) does not exist.
package revoke

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/parley-chat/parley/pkg/auth"
	"github.com/parley-chat/parley/pkg/chat"
	"github.com/parley-chat/parley/pkg/mutant"
	"github.com/parley-chat/parley/pkg/store"
)

// The times of a [List].
const (
	// Every is how often the store is asked for changes.
	Every = 2 * time.Second
	// settle is how far a look goes back: longer than any write takes, and than the
	// clocks of two primaries may differ.
	settle = time.Minute
	// whole is how often everything is read, and what has ended is removed.
	whole = time.Hour
	// pause lies between two looks that were asked for, so that a thousand
	// announcements are not a thousand reads.
	pause = 100 * time.Millisecond
	// patience bounds one read of what has changed, and wholePatience one of everything:
	// [Most] entries are some 40 MB.
	patience      = 5 * time.Second
	wholePatience = 30 * time.Second
	// wholeAgain is when everything is read after that has failed.
	wholeAgain = time.Minute
	// KeepLifted is how long a store keeps that something was lifted, for lists to see it.
	KeepLifted = 24 * time.Hour
	// lapse is after how long without a read a list may have missed that.
	lapse = KeepLifted / 2
)

// Most is how many entries there may be: about 150 bytes each, on every pod. Where
// there are more, [List.Full] says so, and none but bans are to be added.
const Most = 250_000

// Mark stands for the id ("jti") of a token: 64 bits of its hash, so that a session
// can keep it. 0: the token has none.
type Mark uint64

// MarkOf is the mark of a token's id.
func MarkOf(id string) Mark {
	if id == "" {
		return 0
	}
	m, _ := parseMark(Name(id))
	return m
}

// Name is what a token's id is called in the store: its mark, in hexadecimal. Ids are
// any text, and names are not.
func Name(id string) string {
	sum := sha256.Sum256([]byte(id))
	return hex.EncodeToString(sum[:8])
}

func parseMark(name string) (Mark, bool) {
	b, err := hex.DecodeString(name)
	if err != nil || len(b) != 8 {
		return 0, false
	}
	var m Mark
	for _, c := range b {
		m = m<<8 | Mark(c)
	}
	return m, true
}

// Token is what must be known of a token to find it on the list.
type Token struct {
	NS     chat.NS
	User   chat.User
	Mark   Mark
	Issued time.Time // zero: the token does not say, and counts as older than any
}

// TokenOf is a verified token's.
func TokenOf(id auth.Identity) Token {
	return Token{NS: id.NS, User: id.User, Mark: MarkOf(id.ID), Issued: id.IssuedAt}
}

// Options configure a [List]. Store must be set.
type Options struct {
	Store   store.Revocations
	Changed func()           // called when something new is on the list; must not block. Default: nobody is told
	Now     func() time.Time // for what ends; default time.Now
	Log     *slog.Logger     // default: discards
}

type tokenKey struct {
	ns   chat.NS
	mark Mark
}

type userKey struct {
	ns   chat.NS
	user chat.User
}

// List is the list. Make it with [New], fill it with [List.Load], keep it in step with
// [List.Run]. All methods may be called concurrently.
type List struct {
	opts Options
	look chan struct{} // holds at most one wish

	mu     sync.RWMutex
	tokens map[tokenKey]time.Time // until when
	users  map[userKey]store.Revocation
	bans   map[userKey]store.Revocation
	read   time.Time // when the last read of the store began; zero: none has succeeded

	// Owned by whoever reads: Load, then Run.
	seen   time.Time // latest change that was seen, by the store's clock
	grown  time.Time // when that was
	full   time.Time // when everything was read
	lapsed bool      // what was lifted since then may have been missed
}

// New makes an empty list.
func New(o Options) *List {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Changed == nil {
		o.Changed = func() {}
	}
	l := &List{opts: o, look: make(chan struct{}, 1)}
	l.clear()
	return l
}

// clear is called with mu held, or before anybody knows the list.
func (l *List) clear() {
	l.tokens = map[tokenKey]time.Time{}
	l.users = map[userKey]store.Revocation{}
	l.bans = map[userKey]store.Revocation{}
}

// Load reads everything. Until it has succeeded nobody may be let in: a pod does not
// begin with an empty list because its store is away. What is known already stays to its
// own end, or until it is lifted, though the store may not have it: it may be that of a
// primary that is behind, or of a backup. Only after a time without any read, in which
// something may have been lifted and forgotten, it counts what the store has.
func (l *List) Load(ctx context.Context) error {
	begun := l.opts.Now()
	all, err := l.opts.Store.Revocations(ctx, time.Time{})
	if err != nil {
		return fmt.Errorf("read revocations: %w", err)
	}
	l.mu.Lock()
	l.noteLapse(begun)
	if l.lapsed {
		l.clear()
	} else {
		l.dropEndedLocked()
	}
	l.takeLocked(all)
	l.read = begun
	l.mu.Unlock()
	l.full, l.grown, l.lapsed = begun, begun, false
	l.noteSeen(all)
	return nil
}

// Run keeps the list in step until ctx ends.
func (l *List) Run(ctx context.Context) {
	between := Every
	if mutant.Is(mutant.RevokeCached) {
		between *= 5
	}
	every := time.NewTicker(between)
	defer every.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-every.C:
			if mutant.Is(mutant.RevokeByBusAlone) {
				continue
			}
		case <-l.look:
		}
		if err := l.refresh(ctx); err != nil && ctx.Err() == nil {
			l.opts.Log.Warn("revocations cannot be read now: what is known stays in force", "error", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(pause):
		}
	}
}

// Look has the list brought up to date at once, by Run. It does not block.
func (l *List) Look() {
	select {
	case l.look <- struct{}{}:
	default: // somebody wishes the same
	}
}

// refresh reads what has changed, and once in a while everything. What has changed
// comes first, and goes on where everything cannot be read in time.
func (l *List) refresh(ctx context.Context) error {
	if err := l.changes(ctx); err != nil {
		return err
	}
	now := l.opts.Now()
	if now.Sub(l.full) < whole {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, wholePatience)
	defer cancel()
	if err := l.Load(ctx); err != nil {
		l.full = now.Add(wholeAgain - whole)
		return err
	}
	l.opts.Changed()
	if err := l.opts.Store.DropRevocations(ctx, now); err != nil {
		return fmt.Errorf("drop revocations: %w", err)
	}
	return nil
}

// changes reads what has changed.
func (l *List) changes(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	now := l.opts.Now()
	changed, err := l.opts.Store.Revocations(ctx, l.since(now))
	if err != nil {
		return fmt.Errorf("read revocations: %w", err)
	}
	l.mu.Lock()
	l.noteLapse(now)
	added := l.takeLocked(changed)
	l.read = now
	l.mu.Unlock()
	l.noteSeen(changed)
	if added {
		l.opts.Changed()
	}
	return nil
}

// noteLapse is called with mu held, by whoever reads, before the time of that is noted.
func (l *List) noteLapse(now time.Time) {
	l.lapsed = l.lapsed || now.Sub(l.read) > lapse
}

// dropEndedLocked forgets what means nothing any more.
func (l *List) dropEndedLocked() {
	maps.DeleteFunc(l.tokens, func(_ tokenKey, until time.Time) bool { return !l.lasts(until) })
	for _, m := range []map[userKey]store.Revocation{l.users, l.bans} {
		maps.DeleteFunc(m, func(_ userKey, r store.Revocation) bool { return !l.lasts(r.Until) })
	}
}

// since is where the next look begins. A write shows the time at which it began, so
// one that is older than the latest that was seen may become visible after it; once
// nothing has come for long enough, none can.
func (l *List) since(now time.Time) time.Time {
	if l.seen.IsZero() || now.Sub(l.grown) >= 2*settle {
		return l.seen
	}
	return l.seen.Add(-settle)
}

func (l *List) noteSeen(list []store.Revocation) {
	for _, r := range list {
		if r.Changed.After(l.seen) {
			l.seen, l.grown = r.Changed, l.opts.Now()
		}
	}
}

// takeLocked puts what the store has onto the list, and says whether anything of it
// is news that somebody may have to hear.
func (l *List) takeLocked(list []store.Revocation) (added bool) {
	for _, r := range list {
		u := userKey{r.NS, chat.User(r.Name)}
		switch r.Kind {
		case store.RevokedToken:
			mark, ok := parseMark(r.Name)
			k := tokenKey{r.NS, mark}
			old, known := l.tokens[k]
			if ok && r.On && l.lasts(r.Until) && (!known || !old.Equal(store.LaterEnd(old, r.Until))) {
				l.tokens[k] = r.Until
				added = true
			}
		case store.RevokedUser:
			added = l.replace(l.users, u, r) || added
		case store.RevokedBan:
			added = l.replace(l.bans, u, r) || added
		}
	}
	return added
}

func (l *List) replace(m map[userKey]store.Revocation, u userKey, r store.Revocation) (added bool) {
	old, known := m[u]
	if known {
		r = r.Join(old)
	}
	switch {
	case known && old.Version == r.Version && old.Until.Equal(r.Until):
		return false
	case !r.On || !l.lasts(r.Until):
		delete(m, u)
		return false
	}
	m[u] = r
	return true
}

// Check says whether a token is still taken: nil, or an [*auth.Error]. It does not
// block.
func (l *List) Check(t Token) error {
	l.mu.RLock()
	defer l.mu.RUnlock()
	u := userKey{t.NS, t.User}
	if ban, ok := l.bans[u]; ok && l.lasts(ban.Until) {
		return &auth.Error{Reason: auth.ReasonBanned}
	}
	if r, ok := l.users[u]; ok && t.Issued.Before(r.Before) && l.lasts(r.Until) {
		return &auth.Error{Reason: auth.ReasonRevoked}
	}
	if until, ok := l.tokens[tokenKey{t.NS, t.Mark}]; ok && t.Mark != 0 && l.lasts(until) {
		return &auth.Error{Reason: auth.ReasonRevoked}
	}
	return nil
}

func (l *List) lasts(until time.Time) bool { return until.IsZero() || until.After(l.opts.Now()) }

// LastsUntil is until when tokens of a user are revoked that were issued before a time;
// zero: none are. It does not block.
func (l *List) LastsUntil(ns chat.NS, user chat.User) time.Time {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return l.users[userKey{ns, user}].Until
}

// Full reports whether there are as many entries as there may be.
func (l *List) Full() bool {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return len(l.tokens)+len(l.users)+len(l.bans) >= Most
}

// Stats is what operators see of a list.
type Stats struct {
	Entries int
	Age     time.Duration // since the store was last read: more than a few seconds means that it is away
}

// Stats returns the present counts; it does not block.
func (l *List) Stats() Stats {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return Stats{Entries: len(l.tokens) + len(l.users) + len(l.bans), Age: l.opts.Now().Sub(l.read)}
}

// Bans lists who is banned in a tenant, in order of user after the one given, at
// most limit.
func (l *List) Bans(ns chat.NS, after chat.User, limit int) []store.Revocation {
	l.mu.RLock()
	defer l.mu.RUnlock()
	var list []store.Revocation
	for u, r := range l.bans {
		if u.ns == ns && u.user > after && l.lasts(r.Until) {
			list = append(list, r)
		}
	}
	slices.SortFunc(list, func(a, b store.Revocation) int { return strings.Compare(a.Name, b.Name) })
	return list[:min(limit, len(list))]
}

// Verifier turns a token into an identity; an [*auth.Verifier] is one.
type Verifier interface {
	Verify(token string) (auth.Identity, error)
}

// Guard is a verifier that refuses what is on the list, too. Where v counts tokens,
// these are counted as refused.
func (l *List) Guard(v Verifier) Verifier {
	if c, ok := v.(auth.Counted); ok {
		return c.Within(func(v auth.TokenVerifier) auth.TokenVerifier { return guarded{v, l} })
	}
	return guarded{v, l}
}

type guarded struct {
	Verifier
	list *List
}

// Verify implements [Verifier].
func (g guarded) Verify(token string) (auth.Identity, error) {
	id, err := g.Verifier.Verify(token)
	if err == nil {
		err = g.list.Check(TokenOf(id))
	}
	if err != nil {
		return auth.Identity{}, err
	}
	return id, nil
}
