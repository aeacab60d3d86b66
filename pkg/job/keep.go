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
	Above int64       `json:"above,omitzero"` // the version of what was decided before
}

// Policy is what the conversation gets. Its version follows from the store's clock when
// the job was made, so of two decisions the later one stays whatever pods took them.
func (k *Keep) Policy(created time.Time) chat.Keep {
	return chat.Keep{Version: max(k.Above+1, created.UnixMilli()), Hours: k.Hours}
}

// KeepProgress is what a [KindKeep] is about to take away; no Floor: nothing. It is saved
// before the floor is raised, so that whoever goes on knows what is below it.
type KeepProgress struct {
	Conv   chat.ConvID `json:"conv,omitempty"` // for who looks at the job
	Floor  chat.Seq    `json:"floor,omitzero"`
	Raised bool        `json:"raised,omitzero"`
	Next   chat.Seq    `json:"next,omitzero"` // everything below is taken away
}
