package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"text/tabwriter"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/peterbourgon/ff/v3/ffcli"

	"github.com/parley-chat/parley/pkg/auth"
	"github.com/parley-chat/parley/pkg/chat"
	"github.com/parley-chat/parley/pkg/client"
	"github.com/parley-chat/parley/pkg/wire"
	"github.com/parley-chat/parley/services/parley/internal/allinone"
)

// operatorFlags are where a cluster is, and how an operator proves to be one.
type operatorFlags struct {
	api, token, ns, secret, issuer, audience string
	asJSON                                   bool
}

func (o *operatorFlags) register(fs *flag.FlagSet) {
	fs.StringVar(&o.api, "api", defaultURL, "base of the REST API")
	fs.StringVar(&o.token, "token", "", "a token with the scope operator; default: one is signed with --secret-file")
	fs.StringVar(&o.ns, "ns", "", "tenant, of a token that is signed here (default "+string(chat.DefaultNS)+")")
	fs.StringVar(&o.secret, "secret-file", allinone.SecretFile("./data"), "file with the HS256 secret that the server checks tokens with")
	fs.StringVar(&o.issuer, "jwt-issuer", "", "issuer that a token which is signed here names; default: none")
	fs.StringVar(&o.audience, "jwt-audience", "", "audience that a token which is signed here names; default: none")
	fs.BoolVar(&o.asJSON, "json", false, "print JSON")
}

func (o *operatorFlags) operator() (*client.Operator, error) {
	token := o.token
	if token == "" {
		signer, err := signerOf(o.secret, o.issuer, o.audience)
		if err != nil {
			return nil, err
		}
		if token, err = signer.Sign(auth.Identity{User: "parley-jobs", NS: chat.NS(o.ns), Scopes: []string{auth.ScopeOperator}}, 5*time.Minute); err != nil {
			return nil, err
		}
	}
	return &client.Operator{URL: httpURL(o.api), Token: token}, nil
}

// newJobsCmd looks at work in the background, and decides about it.
func newJobsCmd() *ffcli.Command {
	return &ffcli.Command{
		Name: "jobs", ShortUsage: "parley jobs list|retry|cancel [flags]", ShortHelp: "list broadcasts, erasures and retention; give back or dismiss what has failed",
		LongHelp: "Broadcasts, erasures and retention are jobs: gateways do them in the background. One that fails\n" +
			"eleven times in a row is given up (failed) until somebody decides:\n\n" +
			"  parley jobs list --state failed    what was given up, why, and how far it is\n" +
			"  parley jobs retry <id>...          do it again, from where it is; also ends the pause of one that waits\n" +
			"  parley jobs cancel <id>...         end a broadcast; dismiss what has failed, of any kind\n\n" +
			"All of them can be repeated without harm.",
		FlagSet:     flag.NewFlagSet("parley jobs", flag.ContinueOnError),
		Subcommands: []*ffcli.Command{newJobsListCmd(), newJobsDecideCmd("retry"), newJobsDecideCmd("cancel")},
		Exec:        func(context.Context, []string) error { return flag.ErrHelp },
	}
}

func newJobsListCmd() *ffcli.Command {
	fs := flag.NewFlagSet("parley jobs list", flag.ContinueOnError)
	var o operatorFlags
	o.register(fs)
	state := fs.String("state", "", "only those that are waiting, running, done or failed")
	kind := fs.String("kind", "", "only those of a kind: broadcast, erasure, keep or sweep")
	order := fs.String("order", "newest", "newest: the latest due first; due: the earliest")
	limit := fs.Int("limit", 50, "jobs at most")
	return &ffcli.Command{
		Name: "list", ShortUsage: "parley jobs list [flags]", ShortHelp: "list jobs", FlagSet: fs, Options: fromEnv,
		LongHelp: "Lists jobs. DUE is when one that waits begins at the latest, when a running one is lost to another\ngateway, or when it ended.",
		Exec: func(ctx context.Context, args []string) error {
			if err := noArguments(args); err != nil {
				return err
			}
			if *order != "newest" && *order != "due" {
				return fmt.Errorf("--order is newest or due, not %q", *order)
			}
			op, err := o.operator()
			if err != nil {
				return err
			}
			list, err := listJobs(ctx, op, client.JobFilter{State: wire.JobState(*state), Kind: wire.JobKind(*kind), Due: *order == "due"}, *limit)
			if err != nil {
				return err
			}
			return o.print(os.Stdout, list)
		},
	}
}

// listJobs reads pages until it has as many as are wanted, or all.
func listJobs(ctx context.Context, op *client.Operator, f client.JobFilter, limit int) ([]wire.Job, error) {
	list := []wire.Job{}
	for len(list) < limit {
		f.Limit = min(limit-len(list), 50)
		page, err := op.Jobs(ctx, f)
		if err != nil {
			return nil, fmt.Errorf("list jobs: %w", err)
		}
		list = append(list, page.Items...)
		if f.Cursor = page.Next; f.Cursor == "" {
			break
		}
	}
	return list, nil
}

func newJobsDecideCmd(name string) *ffcli.Command {
	fs := flag.NewFlagSet("parley jobs "+name, flag.ContinueOnError)
	var o operatorFlags
	o.register(fs)
	cmd := &ffcli.Command{Name: name, ShortUsage: "parley jobs " + name + " [flags] <id>...", FlagSet: fs, Options: fromEnv}
	cmd.ShortHelp, cmd.LongHelp = "give jobs back that have failed", "Gives jobs back that have failed: a gateway goes on where each is, within seconds. One that waits to be\ntried again is tried now. One that runs, or is done, stays as it is."
	if name == "cancel" {
		cmd.ShortHelp, cmd.LongHelp = "end broadcasts, dismiss what has failed", "Ends broadcasts, after the messages that are under way: what is sent stays. Dismisses what has failed, of any\nkind: it cannot be given back any more. Erasures that go on are not ended."
	}
	cmd.Exec = func(ctx context.Context, args []string) error {
		if len(args) == 0 {
			return flag.ErrHelp
		}
		op, err := o.operator()
		if err != nil {
			return err
		}
		list := []wire.Job{}
		var failed error
		for _, id := range args {
			var j wire.Job
			var err error
			if name == "cancel" {
				j, err = op.CancelJob(ctx, chat.JobID(id))
			} else {
				j, err = op.RetryJob(ctx, chat.JobID(id), 0)
			}
			if err != nil {
				failed = errors.Join(failed, fmt.Errorf("%s %s: %w", name, id, err))
				continue
			}
			list = append(list, j)
		}
		return errors.Join(o.print(os.Stdout, list), failed)
	}
	return cmd
}

func (o *operatorFlags) print(w io.Writer, list []wire.Job) error {
	if o.asJSON {
		return json.MarshalWrite(w, list, jsontext.WithIndent("  "))
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "ID\tKIND\tSTATE\tPROGRESS\tTRIES\tCREATED\tDUE\tCREATOR\tFAILURE")
	for i := range list {
		j := &list[i]
		state := string(j.State)
		if j.Cancelled && j.State != wire.JobCancelled && j.Finished.IsZero() {
			state += ", cancelled"
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%d\t%s\t%s\t%s\t%s\n", j.ID, j.Kind, state, progressOf(j), j.Tries,
			j.Created.Format(time.RFC3339), j.Due.Format(time.RFC3339), j.Creator, j.Failure)
	}
	return t.Flush()
}

// progressOf is how far a job is, in a few words.
func progressOf(j *wire.Job) string {
	p := &j.Progress
	switch j.Kind {
	case wire.JobBroadcast:
		return fmt.Sprintf("%d of %d users, %d failed", p.Done, p.Total, p.Failed)
	case wire.JobErasure:
		return fmt.Sprintf("%s: %d conversations, %d messages", p.User, p.Done, p.Messages)
	}
	return string(p.Conv)
}
