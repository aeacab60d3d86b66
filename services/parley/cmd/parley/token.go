package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/peterbourgon/ff/v3"
	"github.com/peterbourgon/ff/v3/ffcli"

	"github.com/parley-chat/parley/pkg/auth"
	"github.com/parley-chat/parley/pkg/chat"
	"github.com/parley-chat/parley/services/parley/internal/allinone"
)

const (
	defaultURL = "http://localhost:8080"
	// tokenTime bounds one fetch of a token.
	tokenTime = 10 * time.Second
	// tokenBytes is the most that is read of an answer with a token.
	tokenBytes = 64 << 10
)

// fromEnv lets the environment set a flag: --url is PARLEY_URL.
var fromEnv = []ff.Option{ff.WithEnvVarPrefix("PARLEY")}

// newTokenCmd makes tokens for trying things out.
func newTokenCmd() *ffcli.Command {
	fs := flag.NewFlagSet("parley token", flag.ContinueOnError)
	var (
		ttl    = fs.Duration("ttl", 24*time.Hour, "how long the token lasts")
		ns     = fs.String("ns", "", "tenant (default "+string(chat.DefaultNS)+")")
		scope  = fs.String("scope", "", "scopes, separated by spaces; for instance "+auth.ScopeSendAny)
		issuer = fs.String("jwt-issuer", "", "issuer that the token names; default: none")
		aud    = fs.String("jwt-audience", "", "audience that the token names; default: none")
		secret = fs.String("secret-file", allinone.SecretFile("./data"), "file with the HS256 secret that the server checks tokens with")
		url    = fs.String("url", "", "ask this server for a dev token instead")
	)
	return &ffcli.Command{
		Name: "token", ShortUsage: "parley token <user> [flags]", ShortHelp: "print a token for a user", FlagSet: fs, Options: fromEnv,
		LongHelp: "Prints a token for a user, signed with the secret that \"parley up\" keeps in its data folder.",
		Exec: func(ctx context.Context, args []string) error {
			user, err := userAndFlags(fs, args)
			if err != nil {
				return err
			}
			if *url != "" {
				token, err := devToken(ctx, *url, user)
				if err != nil {
					return err
				}
				fmt.Println(token)
				return nil
			}
			signer, err := signerOf(*secret, *issuer, *aud)
			if err != nil {
				return err
			}
			token, err := signer.Sign(auth.Identity{User: user, NS: chat.NS(*ns), Scopes: strings.Fields(*scope)}, *ttl)
			if err != nil {
				return err
			}
			fmt.Println(token)
			return nil
		},
	}
}

// userAndFlags takes the user, and the flags that stand behind it: package flag
// stops at the first argument that is none.
func userAndFlags(fs *flag.FlagSet, args []string) (chat.User, error) {
	if len(args) == 0 {
		return "", flag.ErrHelp
	}
	if err := fs.Parse(args[1:]); err != nil {
		return "", err
	}
	if fs.NArg() > 0 {
		return "", fmt.Errorf("one user at a time, not %q, too", fs.Arg(0))
	}
	user := chat.User(args[0])
	if !user.Valid() {
		return "", fmt.Errorf("%q is not a user id", user)
	}
	return user, nil
}

func signerOf(file, issuer, audience string) (*auth.Signer, error) {
	opts, err := auth.LoadFiles(auth.FileOptions{HS256SecretFile: file})
	if errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("%w (start \"parley up\" in this folder first, or name the file with --secret-file)", err)
	}
	if err != nil {
		return nil, err
	}
	return auth.NewSigner(auth.SignerOptions{HS256Secret: opts.HS256Secret, Issuer: issuer, Audience: audience})
}

// devToken asks a server that gives tokens to anybody.
func devToken(ctx context.Context, url string, user chat.User) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, tokenTime)
	defer cancel()
	body, err := json.Marshal(map[string]chat.User{"user": user})
	if err != nil {
		return "", fmt.Errorf("encode request: %w", err)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, httpURL(url)+"/dev/token", strings.NewReader(string(body)))
	if err != nil {
		return "", fmt.Errorf("get a dev token: %w", err)
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return "", fmt.Errorf("get a dev token: %w", err)
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(resp.Body, tokenBytes))
	if err != nil {
		return "", fmt.Errorf("get a dev token: %w", err)
	}
	var out struct {
		Token string `json:"token"`
	}
	if resp.StatusCode != http.StatusOK || json.Unmarshal(answer, &out) != nil || out.Token == "" {
		return "", fmt.Errorf("get a dev token: the server answers %s; give a token with --token or PARLEY_TOKEN", resp.Status)
	}
	return out.Token, nil
}

// httpURL is the address of a gateway for HTTP, from one for sockets.
func httpURL(url string) string {
	url = strings.TrimSuffix(strings.TrimSuffix(strings.TrimSpace(url), "/"), "/v1/ws")
	if rest, ok := strings.CutPrefix(url, "ws"); ok && (strings.HasPrefix(rest, "://") || strings.HasPrefix(rest, "s://")) {
		return "http" + rest
	}
	return url
}

// commandToken runs a command with the user as its last argument; what it prints
// is the token.
func commandToken(ctx context.Context, command string, user chat.User) (string, error) {
	words := strings.Fields(command)
	if len(words) == 0 {
		return "", errors.New("the command that gives tokens is empty")
	}
	ctx, cancel := context.WithTimeout(ctx, tokenTime)
	defer cancel()
	out, err := exec.CommandContext(ctx, words[0], append(words[1:], string(user))...).Output()
	if err != nil {
		return "", fmt.Errorf("run %s: %w", words[0], err)
	}
	token := strings.TrimSpace(string(out))
	if token == "" {
		return "", fmt.Errorf("run %s: it printed no token", words[0])
	}
	return token, nil
}
