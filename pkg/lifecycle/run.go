package lifecycle

import "context"

// Run starts part in a goroutine, whose context ends when the stack is closed. The
// cleanup waits until part has returned, which it must do soon.
func (s *Stack) Run(name string, part func(context.Context)) {
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		part(ctx)
	}()
	s.Add(name, func(context.Context) error {
		cancel()
		<-ended
		return nil
	})
}
