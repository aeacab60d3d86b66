package gateway

import (
	"fmt"
	"net/http"
	"testing"

	"github.com/parley-chat/parley/pkg/wire"
)

// What a pod remembers of a message it forgets when that is erased: nothing aims at
// the message any more, on whatever pod.
func TestNothingAimsAtWhatWasErased(t *testing.T) {
	c := newCluster(t, 2, brisk())
	l := &life{cluster: c}
	in := fmt.Sprintf(`"conv":%q`, c.group("bob", "alice"))
	first := c.send("alice", in, "m1", secret)
	path := fmt.Sprintf("/v1/conversations/%s/messages/%d", first.Conv, first.Seq)
	var bobs []*conn
	for pod := range c.gates {
		edit := fmt.Sprintf(`{"cmid":"e%d","body":{"text":"edited"}}`, pod)
		if status := l.as("alice", nil, pod, "PATCH", path, edit, nil); status != http.StatusOK {
			t.Fatalf("edit at pod %d: %d", pod, status)
		}
		bob, _ := c.login(pod, "bob", fmt.Sprintf(`{"type":"hello","device":"device-%d"}`, pod))
		bobs = append(bobs, bob)
	}
	l.erase("x1")
	for _, bob := range bobs { // the pod has heard of it
		expect[*wire.Erased](bob)
	}
	for pod := range c.gates {
		for _, r := range []struct{ user, method, path, body string }{
			{"alice", "PATCH", path, `{"cmid":"late-1","body":{"text":"again"}}`},
			{"bob", "PUT", path + "/reactions/%F0%9F%91%8D?cmid=late-2", ""},
			{"bob", "DELETE", path + "?cmid=late-3", ""}, // the group's owner
			{"alice", "DELETE", path + "?cmid=late-4", ""},
		} {
			if status := l.as(r.user, nil, pod, r.method, r.path, r.body, nil); status != http.StatusNotFound {
				t.Errorf("pod %d: %s %s: %d", pod, r.method, r.path, status)
			}
		}
	}
}
