//go:build failpoints

package failpoint

import (
	"errors"
	"os"
	"os/exec"
	"syscall"
	"testing"
)

// The test runs itself as the process that is to die.
func TestHit(t *testing.T) {
	if os.Getenv(Env) != "" {
		for range 3 {
			Hit("elsewhere")
			Hit("here")
		}
		os.Exit(0)
	}
	for value, dies := range map[string]bool{"here=3": true, "here=4": false, "nowhere=1": false} {
		child := exec.CommandContext(t.Context(), os.Args[0], "-test.run", "^TestHit$")
		child.Env = append(os.Environ(), Env+"="+value)
		err := child.Run()
		var exit *exec.ExitError
		killed := errors.As(err, &exit) && exit.Sys().(syscall.WaitStatus).Signal() == syscall.SIGKILL
		if killed != dies || !dies && err != nil {
			t.Errorf("%s: %v", value, err)
		}
	}
	child := exec.CommandContext(t.Context(), os.Args[0], "-test.run", "^TestHit$")
	child.Env = append(os.Environ(), Env+"=here")
	var exit *exec.ExitError
	if err := child.Run(); !errors.As(err, &exit) || exit.ExitCode() != 2 {
		t.Errorf("a value that is wrong: %v", err)
	}
}
