package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/peterbourgon/ff/v3/ffcli"

	"github.com/parley-chat/parley/pkg/auth"
	"github.com/parley-chat/parley/pkg/chat"
	"github.com/parley-chat/parley/pkg/config"
	"github.com/parley-chat/parley/pkg/lifecycle"
	"github.com/parley-chat/parley/pkg/ops"
	"github.com/parley-chat/parley/pkg/rest"
	"github.com/parley-chat/parley/services/parley/internal/devtoken"
)

// devTokensClose is what all cleanups of `parley dev-tokens` have together.
const devTokensClose = 10 * time.Second

// newDevTokensCmd is for the list of commands, as that of `parley up` is.
func newDevTokensCmd() *ffcli.Command {
	return &ffcli.Command{Name: "dev-tokens", ShortUsage: "parley dev-tokens [flags]", ShortHelp: "give anybody a token for any user: to try a deployment of services out, never for others to reach"}
}

// signing is how dev tokens are made.
type signing struct{ secretFile, issuer, audience string }

func (g *signing) Register(fs *flag.FlagSet) {
	fs.StringVar(&g.secretFile, "jwt-hs256-secret-file", "", "sign with the secret in this `file`, which gateways and history check tokens with")
	fs.StringVar(&g.issuer, "jwt-issuer", "", "`issuer` that tokens name; none: they name none")
	fs.StringVar(&g.audience, "jwt-audience", "", "`audience` that tokens name; none: they name none")
}

// Validate demands the secret: one that is made here would be nobody else's.
func (g *signing) Validate() error {
	if g.secretFile == "" {
		return fmt.Errorf("no secret to sign tokens with: set --jwt-hs256-secret-file or %s", config.EnvName("jwt-hs256-secret-file"))
	}
	return nil
}

// devTokens answers POST /dev/token, and nothing else, until ctx ends.
func devTokens(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	var c struct {
		config.Listen
		signing
	}
	flags := config.New("parley dev-tokens", "answers POST /dev/token with a token for any user, to whoever asks: it makes anybody anybody.\n"+
		"It is for trying out a deployment that only you can reach, behind a web with --dev-token-url; never\n"+
		"let others reach it, and never give it the key of a deployment that has users", &c.Listen, &c.signing)
	if err := flags.Parse(args); err != nil {
		return exitCode(flags.Report(err, stdout, stderr))
	}
	log := slog.New(slog.NewJSONHandler(stderr, nil))
	log.Info("starting", "version", version, "settings", flags)
	h, err := c.handler()
	if err != nil {
		return err
	}
	log.Warn("whoever reaches this address can be anybody")
	if err := serveDevTokens(ctx, &c.Listen, h, log); err != nil && ctx.Err() == nil {
		return err
	}
	return nil
}

// handler refuses other pages than its address's own, as `parley up` does.
func (g *signing) handler() (http.Handler, error) {
	keys, err := auth.LoadFiles(auth.FileOptions{HS256SecretFile: g.secretFile})
	if err != nil {
		return nil, err
	}
	signer, err := auth.NewSigner(auth.SignerOptions{HS256Secret: keys.HS256Secret, Issuer: g.issuer, Audience: g.audience})
	if err != nil {
		return nil, err
	}
	token := rest.Origins(nil).Handler(devtoken.Handler(func(user chat.User) (string, error) {
		return signer.Sign(auth.Identity{User: user}, devtoken.TTL)
	}))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != devtoken.Path {
			rest.Error(w, chat.Errorf(chat.CodeNotFound, "there is nothing here but "+devtoken.Path))
			return
		}
		token.ServeHTTP(w, r)
	}), nil
}

// serveDevTokens serves until ctx ends or a part fails, and takes everything down again.
func serveDevTokens(ctx context.Context, at *config.Listen, h http.Handler, log *slog.Logger) (err error) {
	stack := lifecycle.Stack{Log: log}
	defer func() {
		ctx, cancel := context.WithTimeout(context.Background(), devTokensClose)
		defer cancel()
		err = errors.Join(err, stack.Close(ctx))
	}()
	failed := make(chan error, 2)
	port := ops.New(ops.Options{Version: version, Logger: log})
	stack.Run("operations port", func(ctx context.Context) {
		if err := port.Serve(ctx, at.OpsAddr); err != nil {
			failed <- err
		}
	})
	ln, err := (&net.ListenConfig{}).Listen(ctx, "tcp", at.Addr)
	if err != nil {
		return fmt.Errorf("listen: %w", err)
	}
	stack.Add("http", rest.Start(rest.NewServer(h, log), ln, func(err error) { failed <- err }))
	stack.Add("readiness", func(context.Context) error { port.SetReady(false); return nil })
	port.SetReady(true)
	log.Info("ready", "listen", ln.Addr().String())
	select {
	case <-ctx.Done():
		return nil
	case err := <-failed:
		return err
	}
}
