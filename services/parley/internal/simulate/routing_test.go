package simulate

import (
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/parley-chat/parley/docs"
)

func units(t *testing.T) *Units {
	t.Helper()
	u, err := ReadUnits(docs.UnitCosts)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

func mustRoute(t *testing.T, c Costs, o RoutingOptions) RoutingCost {
	t.Helper()
	r, err := Routing(c, o)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func near(t *testing.T, what string, got, want, share float64) {
	t.Helper()
	if math.Abs(got-want) > share*math.Abs(want) {
		t.Errorf("%s is %.4g, want %.4g", what, got, want)
	}
}

// The simulation must agree with what was measured of 2 to 16 pods: half of the
// rows within a quarter, all but one within a factor of 1.8, where the machine was
// not too busy to say; and which way is the cheaper one, where that is clear. A
// measured cell is good to a fifth.
func TestPredictsWhatWasMeasured(t *testing.T) {
	const typical, most, clear = 1.25, 1.8, 1.3
	u := units(t)
	type load struct {
		pods, perFlush int
		rate           float64
	}
	ways := map[load]map[Way][2]float64{} // simulated, measured
	var off []float64
	outliers := 0
	for _, row := range u.Routing {
		r, err := row.Predict(u.Costs)
		if err != nil {
			t.Fatal(err)
		}
		factor := math.Exp(math.Abs(math.Log(r.Added() / row.AddedUS)))
		busy := r.Busy(row.Rate, u.Cores)
		t.Logf("%-9s %2d pods %6.0f/s: %7.1f µs, %s %7.1f µs, busy %v", row.Way, row.Pods, row.Rate, r.Added(), row.Kind, row.AddedUS, busy)
		if row.Kind != Measured {
			t.Errorf("%s with %d pods is not measured", row.Way, row.Pods)
		}
		if !busy {
			off = append(off, factor)
		}
		if factor > most && !(busy && r.Added() > row.AddedUS) {
			outliers++
		}
		if busy {
			continue
		}
		l := load{row.Pods, row.PerFlush, row.Rate}
		if ways[l] == nil {
			ways[l] = map[Way][2]float64{}
		}
		ways[l][row.Way] = [2]float64{r.Added(), row.AddedUS}
	}
	if outliers > 1 {
		t.Errorf("%d rows are off by a factor of more than %.1f", outliers, most)
	}
	slices.Sort(off)
	if len(off) < 20 || off[len(off)/2] > typical {
		t.Errorf("of %d rows, half are off by a factor of more than %.2f", len(off), off[len(off)/2])
	}
	for l, w := range ways {
		all, user := w[Broadcast], w[PerUser]
		if all[1] == 0 || user[1] == 0 {
			continue // one of them kept the machine too busy
		}
		if all[1] > clear*user[1] && all[0] < user[0] || user[1] > clear*all[1] && user[0] < all[0] {
			t.Errorf("%+v: broadcast %v, user %v: simulated, measured", l, all, user)
		}
	}
}

// The counts are checked against arithmetic that needs no simulation.
func TestCounts(t *testing.T) {
	c := units(t).Costs
	o := RoutingOptions{Pods: 10, Rate: 1000, Flush: time.Microsecond, Messages: 20_000, Seed: 7} // every message its own flush
	o.Way = Broadcast
	r := mustRoute(t, c, o)
	near(t, "entries a flush", r.PerFlush, 1, 0.01)
	near(t, "published", r.Published, 1, 0.01)
	near(t, "carried", r.Carried, 9, 0.01)
	near(t, "received", r.Received, 9, 0.01)
	near(t, "wanted", r.Wanted, 0.9, 0.02)
	near(t, "bytes", r.Bytes, 9*(c.EnvelopeBytes.Value+c.EntryBytes.Value), 0.01)
	for _, way := range []Way{PerUser, PerPod} {
		o.Way = way
		r := mustRoute(t, c, o)
		near(t, "carried", r.Carried, 0.9, 0.02)
		near(t, "wanted", r.Wanted, r.Received, 1e-9)
	}
	o.Way, o.GroupShare, o.GroupSize, o.Online, o.Local = PerUser, 1, 6, 0.5, 0.4
	r = mustRoute(t, c, o)
	near(t, "published to users", r.Published, 6, 0.01)
	near(t, "connected recipients", r.Recipients, 2.5, 0.02)
	near(t, "carried to users", r.Carried, 1.5, 0.02)
	o.GroupSize = 11 // too many for subjects of users
	byUser := mustRoute(t, c, o)
	o.Way = Broadcast
	if r = mustRoute(t, c, o); byUser.Published != r.Published || byUser.Carried != r.Carried || byUser.Bytes != r.Bytes {
		t.Errorf("large groups are broadcast: %+v, %+v", byUser, r)
	}
	o.PerFlush = 16
	r = mustRoute(t, c, o)
	near(t, "entries of flushes that are given", r.PerFlush, 16, 1e-9)
	near(t, "published for 16", r.Published, 1.0/16, 1e-9)
	o.PerFlush = 0
	o.Way, o.Pods, o.Online = PerPod, 2, 1
	if r = mustRoute(t, c, o); r.Carried > 1 || r.Received > 1 {
		t.Errorf("a group on two pods is announced to the other one once: %+v", r)
	}
}

func TestAloneNothingIsCarried(t *testing.T) {
	c := units(t).Costs
	for _, way := range Ways() {
		r := mustRoute(t, c, RoutingOptions{Way: way, Pods: 1, Rate: 100})
		if r.Carried != 0 || r.Listening != 0 || (r.Published == 0) != (way == PerPod) || (r.NATSCPU == 0) != (way == PerPod) {
			t.Errorf("%s: %+v", way, r)
		}
	}
}

func TestBatchesGrowWithTheRate(t *testing.T) {
	c := units(t).Costs
	last := RoutingCost{PerFlush: 0.9, PodCPU: 1e9}
	for _, rate := range []float64{100, 10_000, 100_000} {
		r := mustRoute(t, c, RoutingOptions{Way: Broadcast, Pods: 4, Rate: rate, Flush: 5 * time.Millisecond})
		if r.PerFlush <= last.PerFlush || r.Added() >= last.Added() {
			t.Errorf("at %.0f/s a flush has %.1f entries and costs %.1f µs each; before, %.1f and %.1f",
				rate, r.PerFlush, r.Added(), last.PerFlush, last.Added())
		}
		last = r
	}
	if last.PerFlush > batchMost {
		t.Errorf("%.0f entries in a flush", last.PerFlush)
	}
}

func TestSameSeedSameNumbers(t *testing.T) {
	c := units(t).Costs
	o := RoutingOptions{Way: PerPod, Pods: 100, Rate: 5000, GroupShare: 0.3, Online: 0.3, Messages: 5000, Seed: 3}
	a, b := mustRoute(t, c, o), mustRoute(t, c, o)
	o.Seed++
	if a != b || a == mustRoute(t, c, o) {
		t.Error("the seed does not decide")
	}
}

func TestUnitsAreComplete(t *testing.T) {
	for broken, want := range map[string]string{
		`{"machine":"x"}`:                "connection_rss",
		`{"costs":{"unheard_of":{}}}`:    "unknown",
		`{"routing":[{"way":"pigeons"}]`: "read unit costs",
	} {
		if _, err := ReadUnits([]byte(broken)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", broken, err)
		}
	}
	if _, err := Routing(Costs{}, RoutingOptions{}); err == nil {
		t.Error("no way, no pods, and no error")
	}
}
