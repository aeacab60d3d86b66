package mongotest_test

import (
	"testing"
	"time"

	"github.com/parley-chat/parley/pkg/chat"
	"github.com/parley-chat/parley/pkg/store"
	"github.com/parley-chat/parley/services/parley/internal/mongotest/wireproxy"
)

// A write to a job whose outcome the server did not tell can be repeated, and has the
// same end; a claim comes back when its lease ends.
func TestJobFaults(t *testing.T) {
	server := embedded(t)
	for _, c := range []struct {
		name  string
		fault wireproxy.Fault
	}{
		{"lost reply", wireproxy.Fault{Apply: true, Cut: true}},
		{"cut before", wireproxy.Fault{Cut: true}},
		{"no primary", wireproxy.Fault{Code: wireproxy.CodeNotWritablePrimary}},
		{"stepped down after", wireproxy.Fault{Apply: true, Code: wireproxy.CodePrimarySteppedDown}},
		{"no majority", wireproxy.Fault{Apply: true, WriteConcern: true, Code: wireproxy.CodeWriteConcernTimeout}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			proxy, uri := server.Proxy(t, wireproxy.Options{})
			st := open(t, server, uri)
			j := store.Job{NS: "_", ID: chat.NewJobID("_", "k", "alice", "c1"), Kind: "k", Creator: "alice", Payload: []byte("p"), Progress: []byte("0")}
			// twice is a write under the fault, and again; the driver may repeat it by itself.
			twice := func(what, command string, write func() error) {
				t.Helper()
				f := c.fault
				f.Command, f.Collection, f.Times = command, "jobs", 2
				proxy.Inject(f)
				err := write()
				for again := 0; err != nil && again < 3; again++ {
					err = write()
				}
				if err != nil {
					t.Fatalf("%s: %v", what, err)
				}
			}
			twice("create", "insert", func() error {
				_, err := st.CreateJob(t.Context(), j)
				return err
			})
			var got store.Job
			claim := func() {
				t.Helper()
				twice("claim", "update", func() error {
					for end := time.Now().Add(patience); time.Now().Before(end); {
						list, err := st.ClaimJobs(t.Context(), store.Claim{Owner: "w", Kinds: []store.JobKind{"k"}, Lease: 100 * time.Millisecond, Limit: 1})
						if err != nil {
							return err
						}
						if len(list) == 1 {
							got = list[0]
							return nil
						}
					}
					t.Fatal("it does not come back")
					return nil
				})
			}
			claim()
			if got.Attempt < 1 || got.Attempt > 3 || string(got.Payload) != "p" {
				t.Errorf("%+v", got)
			}
			got.Version, got.State, got.Progress = 1, store.JobLeased, []byte("1")
			twice("save", "update", func() error {
				_, err := st.SaveJob(t.Context(), got, time.Hour)
				return err
			})
			twice("cancel", "update", func() error {
				_, err := st.CancelJob(t.Context(), "_", j.ID)
				return err
			})
			got.Version, got.State = 2, store.JobDead
			twice("end", "update", func() error {
				kept, err := st.SaveJob(t.Context(), got, 0)
				if err == nil && (kept.State != store.JobDead || !kept.Cancel || string(kept.Progress) != "1" || kept.Attempt != got.Attempt) {
					t.Errorf("%+v", kept)
				}
				return err
			})
			resolve := func(to store.JobState) {
				t.Helper()
				twice("resolve", "update", func() error {
					kept, err := st.ResolveJob(t.Context(), "_", j.ID, got.Attempt, to)
					if err == nil && (kept.State != to || kept.Cancel != (to == store.JobDone) || kept.Attempt != got.Attempt+1) {
						t.Errorf("%+v", kept)
					}
					return err
				})
			}
			resolve(store.JobNew)
			claim()
			if string(got.Payload) != "p" {
				t.Errorf("%+v", got)
			}
			got.Version, got.State = 1, store.JobDead
			twice("end again", "update", func() error {
				_, err := st.SaveJob(t.Context(), got, 0)
				return err
			})
			resolve(store.JobDone)
			twice("forget", "delete", func() error {
				_, err := st.ForgetJobs(t.Context(), []store.JobKind{"k"}, -time.Hour, 9)
				return err
			})
			if list, err := st.Jobs(t.Context(), store.JobQuery{NS: "_", ID: j.ID, Limit: 1}); err != nil || len(list) != 0 {
				t.Errorf("%+v, %v", list, err)
			}
		})
	}
}
