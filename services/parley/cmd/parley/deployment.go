package main

import (
	"context"
	"flag"
	"fmt"
	"strings"

	"github.com/parley-chat/parley/pkg/auth"
	"github.com/parley-chat/parley/pkg/chat"
	"github.com/parley-chat/parley/services/parley/internal/allinone"
)

// deployment is where a running cluster is, and where tokens for it come from:
// what every tool that is pointed at one asks for.
type deployment struct {
	urls       string
	api        string
	ops        string
	secretFile string
	issuer     string
	audience   string
	command    string
}

// register declares the flags. without says what happens where no --urls are given.
func (d *deployment) register(fs *flag.FlagSet, without, ops string) {
	fs.StringVar(&d.urls, "urls", "", "gateways, separated by commas; default: "+without)
	fs.StringVar(&d.api, "api", "", "base of the REST API; default: the first gateway")
	fs.StringVar(&d.ops, "ops", "", ops)
	fs.StringVar(&d.secretFile, "secret-file", "", "sign tokens with the HS256 secret in this file; default: POST {api}/dev/token")
	fs.StringVar(&d.issuer, "jwt-issuer", "", "issuer of the tokens that are signed here")
	fs.StringVar(&d.audience, "jwt-audience", "", "audience of the tokens that are signed here")
	fs.StringVar(&d.command, "token-command", "", "a command that prints a token for the user that is its last argument")
}

// tokens chooses where tokens come from; api is where dev tokens are asked for.
func (d *deployment) tokens(api string) (func(context.Context, chat.User) (string, error), error) {
	switch {
	case d.secretFile != "":
		signer, err := signerOf(d.secretFile, d.issuer, d.audience)
		if err != nil {
			return nil, err
		}
		return func(_ context.Context, u chat.User) (string, error) {
			return signer.Sign(auth.Identity{User: u}, allinone.DevTokenTTL)
		}, nil
	case d.command != "":
		return func(ctx context.Context, u chat.User) (string, error) { return commandToken(ctx, d.command, u) }, nil
	}
	return func(ctx context.Context, u chat.User) (string, error) { return devToken(ctx, api, u) }, nil
}

// commas splits a list of addresses.
func commas(s string) (list []string) {
	for u := range strings.SplitSeq(s, ",") {
		if u = strings.TrimSpace(u); u != "" {
			list = append(list, u)
		}
	}
	return list
}

// noArguments refuses what stands behind the flags.
func noArguments(args []string) error {
	if len(args) > 0 {
		return fmt.Errorf("unexpected argument %q", args[0])
	}
	return nil
}
