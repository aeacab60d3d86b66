package bench

import (
	"bytes"
	"testing"
	"time"
)

// A machine that stood still for the whole measured time has measured nothing: that
// goes on until something is. Where nothing ever comes, it ends, and can be written.
func TestMeasuredTimeGoesOn(t *testing.T) {
	r, err := newRun(Pairs, Options{Settings: Settings{Duration: time.Millisecond, Drain: time.Minute}})
	if err != nil {
		t.Fatal(err)
	}
	d := &device{user: "me"}
	r.devices = append(r.devices, d)
	late := time.AfterFunc(50*time.Millisecond, func() { // ends before watch does
		d.arrived.Store(3)
		r.sampled.Store(true)
	})
	defer late.Stop()
	if err := r.watch(t.Context(), r.now()-int64(time.Second)); err != nil || r.report.Count != 3 || r.report.Seconds <= 0 {
		t.Errorf("%v %+v", err, r.report)
	}
	silent, err := newRun(Pairs, Options{Settings: Settings{Duration: time.Millisecond, Drain: time.Millisecond}})
	if err != nil {
		t.Fatal(err)
	}
	if err := silent.watch(t.Context(), 0); err != nil || silent.report.Count != 0 {
		t.Errorf("%v %+v", err, silent.report)
	}
	if err := silent.report.WriteJSON(&bytes.Buffer{}); err != nil {
		t.Error(err)
	}
}
