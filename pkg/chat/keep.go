package chat

import (
	"strconv"
	"time"
)

// Keep is for how long a conversation's content is kept. The zero value: nobody has
// decided, and it is kept for as long as the deployment keeps what nobody has decided on.
type Keep struct {
	Version int64 // of two the one with the larger stays, and of the same the longer
	Hours   int   // 0: for ever
	Default bool  // it was decided that nobody has decided any more; Hours is 0
}

// The bounds of [Keep] Hours, where they are not 0: one hour, and ten years.
const (
	MinKeep = 1
	MaxKeep = 10 * 365 * 24
)

// Below reports whether a conversation that has k takes o in its place.
func (k Keep) Below(o Keep) bool {
	if k.Version != o.Version || k.Hours != o.Hours {
		return k.Version < o.Version || k.Version == o.Version && k.Hours < o.Hours
	}
	return !k.Default && o.Default
}

// Decided reports whether k is a decision about the one conversation that has it, and
// not the deployment's.
func (k Keep) Decided() bool { return k.Version != 0 && !k.Default }

// For is Hours where k is Decided, and else those of the deployment.
func (k Keep) For(deployment int) int {
	if k.Decided() {
		return k.Hours
	}
	return deployment
}

// Duration is Hours as one; 0: for ever.
func (k Keep) Duration() time.Duration { return time.Duration(k.Hours) * time.Hour }

// KeepString is Hours as clients see them, "720h", or "" where everything is kept.
func KeepString(hours int) string {
	if hours == 0 {
		return ""
	}
	return strconv.Itoa(hours) + "h"
}

// ParseKeep reads Hours from whole hours ("720h") or days ("30d"); "": 0. ok is false
// where it is something else, or out of bounds.
func ParseKeep(s string) (hours int, ok bool) {
	if s == "" {
		return 0, true
	}
	n, err := strconv.ParseUint(s[:len(s)-1], 10, 31)
	if err != nil || s[0] < '1' || s[0] > '9' {
		return 0, false
	}
	switch s[len(s)-1] {
	case 'h':
	case 'd':
		n *= 24
	default:
		return 0, false
	}
	return int(n), n >= MinKeep && n <= MaxKeep
}
