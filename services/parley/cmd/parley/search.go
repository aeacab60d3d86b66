package main

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/peterbourgon/ff/v3/ffcli"

	"github.com/parley-chat/parley/pkg/config"
	"github.com/parley-chat/parley/services/history"
)

func newSearchCmd() *ffcli.Command {
	return &ffcli.Command{Name: "search", ShortUsage: "parley search rebuild [flags]", ShortHelp: "build the search index anew"}
}

// searchRebuild builds the search index anew from the log. That happens by itself
// where the data or the version of the index have changed; this is for an index
// that is damaged.
func searchRebuild(ctx context.Context, args []string) error {
	if len(args) == 0 || args[0] != "rebuild" {
		return errors.New(`the command is "parley search rebuild", with --data or --mongo-uri`)
	}
	var c struct {
		config.Mongo
		config.Data
	}
	c.Mongo.Optional = true
	flags := config.New("parley search rebuild", "builds the search index anew; searches find only a part until it is done", &c.Mongo, &c.Data)
	if err := flags.Parse(args[1:]); err != nil {
		return exitCode(flags.Report(err, os.Stdout, os.Stderr))
	}
	st, err := openStore(ctx, string(c.URI), c.Dir)
	if err != nil {
		return err
	}
	s := history.NewSearch(history.SearchOptions{Store: st})
	err = s.Rebuild(ctx, func(p history.SearchProgress) {
		fmt.Printf("%d conversations, %d messages\n", p.Conversations, p.Messages)
	})
	if err := errors.Join(err, st.Close()); err != nil {
		return err
	}
	fmt.Println("the search index is built")
	return nil
}
