package roster

import (
	"fmt"
	"testing"
	"time"
)

func TestRoster(t *testing.T) {
	var r Roster
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	ids := func(at time.Time) (s string) {
		for _, p := range r.List("e", at) {
			s += p.Pod
		}
		return s
	}
	for i, name := range []string{"c", "a", "b", "a"} {
		r.Heard(Status{Pod: fmt.Sprint(i), Name: name, Epoch: "e"}, now)
	}
	r.Heard(Status{Pod: "9", Epoch: "of other data"}, now)
	if got := ids(now); got != "1320" {
		t.Errorf("by name and id: %s", got)
	}
	r.Heard(Status{Pod: "2", Name: "b", Epoch: "e"}, now.Add(2*time.Second))
	r.Heard(Status{Pod: "1", Epoch: "e", Bye: true}, now.Add(2*time.Second))
	if got := ids(now.Add(2 * time.Second)); got != "320" {
		t.Errorf("after a goodbye: %s", got)
	}
	if got := ids(now.Add(Silence + time.Second)); got != "2" {
		t.Errorf("after silence: %s", got)
	}
	for i := range 2 * maxPods {
		r.Heard(Status{Pod: fmt.Sprint("x", i), Epoch: "e"}, now.Add(2*time.Second))
	}
	if n := len(r.List("e", now.Add(2*time.Second))); n != maxPods {
		t.Errorf("%d pods", n)
	}
}

func TestParse(t *testing.T) {
	data, err := Encode(Status{Pod: "p", Name: "n", Epoch: "e", Sessions: 3, Draining: true})
	if err != nil {
		t.Fatal(err)
	}
	if s, ok := Parse(data); !ok || s != (Status{Version: 1, Pod: "p", Name: "n", Epoch: "e", Sessions: 3, Draining: true}) {
		t.Errorf("%+v %v of %s", s, ok, data)
	}
	for _, bad := range []string{"", "{}", `{"kick":1}`, `{"status":`, `{"status":2,"pod":"p"}`, `{"status":1}`,
		`{"status":1,"pod":"p","sessions":-1}`, `{"status":1,"pod":["p"]}`} {
		if s, ok := Parse([]byte(bad)); ok {
			t.Errorf("%s is %+v", bad, s)
		}
	}
	if _, ok := Parse([]byte(`{"status":1,"pod":"p","of a later version":{}}`)); !ok {
		t.Error("a field that is new is refused")
	}
}
