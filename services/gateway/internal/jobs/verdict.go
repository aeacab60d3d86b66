package jobs

import (
	"errors"
	"time"

	"github.com/parley-chat/parley/pkg/chat"
	"github.com/parley-chat/parley/services/gateway/internal/contain"
)

// ladder is how long a job waits after its first failure, its second, and so on.
var ladder = [...]time.Duration{
	0, 5 * time.Second, 10 * time.Second, 30 * time.Second, time.Minute, 5 * time.Minute,
	30 * time.Minute, 2 * time.Hour, 5 * time.Hour, 10 * time.Hour,
}

// MaxTries is after how many failures in a row a job is given up: the last one comes
// about 18 hours after the first.
const MaxTries = len(ladder) + 1

// Delay is the pause after so many failures in a row (≥ 1). spread, in [0, 1), moves
// it by up to a fifth either way, so that what failed together is not tried together.
func Delay(failures int, spread float64) time.Duration {
	d := ladder[min(max(failures, 1), len(ladder))-1]
	return time.Duration(float64(d) * (0.8 + 0.4*spread))
}

// final says that trying again would end the same, and why a step failed in words
// that are safe to show.
func final(err error) (bool, string) {
	e := chat.AsError(err)
	var told *chat.Error
	switch {
	case errors.Is(err, contain.ErrPanicked):
		return false, "something went wrong in it; the log of the pod that did it says what"
	case !errors.As(err, &told):
		return false, "something did not answer"
	}
	switch e.Code {
	case chat.CodeUnavailable, chat.CodeInternal, chat.CodeRateLimited:
		return false, e.Error()
	}
	return true, e.Error()
}
