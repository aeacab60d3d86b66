package job

import (
	"testing"

	"github.com/parley-chat/parley/pkg/chat"
	"github.com/parley-chat/parley/pkg/store"
	"github.com/parley-chat/parley/pkg/wire"
)

// Every kind is shown, and the deployment's own job is nobody's to end.
func TestShow(t *testing.T) {
	for _, kind := range Kinds() {
		j := store.Job{ID: "j_1", Kind: kind, State: store.JobNew, Progress: []byte("{}")}
		out, err := Show(&j)
		if err != nil || out.Kind != wire.JobKind(kind) || out.State != wire.JobWaiting {
			t.Errorf("%s: %+v, %v", kind, out, err)
		}
		j.Progress = []byte("no JSON")
		if _, err := Show(&j); err == nil {
			t.Errorf("%s: a progress that is none was shown", kind)
		}
	}
	j := store.Job{Kind: KindSweep, State: store.JobNew, Progress: wire.Encode(&SweepProgress{NS: "_", Conv: "g_1", Seen: 200})}
	if out, err := Show(&j); err != nil || out.Progress != (wire.JobProgress{Conv: "g_1", Done: 200}) || out.Creator != "" {
		t.Errorf("%+v, %v", out, err)
	}
	if err := Cancels(&j); err == nil || err.Code != chat.CodeForbidden {
		t.Errorf("%v", err)
	}
	if j.State = store.JobDead; Cancels(&j) != nil {
		t.Error("a job that has failed cannot be dismissed")
	}
}
