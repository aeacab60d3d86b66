// Command parley-dashboard draws the dashboard of deploy/monitoring of a run that
// really happened: three gateways under load, one of them killed, NATS standing
// still for a while, then all restarted in turn. It asks the dashboard's own queries
// of Prometheus' own engine, and fails where a panel shows nothing.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/parley-chat/parley/services/parley/internal/observe"
	"github.com/parley-chat/parley/services/parley/internal/observe/show"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second Ctrl-C ends the process at once
	board := flag.String("board", "deploy/monitoring/parley.json", "the dashboard")
	out := flag.String("out", "docs/dashboard.svg", "the picture")
	o := show.Options{Progress: func(line string) { fmt.Fprintln(os.Stderr, line) }}
	flag.DurationVar(&o.Length, "length", 150*time.Second, "of the load")
	flag.Float64Var(&o.Rate, "rate", 400, "messages a second")
	flag.Parse()
	if err := run(ctx, *board, *out, o); err != nil {
		fmt.Fprintln(os.Stderr, "parley-dashboard:", err)
		os.Exit(1)
	}
}

// step is between two points of a line, rateInterval what Grafana would make of a
// scrape a second.
const (
	step         = 2 * time.Second
	rateInterval = 8 * time.Second
)

func run(ctx context.Context, board, out string, o show.Options) error {
	text, err := os.ReadFile(board)
	if err != nil {
		return fmt.Errorf("read the dashboard: %w", err)
	}
	b, err := observe.ParseBoard(text)
	if err != nil {
		return err
	}
	r, err := show.Record(ctx, o)
	if err != nil {
		return err
	}
	shown, err := b.Show(ctx, r.Recording, r.Start, r.End, step, rateInterval)
	if err != nil {
		return err
	}
	for _, s := range shown {
		if len(s.Lines) == 0 {
			err = errors.Join(err, fmt.Errorf("panel %q shows nothing", s.Title))
		}
	}
	violations := 0
	for _, n := range r.Report.Verdict.Counts {
		violations += n
	}
	f, cerr := os.Create(out)
	if cerr != nil {
		return errors.Join(err, fmt.Errorf("write the picture: %w", cerr))
	}
	p := observe.Picture{Title: "The dashboard, of a real run", Panels: shown, Marks: r.Marks, Start: r.Start, End: r.End,
		Subtitle: fmt.Sprintf("Three gateways, history, NATS and a store in memory on one machine, under parley verify: %d messages sent, %d acked, %d violations. One scrape a second.",
			r.Report.Sent, r.Report.Acked, violations)}
	return errors.Join(err, p.WriteSVG(f), f.Close())
}
