package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/peterbourgon/ff/v3/ffcli"

	"github.com/parley-chat/parley/pkg/bus"
	"github.com/parley-chat/parley/pkg/config"
	"github.com/parley-chat/parley/pkg/store/mongostore"
	"github.com/parley-chat/parley/services/gateway"
	"github.com/parley-chat/parley/services/parley/internal/doctor"
)

func newStatusCmd() *ffcli.Command {
	return &ffcli.Command{Name: "status", ShortUsage: "parley status [flags]", ShortHelp: "list the gateways of a running cluster: sessions, users, journal, lag"}
}

// status lists the pods of a cluster: as one of them knows them, or as they are heard
// over NATS.
func status(ctx context.Context, args []string) error {
	var c struct {
		config.Mongo
		config.NATS
		ops    string
		asJSON bool
	}
	c.Mongo.Optional, c.NATS.Optional = true, true
	flags := config.New("parley status", "lists the gateways of a running cluster", &c.Mongo, &c.NATS)
	fs := flags.FlagSet()
	fs.StringVar(&c.ops, "ops", "http://localhost:9090", "ask the gateway with this operations port; not used where MongoDB and NATS are set")
	fs.BoolVar(&c.asJSON, "json", false, "print JSON")
	if err := flags.Parse(args); err != nil {
		return exitCode(flags.Report(err, os.Stdout, os.Stderr))
	}
	ctx, cancel := context.WithTimeout(ctx, 15*time.Second)
	defer cancel()
	var list []gateway.PodStatus
	var err error
	if c.URI != "" && c.URL != "" {
		list, err = heardPods(ctx, string(c.URI), bus.Options{URL: string(c.URL), Files: bus.Files(c.NATS.Files)})
	} else {
		list, err = askedPods(ctx, c.ops)
	}
	if err != nil {
		return err
	}
	if c.asJSON {
		return json.MarshalWrite(os.Stdout, list, jsontext.WithIndent("  "))
	}
	return writePods(os.Stdout, list)
}

// heardPods listens to the pods of the cluster whose data are there.
func heardPods(ctx context.Context, mongoURI string, nats bus.Options) ([]gateway.PodStatus, error) {
	in, err := mongostore.Inspect(ctx, mongostore.Options{URI: mongoURI})
	if err != nil {
		return nil, err
	}
	if in.Meta == nil {
		return nil, errors.New("no service has used this database yet")
	}
	nats.Name, nats.Cluster = "parley-status", in.Meta.Cluster
	return doctor.Listen(ctx, nats, 2*gateway.PodBeat+gateway.PodBeat/4)
}

// askedPods asks one pod for those that it knows.
func askedPods(ctx context.Context, ops string) ([]gateway.PodStatus, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, strings.TrimSuffix(ops, "/")+"/pods", nil)
	if err != nil {
		return nil, fmt.Errorf("ask for the pods: %w", err)
	}
	req.Close = true
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, fmt.Errorf("%w (name a gateway's operations port with --ops, or set --mongo-uri and --nats-url)", err)
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("ask for the pods: %s: is it the operations port of a gateway of this version?", res.Status)
	}
	var list []gateway.PodStatus
	if err := json.UnmarshalRead(io.LimitReader(res.Body, 4<<20), &list); err != nil {
		return nil, fmt.Errorf("read the pods: %w", err)
	}
	return list, nil
}

func writePods(w io.Writer, list []gateway.PodStatus) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "NAME\tPOD\tVERSION\tUP\tSESSIONS\tUSERS\tSYNCING\tPENDING\tJOURNAL\tOPEN\tLAG\tCERT\tSTATE")
	var sum gateway.PodStatus
	for _, s := range list {
		state := "serving"
		switch {
		case s.Draining:
			state = "draining"
		case s.Leaving > 0:
			state = fmt.Sprintf("%d leaving", s.Leaving)
		}
		up := (time.Duration(s.Up) * time.Millisecond).Truncate(time.Second)
		fmt.Fprintf(t, "%s\t%s\t%s\t%v\t%d\t%d\t%d\t%d\t%d\t%d\t%d\t%s\t%s\n",
			s.Name, s.Pod, s.Server, up, s.Sessions, s.Users, s.Syncing, s.Pending, s.Last, s.Open, s.Lag, certLeft(s.CertLeft), state)
		sum.Sessions += s.Sessions
		sum.Users += s.Users
		sum.Syncing += s.Syncing
	}
	fmt.Fprintf(t, "%d gateways\t\t\t\t%d\t%d\t%d\n", len(list), sum.Sessions, sum.Users, sum.Syncing)
	return t.Flush()
}

// certLeft is for how long a certificate is good, in whole days; "-": there is none.
func certLeft(seconds int64) string {
	switch {
	case seconds == 0:
		return "-"
	case seconds < 0:
		return "expired"
	}
	return fmt.Sprintf("%dd", seconds/(24*3600))
}
