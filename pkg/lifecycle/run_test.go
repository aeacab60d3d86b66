package lifecycle

import (
	"context"
	"testing"
)

func TestRunEndsWithTheStack(t *testing.T) {
	var s Stack
	ended := false
	s.Run("part", func(ctx context.Context) {
		<-ctx.Done()
		ended = true
	})
	if err := s.Close(t.Context()); err != nil || !ended {
		t.Errorf("error %v, ended %v", err, ended)
	}
}
