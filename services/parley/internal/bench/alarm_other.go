//go:build !linux

package bench

import "time"

// alarm is Go's own timer where there is nothing better.
type alarm struct{}

func (alarm) begin() {}
func (alarm) end()   {}

func (alarm) sleep(d time.Duration) { time.Sleep(min(d, 100*time.Millisecond)) }
