// Package store is the port between Parley and what keeps its data: the log of
// every conversation, who is in it, how far everybody has read, and the journal
// that repairs lost announcements. The contract is in the comments here, and
// storetest runs it against every implementation: memstore (tests), pebblestore
// (the all-in-one binary) and mongostore (production).
//
// Three rules hold for all of it.
//
//   - What a read returns is committed for good: it can not be rolled back
//     (MongoDB: readConcern majority, primary). A write that has returned success
//     is visible to every later read, but for the moment in which one primary takes
//     the place of another; see [Log.LookupLinearizable].
//   - An error from a write says nothing about the outcome, unless the method
//     says so: the write may have happened, may not have, or may happen later.
//     Every write can therefore be repeated without harm.
//   - Every method may block until its context ends and returns a wrapped error
//     then. Values that are passed in stay the caller's and are not changed;
//     values that are returned are the caller's, except the byte slices inside an
//     Entry, which nobody may change.
package store

import (
	"context"
	"errors"
	"io"
	"time"

	"github.com/parley-chat/parley/pkg/chat"
)

// ErrNotFound says that a single thing that was asked for is not there.
var ErrNotFound = errors.New("not found")

// Store is everything. Users of a store name the part that they need.
type Store interface {
	Log
	Conversations
	Cursors
	Devices
	Blocks
	Settings
	Attachments
	Retention
	Jobs
	Revocations
	Journal
	Pods
	Meta
	io.Closer
}

// Outcome is what became of one entry of an append.
type Outcome uint8

// The outcomes.
const (
	// NotTried: this append did not store the entry and never will, because an
	// earlier entry of the same conversation was not stored.
	NotTried Outcome = iota
	// Stored: committed for good, by this call.
	Stored
	// Duplicate: a unique index refused the entry: its (conv, seq) or its (conv,
	// from, cmid) is taken. Who took it may not be visible to reads yet.
	Duplicate
	// Unknown: it may be stored, may become so after this call has returned, or
	// may never be.
	Unknown
)

// Batch is what one flush appends and finishes.
type Batch struct {
	// Entries, those of one conversation adjacent and with seqs that follow on one
	// another. For each conversation the first seq must be one above a seq that is
	// known to be committed for good (or 1): so holes cannot arise.
	Entries []chat.Entry
	// Journal is the place of this batch in the finisher's journal.
	Journal JournalID
}

// JournalID names one document of a pod's journal. The zero value means none: a
// Finish with it writes no journal.
type JournalID struct {
	Pod    string
	Number uint64 // from the pod's first number up, each used once
	Epoch  string
}

// Appended is the result of [Log.Append].
type Appended struct {
	Outcomes []Outcome // one for each entry of the batch
	// Finished says that the stored entries are finished too, in the same atomic
	// write. Otherwise the caller must call Finish before it tells anybody.
	Finished bool
	// Err is the cause where an outcome is Unknown; else nil.
	Err error
}

// Log is the log of all conversations.
type Log interface {
	// Append stores new entries. Two unique indexes decide: (conv, seq) and (conv,
	// from, cmid). Inside a conversation entries are stored in order, and the
	// first that is not Stored ends it: those after it are NotTried (or Unknown if
	// it is). Conversations do not influence one another.
	Append(ctx context.Context, b Batch) Appended

	// Finish writes the effects of stored entries: folded into members, messages
	// and the conversation's title, preview and Last, in this order, and then a
	// journal document with one line an entry. Folds are fenced by seq: the first
	// Finish of a conversation's entries comes in order of seq (whoever appends
	// finishes what is above the head before), and repeats may come late,
	// concurrently and out of order. A journal document that is already there
	// counts as written, and a conversation whose document is missing is not made.
	// The effects of one entry are:
	//
	//	any       Conversation.Last to the entry's running values, if its Seq is larger
	//	message   Preview, if larger
	//	members   role, joined, left of each user named, where AsOf < Seq (a member
	//	          document is made if there is none); title, where older; closed, once
	//	edited    the message's Edited fold, where older, and so Preview.Edit if the
	//	          Preview is of that message and not blanked
	//	recalled  the message's Recalled fold, once, and for good whatever is
	//	          finished after it; the bodies of the message, of
	//	          the edit entries that target it and of its Edited fold are blanked
	//	          (Gone), and so is the conversation's Preview if it shows it, which then
	//	          has no Edit
	//	reacted   the user's reaction with that emoji, where older
	Finish(ctx context.Context, b Batch) error

	// Entries reads a range of one log, ascending whatever r.Desc says.
	// Bodies are as first stored, or nil with Gone set.
	Entries(ctx context.Context, key chat.Key, r Range) ([]chat.Entry, error)

	// EntriesBy reads all entries that a user wrote in one log, ascending, if there are
	// at most limit (≥ 1), and the store can find them without reading the log. all is
	// false, and nothing is returned, where it is not so: then Entries has to do.
	EntriesBy(ctx context.Context, key chat.Key, from chat.User, limit int) (list []chat.Entry, all bool, err error)

	// Lookup finds the entry that from wrote with cmid, or ErrNotFound. Not found
	// is not "not stored": another pod's entry may not be committed for good yet.
	Lookup(ctx context.Context, key chat.Key, from chat.User, cmid chat.CMID) (chat.Entry, error)

	// LookupLinearizable is Lookup for who is about to say for good that the entry is not
	// there. ErrNotFound means that it was in no index when this was called, whoever has
	// written it and whatever primary was asked before. Where an index has an entry that
	// is not committed for good yet, or the store cannot tell whether what it knows is the
	// latest, it waits, and returns another error in the end. An append that has not
	// reached the store may still store the entry. It costs more than Lookup.
	LookupLinearizable(ctx context.Context, key chat.Key, from chat.User, cmid chat.CMID) (chat.Entry, error)

	// Folds reads what later entries made of messages; messages that nothing
	// happened to are left out.
	Folds(ctx context.Context, key chat.Key, seqs []chat.Seq) (map[chat.Seq]Fold, error)
}

// Range selects seqs with After < seq < Before (Before 0: no upper end), at most
// Limit of them (required, ≥ 1): the lowest, or with Desc the highest.
type Range struct {
	After, Before chat.Seq
	Limit         int
	Desc          bool
}

// Fold is what edits, a recall and reactions made of a message.
type Fold struct {
	Edited    *Edited
	Edits     int // how many edits there were
	Recalled  *Recalled
	Reactions []Reaction // by emoji, then user; only those that are on
	// Withdrawn are reactions that were switched off again, in the same order. A store
	// keeps them to fence what is finished late, so they count in its bounds.
	Withdrawn []Reaction
}

// Edited is the latest edit of a message.
type Edited struct {
	Seq  chat.Seq
	Time time.Time
	Body []byte // nil if the message was recalled
}

// Recalled says that a message was taken back.
type Recalled struct {
	Seq  chat.Seq
	By   chat.User
	Time time.Time
}

// Reaction is one user's reaction to a message.
type Reaction struct {
	Emoji string
	User  chat.User
}

// Conversations is who talks where.
type Conversations interface {
	// Create makes a conversation: its members first, its own document last, so
	// that whoever finds the document finds the members. What is there already is
	// left as it is; that is success.
	Create(ctx context.Context, c chat.Conversation, members []chat.Member) error

	// ConversationsByKey reads some conversations, at most 500 keys; missing ones
	// are left out, the order is open.
	ConversationsByKey(ctx context.Context, keys []chat.Key) ([]chat.Conversation, error)

	// Members reads members of one conversation, those who left included: all in
	// order of user id after the user given, at most limit (≥ 1).
	Members(ctx context.Context, key chat.Key, after chat.User, limit int) ([]chat.Member, error)

	// MembersByUser reads the named users' relation to one conversation, at most
	// 500; missing ones are left out, the order is open.
	MembersByUser(ctx context.Context, key chat.Key, users []chat.User) ([]chat.Member, error)

	// Memberships reads all of one user's relations, those that ended included, in
	// order of conversation id after the one given, at most limit (≥ 1).
	Memberships(ctx context.Context, ns chat.NS, user chat.User, after chat.ConvID, limit int) ([]chat.Member, error)
}

// Move advances positions of one user in one conversation. Zero fields move
// nothing.
type Move struct {
	Key       chat.Key
	User      chat.User
	Device    chat.Device // whose Recv; must be set if Recv is, which may be below zero
	Recv      chat.Seq
	Read      chat.Seq
	ReadCount int64 // messages up to and including Read
	// Time is when the user or device was there, in whole milliseconds; zero: nobody
	// said so. It is kept with the furthest move that has one, see [chat.Member].ReadAt.
	Time time.Time
}

// Reached is what is kept after a move to seq, where old was: what is further, and of
// the same entry the earlier time.
func (m *Move) Reached(old chat.Reached, seq chat.Seq) chat.Reached {
	if seq <= 0 || m.Time.IsZero() || seq < old.Seq || seq == old.Seq && !m.Time.Before(old.Time) {
		return old
	}
	return chat.Reached{Seq: seq, Time: m.Time}
}

// Cursors is how far everybody is.
type Cursors interface {
	// Advance moves positions forward; one that is already further stays. It
	// returns the members after the moves, each once, order open; a move of
	// somebody who never was a member is left out. At most 500 moves.
	Advance(ctx context.Context, moves []Move) ([]chat.Member, error)
}

// DeviceInfo is a device that has connected.
type DeviceInfo struct {
	Device chat.Device
	Seen   time.Time
}

// Devices is which devices a user has.
type Devices interface {
	// Devices lists a user's devices, order open.
	Devices(ctx context.Context, ns chat.NS, user chat.User) ([]DeviceInfo, error)
	// TouchDevice writes down that a device was seen at a time; it never goes back.
	TouchDevice(ctx context.Context, ns chat.NS, user chat.User, d DeviceInfo) error
	// DropDevice forgets a device and its Recv in every conversation.
	DropDevice(ctx context.Context, ns chat.NS, user chat.User, device chat.Device) error
}

// JournalLine says that an entry was finished. Users names whom it concerns,
// for each entry of a direct conversation and each members entry, so that a pod
// can find sessions that do not know the conversation yet.
type JournalLine struct {
	Key   chat.Key
	Seq   chat.Seq
	Users []chat.User
}

// JournalDoc is one document of a pod's journal.
type JournalDoc struct {
	JournalID
	Time  time.Time // the store's or the writer's clock: for clean-up only
	Lines []JournalLine
}

// Journal is the outbox of every pod, written by [Log.Finish].
type Journal interface {
	// ReadJournal reads a pod's documents with numbers above after, ascending, at
	// most limit. Numbers may be missing: not written yet, or never.
	ReadJournal(ctx context.Context, pod string, after uint64, limit int) ([]JournalDoc, error)
	// TrimJournal removes a pod's documents with numbers below before.
	TrimJournal(ctx context.Context, pod string, before uint64) error
}

// Pod is a gateway's registration.
type Pod struct {
	ID    string
	Epoch string
	First uint64 // lowest number of its journal that may still be there
	// Settled is where the pod was when it registered last: every number below it
	// is written, or never will be.
	Settled uint64
	Until   time.Time // end of its lease, by the store's clock
}

// Pods is which gateways are alive.
type Pods interface {
	// Register makes or renews a pod's lease: Until becomes the store's time plus
	// lease, and a renewal replaces Epoch, First and
	// Settled. It returns ErrNotFound, and changes nothing, where the lease of an
	// existing registration has run out: the pod must take a new id.
	Register(ctx context.Context, p Pod, lease time.Duration) error
	// Pods lists all registrations and the store's present time.
	Pods(ctx context.Context) ([]Pod, time.Time, error)
	// Forget removes a registration and what is left of its journal.
	Forget(ctx context.Context, id string) error
}

// MetaInfo tells which data this is.
type MetaInfo struct {
	Cluster string // random, for ever; part of every NATS subject
	Epoch   string // random; a new one after each restore from a backup
}

// Meta is the identity of the data.
type Meta interface {
	// Meta reads the identity, and makes one if there is none.
	Meta(ctx context.Context) (MetaInfo, error)
	// NewEpoch replaces the epoch: a step of every restore.
	NewEpoch(ctx context.Context) (MetaInfo, error)
	// Ping asks for a sign of life.
	Ping(ctx context.Context) error
}
