package simulate

import (
	"math/rand/v2"
	"testing"
	"time"
)

func mustStorm(t *testing.T, c Costs, o StormOptions) Storm {
	t.Helper()
	s, err := SimulateStorm(c, o)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// With one bottleneck, the time until all are synced is work by capacity.
func TestStormAtOneBottleneck(t *testing.T) {
	c := units(t).Costs
	c.StoreCall.Value, c.ConnectReads.Value = 1e-9, 1
	o := StormOptions{Pods: 10, Lost: 10, Restart: true, Users: 1000, Patience: time.Hour, Seed: 1}
	t.Run("pods", func(t *testing.T) {
		c := c
		c.Handshake.Value, c.PodCores.Value = 10_000, 2 // 1,000 × 10 ms on 2 cores
		s := mustStorm(t, c, o)
		near(t, "seconds", s.All.Seconds(), 5, 0.2) // pods get different shares of the clients
		near(t, "tries", s.Tries, 1, 1e-9)
		if s.Wasted != 0 || s.PodBusy < 0.8 {
			t.Errorf("%+v", s)
		}
	})
	t.Run("store", func(t *testing.T) {
		o := o
		o.StoreReads = 1000 // 10,000 reads
		s := mustStorm(t, c, o)
		near(t, "seconds", s.All.Seconds(), 10, 0.05)
		near(t, "half", s.Half.Seconds(), 5, 0.05)
		near(t, "store", s.StoreBusy, 1, 0.02)
	})
	t.Run("reads of a pod", func(t *testing.T) {
		o := o
		o.Pods, o.Lost, o.PodReads, o.StoreReads = 1, 1, 1, 1e6 // 1,000 reads of 2 ms, one after the other
		near(t, "seconds", mustStorm(t, c, o).All.Seconds(), 2, 0.1)
	})
}

// Clients that hang up while a pod works for them make it do the same again. With
// more work waiting than their patience lasts, nothing that is done is of use.
func TestImpatienceIsWaste(t *testing.T) {
	c := units(t).Costs
	c.Handshake.Value, c.PodCores.Value = 5_000, 1 // 5 s of work
	o := StormOptions{Pods: 1, Lost: 1, Restart: true, Users: 1000, Patience: 2 * time.Second, Horizon: time.Minute, Seed: 1, StoreReads: 1e6}
	hasty := mustStorm(t, c, o)
	if hasty.Wasted == 0 || hasty.Tries <= 1 {
		t.Errorf("%+v", hasty)
	}
	o.Patience = time.Minute
	patient := mustStorm(t, c, o)
	if patient.Wasted != 0 || patient.Never != 0 || hasty.Never == 0 && hasty.All <= patient.All {
		t.Errorf("patient %+v, hasty %+v", patient, hasty)
	}
	o.Patience, o.Admit = 2*time.Second, 300 // 1.5 s of work
	if refused := mustStorm(t, c, o); refused.Wasted != 0 || refused.Never != 0 || refused.Tries <= 1 {
		t.Errorf("refused early %+v, hasty %+v", refused, hasty)
	}
	o.Admit, o.Spread = 0, 10*time.Second
	if spread := mustStorm(t, c, o); spread.Wasted > hasty.Wasted/2 || spread.Never != 0 {
		t.Errorf("spread %+v, at once %+v", spread, hasty)
	}
}

// A part of the pods stands for all.
func TestSampleStandsForAll(t *testing.T) {
	c := units(t).Costs
	o := StormOptions{Pods: 40, Lost: 10, Users: 2000, Behind: 3, Missed: 150, StoreReads: 20_000, Seed: 5}
	all, o2 := mustStorm(t, c, o), o
	o2.Clients = 5000
	part := mustStorm(t, c, o2)
	near(t, "half", part.Half.Seconds(), all.Half.Seconds(), 0.1)
	near(t, "all", part.All.Seconds(), all.All.Seconds(), 0.15)
	if all.Clients != 20_000 || part.Clients != all.Clients || part.PerPod != all.PerPod {
		t.Errorf("%+v and %+v", all, part)
	}
	if again := mustStorm(t, c, o); again != all {
		t.Errorf("the same seed gave %+v and %+v", all, again)
	}
}

func TestStormRefusesNonsense(t *testing.T) {
	c := units(t).Costs
	for _, o := range []StormOptions{{}, {Pods: 3, Lost: 3, Users: 1}, {Pods: 3, Lost: 4, Users: 1, Restart: true},
		{Pods: 3, Lost: 1}, {Pods: 3, Lost: 1, Users: 1, Jitter: "some"}} {
		if _, err := SimulateStorm(c, o); err == nil {
			t.Errorf("%+v was simulated", o)
		}
	}
}

// The queue gives events by time, and those of one moment as they came.
func TestEventsComeInOrder(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	for n := range 200 {
		var q events
		for range n {
			q.add(event{at: float64(rng.IntN(10))})
		}
		var last event
		for len(q.list) > 0 {
			e := q.take()
			if before(&e, &last) {
				t.Fatalf("%+v comes after %+v", e, last)
			}
			last = e
			n--
		}
		if n != 0 {
			t.Fatalf("%d events are missing", n)
		}
	}
}
