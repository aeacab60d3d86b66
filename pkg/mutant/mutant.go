// Package mutant keeps the defects that Parley's proofs must find. Each is one
// line beside the code that it breaks; a test builds the program with them,
// switches on one after the other, and expects that the model, a fault test or
// `parley verify` catches it. A proof that no defect can fail proves nothing.
//
// Only a program that was built with the tag mutants has any of them. In every
// other one [Is] is a constant false: the compiler removes the lines, and no
// environment can bring them back.
package mutant

// Env names the variable that switches a mutant on. It is read once, and only by
// programs that were built with the tag mutants. A name that is none ends the
// process with exit code 2.
const Env = "PARLEY_MUTANT"

// Name names a mutant.
type Name string

// The mutants, and which promise each breaks.
const (
	// AckBeforeStore answers a send when it is about to be stored.
	AckBeforeStore Name = "ack-before-store"
	// AnnounceBeforeStore shows an entry to sessions when it is about to be stored.
	AnnounceBeforeStore Name = "announce-before-store"
	// ReadOnWrite takes an entry that was queued for a socket for one that the
	// device has, and tells so: receipts without a recv.
	ReadOnWrite Name = "read-on-write"
	// NoDirtyFlag lets a session go live although entries above its cursor were
	// announced while it read.
	NoDirtyFlag Name = "no-dirty-flag"
	// RestUnchecked is the same for a session that has everything at once: it waits
	// for the next entry although there is one already.
	RestUnchecked Name = "rest-unchecked"
	// NoCMIDIndex stores an entry under a cmid that its sender has used.
	NoCMIDIndex Name = "no-cmid-index"
	// LocalRead reads the tail of a log from data that can still be rolled back.
	LocalRead Name = "local-read"
	// NoFinish hands on entries that another pod stored and did not finish: a dup
	// ack, for instance, for a message that no head knows.
	NoFinish Name = "no-finish"
	// DropWithoutResync leaves out an entry that a full queue does not take, and
	// goes on behind it.
	DropWithoutResync Name = "drop-without-resync"
	// FlushDeletes takes what was flushed off a device's list before the device has
	// said recv.
	FlushDeletes Name = "flush-deletes"

	// IgnoreJump does not read a pod's journal where its numbers jump.
	IgnoreJump Name = "ignore-jump"
	// IgnoreDigest takes for heard what a pod says that it sent to users of this one.
	IgnoreDigest Name = "ignore-digest"
	// IgnoreKick leaves a device the session that it has on another pod.
	IgnoreKick Name = "ignore-kick"
	// RemovalKeepsStream lets the stream of a removed member go on.
	RemovalKeepsStream Name = "removal-keeps-stream"
	// SettleEarly calls a journal number settled while its document is still being
	// written: readers take it for void.
	SettleEarly Name = "settle-early"
	// ReadAboveHead flushes entries that are stored and not finished.
	ReadAboveHead Name = "read-above-head"
	// TellBeforeStored tells a receipt that is about to be stored.
	TellBeforeStored Name = "tell-before-stored"
	// Overtake takes a sender's next message although an earlier one has no answer
	// yet.
	Overtake Name = "overtake"
	// StaleJudge judges a command that lost a race by the state before it.
	StaleJudge Name = "stale-judge"
	// AckWithoutLease acks although the pod's lease may have run out, and its journal
	// been read to its end.
	AckWithoutLease Name = "ack-without-lease"
	// AheadAlone lets a session that read further than what was announced keep that
	// to itself.
	AheadAlone Name = "ahead-alone"
	// ForeignEpoch takes announcements of another life of the data.
	ForeignEpoch Name = "foreign-epoch"

	// JobUnfenced keeps what a worker saves after another one has claimed its job.
	JobUnfenced Name = "job-unfenced"
	// ResolveUnfenced decides about a job whatever has become of it since it was looked
	// at.
	ResolveUnfenced Name = "resolve-unfenced"
	// LeaseNotRenewed saves progress, and lets the lease end all the same.
	LeaseNotRenewed Name = "lease-not-renewed"
	// LeaseUnchecked lets a step go on when the lease is over.
	LeaseUnchecked Name = "lease-unchecked"
	// ProgressEarly counts messages of a broadcast that are about to be stored.
	ProgressEarly Name = "progress-early"
	// ErasedUnindexed goes on with an erasure although texts are still in the search
	// index.
	ErasedUnindexed Name = "erased-unindexed"
	// DeadForgets drops what a job was to do when it is given up.
	DeadForgets Name = "dead-forgets"
	// RevokeByBusAlone hears of revocations over the bus, or not at all.
	RevokeByBusAlone Name = "revoke-by-bus-alone"
	// RevokeCached goes by a list of revocations for 10 s.
	RevokeCached Name = "revoke-cached"
	// RevokedStays refuses a revoked token, and leaves the sessions that came with it.
	RevokedStays Name = "revoked-stays"
)

// All lists the mutants.
func All() []Name {
	return []Name{AckBeforeStore, AnnounceBeforeStore, ReadOnWrite, NoDirtyFlag, RestUnchecked, NoCMIDIndex, LocalRead, NoFinish,
		DropWithoutResync, FlushDeletes, IgnoreJump, IgnoreDigest, IgnoreKick, RemovalKeepsStream, SettleEarly, ReadAboveHead,
		TellBeforeStored, Overtake, StaleJudge, AckWithoutLease, AheadAlone, ForeignEpoch, JobUnfenced, ResolveUnfenced, LeaseNotRenewed, LeaseUnchecked, ProgressEarly, ErasedUnindexed,
		DeadForgets, RevokeByBusAlone, RevokeCached, RevokedStays}
}
