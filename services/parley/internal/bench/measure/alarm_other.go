//go:build !linux

package measure

import "time"

// Alarm is Go's own timer where there is nothing better.
type Alarm struct{}

// Begin does nothing here.
func (Alarm) Begin() {}

// End does nothing here.
func (Alarm) End() {}

// Sleep blocks for d, or less.
func (Alarm) Sleep(d time.Duration) { time.Sleep(min(d, 100*time.Millisecond)) }
