package upgrade

import (
	"context"
	"crypto/sha256"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"go.uber.org/goleak"

	"github.com/parley-chat/parley/pkg/chat"
	"github.com/parley-chat/parley/pkg/store"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var (
	at     = time.Date(2026, 1, 2, 3, 4, 5, 6_000_000, time.UTC)
	direct = chat.Key{NS: "_", Conv: chat.DirectID("_", "alice", "bob@example.com")}
	group  = chat.Key{NS: "_", Conv: chat.GroupID("_", "alice", "group-1")}
)

// script does something of everything that is stored. A change of it needs new files
// in testdata, written by the version that is the present one then; the old ones stay.
func script(t *testing.T, st store.Store) {
	t.Helper()
	ctx := t.Context()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	members := func(key chat.Key, users ...chat.User) (list []chat.Member) {
		for i, u := range users {
			m := chat.Member{Key: key, User: u, Role: chat.RoleMember, AsOf: 1, Joined: 1}
			if key == group && i == 0 {
				m.Role = chat.RoleOwner
			}
			list = append(list, m)
		}
		return list
	}
	must(st.Create(ctx, chat.Conversation{Key: direct, Kind: chat.Direct, Users: []chat.User{"alice", "bob@example.com"}, Created: at, Floor: 1},
		members(direct, "alice", "bob@example.com")))
	must(st.Create(ctx, chat.Conversation{Key: group, Kind: chat.Group, History: chat.HistoryAll, Created: at, Floor: 1, Title: "a group", TitleAsOf: 1},
		members(group, "alice", "bob@example.com", "carol")))
	number := uint64(0)
	write := func(entries ...chat.Entry) {
		t.Helper()
		number++
		b := store.Batch{Entries: entries, Journal: store.JournalID{Pod: "pod-1", Number: number, Epoch: "epoch"}}
		a := st.Append(ctx, b)
		if a.Err != nil || slices.ContainsFunc(a.Outcomes, func(o store.Outcome) bool { return o != store.Stored }) {
			t.Fatalf("%+v", a)
		}
		if !a.Finished {
			must(st.Finish(ctx, b))
		}
	}
	must(st.Register(ctx, store.Pod{ID: "pod-1", Epoch: "epoch", First: 1, Settled: 1}, 365*24*time.Hour))
	both := []chat.User{"alice", "bob@example.com"}
	write(entry(direct, 1, "alice", chat.Entry{Body: []byte(`{"text":"hello"}`), Mentions: both[1:], Concerns: both}))
	write(entry(direct, 2, "bob@example.com", chat.Entry{Body: []byte(`{"text":"answer","data":{"n":1}}`), ReplyTo: 1, Silent: true, Via: "bot", Concerns: both}),
		entry(group, 1, "alice", chat.Entry{Kind: chat.KindMembers, Change: chat.ChangeCreated, Title: "a group",
			Users: []chat.UserRole{{User: "alice", Role: chat.RoleOwner}, {User: "bob@example.com", Role: chat.RoleMember}, {User: "carol", Role: chat.RoleMember}}, Concerns: []chat.User{"alice", "bob@example.com", "carol"}}))
	write(entry(direct, 3, "alice", chat.Entry{Kind: chat.KindEdited, Target: 1, Body: []byte(`{"text":"hello again"}`), Concerns: both}),
		entry(direct, 4, "bob@example.com", chat.Entry{Kind: chat.KindReacted, Target: 1, Emoji: "👍", On: true, Concerns: both}),
		entry(direct, 5, "bob@example.com", chat.Entry{Kind: chat.KindRecalled, Target: 2, Concerns: both}))
	write(entry(group, 2, "alice", chat.Entry{Kind: chat.KindMembers, Change: chat.ChangeRemoved, Users: []chat.UserRole{{User: "carol", Role: chat.RoleMember}}, Concerns: []chat.User{"carol"}}),
		entry(group, 3, "bob@example.com", chat.Entry{Body: []byte(`{"text":"to the group"}`)}))
	_, err := st.Advance(ctx, []store.Move{{Key: direct, User: "alice", Device: "phone", Recv: 5, Read: 2, ReadCount: 2}, {Key: group, User: "bob@example.com", Device: "web-1", Recv: 3}})
	must(err)
	must(st.TouchDevice(ctx, "_", "alice", store.DeviceInfo{Device: "phone", Seen: at}))
	_, err = st.PutBlock(ctx, "_", chat.Block{User: "alice", Peer: "mallory", Version: 1, On: true, Time: at})
	must(err)
	_, err = st.Configure(ctx, direct, "alice", chat.Settings{Version: 1, Muted: true, Pinned: true})
	must(err)
	_, err = st.PutProfile(ctx, "_", "alice", chat.Profile{Version: 1, HideRead: true})
	must(err)
	_, err = st.RaiseFloor(ctx, group, 2, nil)
	must(err)
	must(st.CreateAttachment(ctx, store.Attachment{Key: direct, ID: "a_1", Owner: "alice", Object: "up/1", State: store.AttachmentNew, Created: at, Name: "cat.png", Type: "image/png", Size: 10,
		Uses: []store.Use{{CMID: "m1"}}, Due: at.Add(time.Hour)}))
}

// script2 is the script, and what version 2 stores beside it.
func script2(t *testing.T, st store.Store) {
	t.Helper()
	script(t, st)
	if _, err := st.SetKeep(t.Context(), group, chat.Keep{Version: 1_767_323_045_006, Hours: 720}); err != nil {
		t.Fatal(err)
	}
}

// entry fills in what every entry has. All messages but those of the group come first.
func entry(key chat.Key, seq chat.Seq, from chat.User, e chat.Entry) chat.Entry {
	e.Key, e.Seq, e.From, e.Time = key, seq, from, at.Add(time.Duration(seq)*time.Second)
	if e.Kind == "" {
		e.Kind = chat.KindMessage
	}
	e.CMID = chat.CMID(fmt.Sprintf("cmid-%d", seq))
	e.Members = 2
	e.MV, e.Count = 1, min(int64(seq), 2)
	if key == group {
		e.MV, e.Count = min(seq, 2), max(int64(seq)-2, 0)
	}
	sum := sha256.Sum256(fmt.Append(nil, key, seq))
	copy(e.Hash[:], sum[:])
	return e
}

// reads is everything that a service can read of what the script wrote, as text. What
// follows from the time of the run is left out.
func reads(t *testing.T, st store.Store) string {
	t.Helper()
	var b strings.Builder
	show := func(what string, v any, err error) {
		t.Helper()
		if err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		data, err := json.Marshal(v, json.Deterministic(true), jsontext.WithIndent(" "))
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&b, "%s: %s\n", what, data)
	}
	ctx := t.Context()
	for _, key := range []chat.Key{direct, group} {
		readConversation(ctx, st, key, show)
	}
	for _, u := range []chat.User{"alice", "bob@example.com", "carol"} {
		list, err := st.Memberships(ctx, "_", u, "", 10)
		show("memberships of "+string(u), list, err)
	}
	devices, err := st.Devices(ctx, "_", "alice")
	show("devices", devices, err)
	blocks, err := st.Blocks(ctx, "_", "alice", "", 10)
	show("blocks", blocks, err)
	profiles, err := st.Profiles(ctx, "_", []chat.User{"alice"})
	show("profiles", profiles, err)
	files, err := st.AttachmentsByID(ctx, "_", []chat.AttachmentID{"a_1"})
	show("attachments", files, err)
	used, err := st.AttachmentsByUse(ctx, direct, "alice", store.Use{CMID: "m1"}, 10)
	show("attachments by use", len(used), err)
	due, err := st.DueAttachments(ctx, at.Add(2*time.Hour), 10)
	show("attachments that are due", len(due), err)
	journal, err := st.ReadJournal(ctx, "pod-1", 0, 10)
	for i := range journal {
		journal[i].Time = time.Time{}
	}
	show("journal", journal, err)
	pods, _, err := st.Pods(ctx)
	for i := range pods {
		pods[i].Until = time.Time{}
	}
	show("pods", pods, err)
	return b.String()
}

func readConversation(ctx context.Context, st store.Store, key chat.Key, show func(string, any, error)) {
	convs, err := st.ConversationsByKey(ctx, []chat.Key{key})
	show("conversation", convs, err)
	entries, err := st.Entries(ctx, key, store.Range{Limit: 100})
	show("entries", entries, err)
	one, err := st.Lookup(ctx, key, "alice", "cmid-1")
	show("by cmid", one, err)
	folds, err := st.Folds(ctx, key, []chat.Seq{1, 2, 3})
	var list []string
	for seq, f := range folds {
		text, _ := json.Marshal(f, json.Deterministic(true))
		list = append(list, fmt.Sprintf("%d %s", seq, text))
	}
	slices.Sort(list)
	show("folds", list, err)
	members, err := st.Members(ctx, key, "", 10)
	show("members", members, err)
}
