package job

import (
	"time"

	"github.com/parley-chat/parley/pkg/chat"
)

// Keep is the payload of a [KindKeep]: somebody has decided for how long a conversation
// is kept. The job makes it so, and looks after it until somebody decides again.
type Keep struct {
	Conv  chat.ConvID `json:"conv"`
	Hours int         `json:"hours,omitzero"` // 0: for ever
	// Default: nobody has decided any more; Hours is 0.
	Default bool  `json:"default,omitzero"`
	Above   int64 `json:"above,omitzero"` // the version of what was decided before
}

// Policy is what the conversation gets. Its version follows from the store's clock when
// the job was made, so of two decisions the later one stays whatever pods took them.
func (k *Keep) Policy(created time.Time) chat.Keep {
	return chat.Keep{Version: max(k.Above+1, created.UnixMilli()), Hours: k.Hours, Default: k.Default}
}

// KeepProgress is what a [KindKeep] is about to take away; no Floor: nothing. It is saved
// before the floor is raised, so that whoever goes on knows what is below it.
type KeepProgress struct {
	Conv   chat.ConvID `json:"conv,omitempty"` // for who looks at the job
	Floor  chat.Seq    `json:"floor,omitzero"`
	Raised bool        `json:"raised,omitzero"`
	Next   chat.Seq    `json:"next,omitzero"` // everything below is taken away
}

// SweepProgress is how far the one [KindSweep] is, which looks after the conversations
// for which nobody has decided. Their order is the store's.
type SweepProgress struct {
	// NS and Conv are the last conversation of this round that is dealt with; empty: none.
	NS   chat.NS     `json:"ns,omitempty"`
	Conv chat.ConvID `json:"conv,omitempty"`
	Seen int64       `json:"seen,omitzero"` // how many that are
	// Taking is what is about to be taken away; nil: nothing.
	Taking *SweepTaking `json:"taking,omitzero"`
}

// Key is the conversation that NS and Conv name.
func (p *SweepProgress) Key() chat.Key { return chat.Key{NS: p.NS, Conv: p.Conv} }

// SweepTaking is one conversation that has content that is too old.
type SweepTaking struct {
	NS      chat.NS     `json:"ns"`
	Conv    chat.ConvID `json:"conv"`
	Version int64       `json:"version,omitzero"` // of its policy, which is that it has none
	Hours   int         `json:"hours"`            // for which the floor was found
	KeepProgress
}

// Key is the conversation that NS and Conv name.
func (t *SweepTaking) Key() chat.Key { return chat.Key{NS: t.NS, Conv: t.Conv} }

// Under is the policy that the conversation must still have when its floor is raised.
func (t *SweepTaking) Under() chat.Keep {
	return chat.Keep{Version: t.Version, Default: t.Version != 0}
}
