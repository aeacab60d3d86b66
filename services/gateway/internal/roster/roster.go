// Package roster is what pods tell each other about themselves, once a second: their
// version, their sessions, where their journal stands. Operators are shown it, and
// rebalancing goes by it; no message depends on it. What is heard is forgotten after
// [Silence], so the roster is bounded by the pods there are.
package roster

import (
	"bytes"
	"cmp"
	"slices"
	"sync"
	"time"

	"github.com/go-json-experiment/json"
)

const (
	// Beat is how often a pod tells its status.
	Beat = time.Second
	// Silence is after how long a pod that is not heard is not listed any more.
	Silence = 3*Beat + Beat/2

	// Version is that of the message.
	Version = 1
	maxPods = 1024 // beyond, new ones are not listed: there is no such cluster
)

// Status is one pod at one moment. It goes over the bus as JSON. Fields may be added;
// what one means stays.
type Status struct {
	Version  int    `json:"status"` // of this message; first, so that it can be told from others
	Epoch    string `json:"epoch"`
	Pod      string `json:"pod"`  // its present id
	Name     string `json:"name"` // what the operator calls it: the host's name
	Server   string `json:"server"`
	Routing  string `json:"routing"`
	Up       int64  `json:"up_ms"`    // since it began
	Sessions int    `json:"sessions"` // connections
	Users    int    `json:"users"`    // users online here; one with sessions on two pods is on both
	Syncing  int    `json:"syncing"`  // sessions that are reading what they missed
	Leaving  int    `json:"leaving"`  // sessions that were told to go elsewhere, and are still here
	Pending  int    `json:"pending"`  // commands that wait to be stored
	Last     uint64 `json:"last"`     // last number of its journal
	Open     uint64 `json:"open"`     // numbers up to it that may still be written
	Lag      uint64 `json:"lag"`      // numbers of other pods' journals that it has neither heard nor read
	// CertLeft is for how many seconds the first of its certificates that expires is
	// good: 0: it has none, or none that can be read; below 0: it has expired.
	CertLeft int64 `json:"cert_left_s,omitzero"`
	Draining bool  `json:"draining,omitzero"`
	Bye      bool  `json:"bye,omitzero"` // it has ended: it is not to be listed
}

// Encode is the message for the bus.
func Encode(s Status) ([]byte, error) {
	s.Version = Version
	return json.Marshal(&s)
}

// Parse reads what [Encode] wrote; ok is false for anything else on the subject.
func Parse(data []byte) (s Status, ok bool) {
	if !bytes.HasPrefix(data, []byte(`{"status":`)) || json.Unmarshal(data, &s) != nil {
		return Status{}, false
	}
	sane := s.Sessions >= 0 && s.Users >= 0 && s.Syncing >= 0 && s.Leaving >= 0 && s.Pending >= 0 && s.Up >= 0
	return s, sane && s.Version == Version && s.Pod != "" && len(s.Pod) <= 64 && len(s.Name) <= 256 && len(s.Server) <= 256
}

// Roster is what was heard of the other pods. The zero value is ready; it is safe
// for concurrent use.
type Roster struct {
	mu   sync.Mutex
	pods map[string]heard
}

type heard struct {
	Status
	at time.Time
}

// Heard takes another pod's status.
func (r *Roster) Heard(s Status, now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.pods) >= maxPods {
		r.forgetLocked(now)
	}
	switch {
	case s.Bye:
		delete(r.pods, s.Pod)
	case len(r.pods) < maxPods:
		if r.pods == nil {
			r.pods = make(map[string]heard)
		}
		r.pods[s.Pod] = heard{s, now}
	}
}

// List is the other pods of an epoch that are heard, by name and id.
func (r *Roster) List(epoch string, now time.Time) []Status {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.forgetLocked(now)
	list := make([]Status, 0, len(r.pods))
	for _, h := range r.pods {
		if h.Epoch == epoch {
			list = append(list, h.Status)
		}
	}
	Sort(list)
	return list
}

func (r *Roster) forgetLocked(now time.Time) {
	for id, h := range r.pods {
		if now.Sub(h.at) > Silence {
			delete(r.pods, id)
		}
	}
}

// Sort sorts by name and id.
func Sort(list []Status) {
	slices.SortFunc(list, func(a, b Status) int {
		return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.Pod, b.Pod))
	})
}
