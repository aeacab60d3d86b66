package drill

import (
	"bytes"
	"context"
	"errors"
	"os"
	"strings"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m)
}

// The short form of the drill: real processes, and a fault of each kind.
func TestShortDrill(t *testing.T) {
	report, err := Run(t.Context(), Options{Short: true, Logs: os.Getenv("PARLEY_DRILL_LOGS"), Progress: func(line string) { t.Log(line) }})
	if err != nil {
		t.Fatal(err)
	}
	var text bytes.Buffer
	if err := report.WriteText(&text); err != nil {
		t.Fatal(err)
	}
	if !report.OK() || len(report.Results) < 4 {
		t.Errorf("%s", &text)
	}
	for _, r := range report.Results {
		if r.Acked == 0 || r.Acked != r.Sent {
			t.Errorf("%s: %d of %d messages acked", r.Fault, r.Acked, r.Sent)
		}
	}
}

func TestScenarios(t *testing.T) {
	names := map[string]bool{}
	short := 0
	for _, s := range Scenarios() {
		if s.Name == "" || s.About == "" || s.run == nil || names[s.Name] || strings.Contains(s.Name, " ") {
			t.Errorf("%+v", s)
		}
		names[s.Name] = true
		if s.Short {
			short++
		}
	}
	if len(names) < 14 || short < 4 {
		t.Errorf("%d scenarios, %d in the short form", len(names), short)
	}
	if list, err := (&Options{Only: []string{"storm", noFault}}).chosen(); err != nil || len(list) != 2 || list[0].Name != noFault {
		t.Error(list, err)
	}
	if _, err := (&Options{Only: []string{"kill-in-erasure"}, Store: FerretDB}).chosen(); err == nil {
		t.Error("a scenario was taken that is for another store")
	}
	if list, err := (&Options{Only: []string{"kill-in-erasure"}, Store: Memory}).chosen(); err != nil || len(list) != 1 {
		t.Error(list, err)
	}
	if _, err := (&Options{Only: []string{"earthquake"}}).chosen(); err == nil {
		t.Error("an unknown scenario was taken")
	}
	if _, err := Run(t.Context(), Options{Only: []string{"earthquake"}}); err == nil {
		t.Error("an unknown scenario was run")
	}
}

// A drill that is interrupted ends what it has started.
func TestInterrupted(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	_, err := Run(ctx, Options{Only: []string{noFault}, Progress: func(line string) {
		if strings.HasPrefix(line, "scenario") {
			cancel()
		}
	}})
	if !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

func TestReport(t *testing.T) {
	good := Result{Fault: "none", About: "nothing", Sent: 7, Acked: 7, AckP99: 12.4, Staleness: 1234}
	bad := Result{Fault: "flood", About: "water", Strikes: 3}
	bad.violated("seq 3 is gone", "1s  alice  ack g seq 3")
	broken := Result{Fault: "quake", Error: "no ground"}
	r := Report{Seed: 5, Results: []Result{good, bad, broken}}
	var text, whole bytes.Buffer
	if err := errors.Join(r.WriteText(&text), r.WriteJSON(&whole)); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"| none  | nothing", "| 1.2 s ", "| 12 ms ", "| FAIL ", "| error ", "flood: seq 3 is gone\n    1s  alice", "did not work: no ground"} {
		if !strings.Contains(text.String(), want) {
			t.Errorf("no %q in\n%s", want, &text)
		}
	}
	if r.OK() || !strings.Contains(whole.String(), `"violations": 1`) {
		t.Errorf("%s", &whole)
	}
	if r.Results = r.Results[:1]; !r.OK() {
		t.Error("a good result is not ok")
	}
	lines := strings.Split(text.String(), "\n")
	for _, line := range lines[1:5] {
		if len([]rune(line)) != len([]rune(lines[0])) {
			t.Errorf("the table is not aligned:\n%s", &text)
		}
	}
}
