package rolling

import (
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/parley-chat/parley/services/parley/internal/verify"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// A short rolling restart of real processes breaks no promise, and can be drawn.
func TestDo(t *testing.T) {
	run, err := Do(t.Context(), Options{Restarts: true, Idle: 20, Drain: 500 * time.Millisecond, Calm: 300 * time.Millisecond,
		Load: verify.Options{Users: 4, Messages: 300, Rate: 60, Reconnects: -1, Bound: 30 * time.Second}})
	if err != nil {
		t.Fatal(err)
	}
	var text, svg strings.Builder
	if err := run.Report.WriteText(&text); err != nil {
		t.Fatal(err)
	}
	if run.Violations() != 0 || !run.Report.OK() || len(run.Restarts) != 3 {
		t.Fatalf("%d restarts\n%s", len(run.Restarts), text.String())
	}
	// 20 idle connections are with the gateways, and each that was with a gateway
	// when it was restarted came back.
	most := 0.0
	for _, s := range run.Samples {
		if n := s.Sessions[0] + s.Sessions[1] + s.Sessions[2]; n > most { // not where one did not answer
			most = n
		}
	}
	if most < 24 || len(run.Returns) < 20 {
		t.Errorf("at most %v connections, %d came back", most, len(run.Returns))
	}
	if err := run.WriteSVG(&svg); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"0 violations", "300 messages sent, 300 acked", "gateway-2", "send → ack", "p99"} {
		if !strings.Contains(svg.String(), want) {
			t.Errorf("the picture does not say %q", want)
		}
	}
}

// What is wrong is in the picture, too.
func TestViolationsAreCounted(t *testing.T) {
	r := &Run{Report: &verify.Report{Refused: 2, Unsettled: "u1/d0 has seq 3 of 4", Verdict: verify.Verdict{Counts: map[string]int{"I5": 3}}}}
	if n := r.Violations(); n != 6 {
		t.Errorf("%d", n)
	}
	var svg strings.Builder
	if err := r.WriteSVG(&svg); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(svg.String(), "6 violations") || !strings.Contains(svg.String(), "nothing was measured") {
		t.Error(svg.String())
	}
}

func TestLatencyIsDrawnWhereItBegan(t *testing.T) {
	s := time.Second
	r := &Run{Zero: s, Moments: []verify.Moment{
		{At: 2 * s, Kind: verify.Ack, Took: s},              // began at 0
		{At: 2 * s, Kind: verify.Ack, Took: 100 * s / 1000}, // at 0.9
		{At: s / 2, Kind: verify.Ack, Took: s / 10},         // before the first message: not of this run
		{At: 4 * s, Kind: verify.Open, Took: s / 4},
		{At: s / 2, Kind: verify.Open},
	}, Returns: []Return{{At: 1.2, Away: 2}}}
	lines := r.latency(verify.Ack)
	if p := lines[2].Points; len(p) != 2 || p[0] != [2]float64{0, 1000} || p[1] != [2]float64{0.5, 100} {
		t.Errorf("%v", p)
	}
	if at := r.returns(); len(at) != 2 || at[0] != 3 || at[1] != 1.2 {
		t.Errorf("%v", at)
	}
	if p50, _, most := r.Away(); p50 != 2 || most != 2 {
		t.Errorf("%v %v", p50, most)
	}
}
