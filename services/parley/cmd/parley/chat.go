package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"runtime"
	"strings"

	"github.com/peterbourgon/ff/v3/ffcli"

	"github.com/parley-chat/parley/pkg/chat"
	"github.com/parley-chat/parley/pkg/client"
	"github.com/parley-chat/parley/pkg/wire"
	"github.com/parley-chat/parley/services/parley/internal/terminal"
)

// chatFlags are the flags of `parley chat`.
type chatFlags struct {
	as, to, conv string
	urls         string
	token        string
	device       string
	json, follow bool
}

// newChatCmd is the terminal client.
func newChatCmd() *ffcli.Command {
	var o chatFlags
	fs := flag.NewFlagSet("parley chat", flag.ContinueOnError)
	fs.StringVar(&o.as, "as", "", "who you are; needed where a dev token is fetched")
	fs.StringVar(&o.to, "to", "", "the user to talk to")
	fs.StringVar(&o.conv, "conv", "", "the conversation to talk in, instead of --to")
	fs.StringVar(&o.urls, "url", defaultURL, "gateways, separated by commas: another one is tried when one fails")
	fs.StringVar(&o.token, "token", "", "your token; default: a dev token from POST {url}/dev/token")
	fs.StringVar(&o.device, "device", "", `name of this device (default "terminal", for a pipe "pipe", with --json "script")`)
	fs.BoolVar(&o.json, "json", false, "for scripts: print every frame as a line, send frames or texts from standard input")
	fs.BoolVar(&o.follow, "follow", false, "with --json: stay after the end of standard input")
	return &ffcli.Command{
		Name: "chat", ShortUsage: "parley chat --as alice --to bob [flags]", ShortHelp: "chat in the terminal",
		LongHelp: "Chats with a user or in a conversation. From a pipe it sends every line, waits until all\n" +
			"are stored, and exits with 0, or with 1 if something was not.",
		FlagSet: fs, Options: fromEnv,
		Exec: func(ctx context.Context, args []string) error {
			if len(args) > 0 {
				return fmt.Errorf("unexpected argument %q", args[0])
			}
			return o.run(ctx)
		},
	}
}

func (o *chatFlags) run(ctx context.Context) error {
	t, err := o.options(ctx)
	if err != nil {
		return err
	}
	if o.json {
		return terminal.JSON(ctx, t)
	}
	return terminal.Chat(ctx, t)
}

// options checks the flags and makes of them what the terminal client needs.
func (o *chatFlags) options(ctx context.Context) (terminal.Options, error) {
	t := terminal.Options{
		Me: chat.User(o.as), To: chat.User(o.to), Conv: chat.ConvID(o.conv),
		In: os.Stdin, Out: os.Stdout, Err: os.Stderr, Follow: o.follow,
		Interactive: !o.json && isTerminal(os.Stdin) && isTerminal(os.Stdout),
	}
	switch {
	case o.to != "" && o.conv != "":
		return t, errors.New("--to or --conv, not both")
	case o.to == "" && o.conv == "" && !o.json:
		return t, errors.New("say whom to talk to: --to bob, or --conv")
	case o.to != "" && !t.To.Valid():
		return t, fmt.Errorf("--to %q is not a user id", o.to)
	case o.conv != "" && !t.Conv.Valid():
		return t, fmt.Errorf("--conv %q is not a conversation id", o.conv)
	case o.as == "" && o.token == "":
		return t, errors.New("say who you are: --as alice, or --token")
	case o.as != "" && !t.Me.Valid():
		return t, fmt.Errorf("--as %q is not a user id", o.as)
	}
	for u := range strings.SplitSeq(o.urls, ",") {
		if u = strings.TrimSpace(u); u != "" {
			t.Client.URLs = append(t.Client.URLs, u)
		}
	}
	t.Client.Device = o.deviceName(t.Interactive)
	t.Client.Info = wire.ClientInfo{Name: "parley chat", Version: version, Platform: runtime.GOOS}
	return t, o.identify(ctx, &t)
}

// identify sets where tokens come from, and what follows from the first one: who we
// are, and the id of a direct conversation. That the token is good, the server will
// say.
func (o *chatFlags) identify(ctx context.Context, t *terminal.Options) error {
	if len(t.Client.URLs) == 0 {
		return errors.New("--url is empty")
	}
	t.Client.Token = func(context.Context) (string, error) { return o.token, nil }
	if o.token == "" {
		t.Client.Token = func(ctx context.Context) (token string, err error) {
			for _, url := range t.Client.URLs {
				if token, err = devToken(ctx, url, t.Me); err == nil {
					break
				}
			}
			return token, err
		}
	}
	first, err := t.Client.Token(ctx)
	if err != nil {
		return err
	}
	user, ns := client.TokenClaims(first)
	if o.as != "" && user != "" && user != t.Me {
		return fmt.Errorf("the token is %s's, not %s's", user, o.as)
	}
	if user != "" {
		t.Me = user
	}
	if t.To != "" {
		t.Conv = chat.DirectID(ns, t.Me, t.To)
	}
	return nil
}

// deviceName keeps a terminal, a pipe and a script of one user apart: a device that
// connects again closes its older connection.
func (o *chatFlags) deviceName(interactive bool) chat.Device {
	switch {
	case o.device != "":
		return chat.Device(o.device)
	case o.json:
		return "script"
	case interactive:
		return "terminal"
	}
	return "pipe"
}

// isTerminal tells a terminal from a file or a pipe.
func isTerminal(f *os.File) bool {
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}
