package simulate

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func mustPlan(t *testing.T, c Costs, p Profile, users int) Capacity {
	t.Helper()
	k, err := Plan(c, p, users)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// The plan is checked against arithmetic by hand, for a million users.
func TestPlanByHand(t *testing.T) {
	c := units(t).Costs
	k := mustPlan(t, c, Profile{}, 1_000_000)
	near(t, "connected", k.Connected, 300_000, 1e-9)
	near(t, "messages", k.Messages, 1_000_000*50*3/86_400.0, 1e-9)
	near(t, "deliveries", k.Delivered, k.Messages*(0.7+0.3*19)*0.3, 1e-9)
	near(t, "connects", k.Connects, 1_000_000*10*3/86_400.0, 1e-9)
	if k.Pods != 6 || !k.ByMemory {
		t.Errorf("%d pods, by memory %v", k.Pods, k.ByMemory)
	}
	near(t, "heartbeats", k.Beats, 2*6*5, 1e-9)
	near(t, "a year", k.Bytes, 1e6*50*365*c.StoreEntryBytes.Value, 1e-9)
	near(t, "sweep", k.SweepReads, 300_000/60.0*(1+20/500.0), 1e-9)
	for i, way := range Ways() {
		if k.Routing[i].Way != way || k.way(way).Pods != 6 {
			t.Errorf("routing %d is %s", i, k.Routing[i].Way)
		}
	}
}

// A cheap connection and many messages: the CPU decides how many pods there are.
func TestPlanByCPU(t *testing.T) {
	k := mustPlan(t, units(t).Costs, Profile{MessagesDay: 500_000}, 100_000)
	if k.ByMemory || k.Pods < 10 {
		t.Errorf("%d pods, by memory %v", k.Pods, k.ByMemory)
	}
}

// Everything that breaks goes on being broken at larger sizes.
func TestBreaksGrow(t *testing.T) {
	c := units(t).Costs
	last := 0
	for _, n := range []int{100_000, 1_000_000, 10_000_000, 100_000_000} {
		k := mustPlan(t, c, Profile{}, n)
		list := k.Breaks(c, Broadcast)
		if len(list) < last {
			t.Errorf("%d users: %q", n, list)
		}
		last = len(list)
		if n == 100_000 && last > 0 {
			t.Errorf("a small cluster breaks: %q", list)
		}
	}
	k := mustPlan(t, c, Profile{}, 100_000_000)
	if !slices.ContainsFunc(k.Breaks(c, Broadcast), func(s string) bool { return strings.Contains(s, "leave it") }) {
		t.Errorf("600 pods hear everything: %q", k.Breaks(c, Broadcast))
	}
	if slices.ContainsFunc(k.Breaks(c, PerPod), func(s string) bool { return strings.Contains(s, "leave it") }) {
		t.Errorf("subjects a pod: %q", k.Breaks(c, PerPod))
	}
}

// The documentation shows what the program prints. Where it does not, run
// make scaling.
func TestScalingShowsTheTables(t *testing.T) {
	doc, err := os.ReadFile(filepath.FromSlash("../../../../docs/scaling.md"))
	if err != nil {
		t.Fatal(err)
	}
	var tables bytes.Buffer
	if err := Tables(&tables, units(t)); err != nil {
		t.Fatal(err)
	}
	for section := range strings.SplitSeq(tables.String(), "### ") {
		if !bytes.Contains(doc, []byte(strings.TrimSpace(section))) {
			title, _, _ := strings.Cut(section, "\n")
			t.Errorf("docs/scaling.md does not show the tables of %q as they are now", title)
		}
	}
}
