package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"

	"github.com/peterbourgon/ff/v3/ffcli"

	"github.com/parley-chat/parley/pkg/config"
	"github.com/parley-chat/parley/pkg/store/mongostore"
	"github.com/parley-chat/parley/services/parley/internal/allinone"
	"github.com/parley-chat/parley/services/parley/pebblestore"
)

func newEpochCmd() *ffcli.Command {
	return &ffcli.Command{Name: "epoch", ShortUsage: "parley epoch new [flags]", ShortHelp: "begin a new epoch: a step of every restore from a backup"}
}

// epoch begins a new epoch, so that pods drop what they have cached and clients
// learn that the log may have lost its end.
func epoch(ctx context.Context, args []string) error {
	if len(args) == 0 || args[0] != "new" {
		return errors.New(`the command is "parley epoch new", with --data or --mongo-uri`)
	}
	var c struct {
		config.Mongo
		config.Data
	}
	c.Mongo.Optional = true
	flags := config.New("parley epoch new", "begins a new epoch after the data were restored from a backup", &c.Mongo, &c.Data)
	if err := flags.Parse(args[1:]); err != nil {
		return exitCode(flags.Report(err, os.Stdout, os.Stderr))
	}
	st, err := openStore(ctx, string(c.URI), c.Dir)
	if err != nil {
		return err
	}
	meta, err := st.NewEpoch(ctx)
	if err := errors.Join(err, st.Close()); err != nil {
		return err
	}
	fmt.Printf("cluster %s is in epoch %s: start or keep running the services, clients resync by themselves\n", meta.Cluster, meta.Epoch)
	return nil
}

// openStore opens the data of a cluster: in MongoDB if there is a URI, else in a
// data folder that no cluster may be using.
func openStore(ctx context.Context, uri, data string) (allinone.Store, error) {
	log := slog.New(slog.NewTextHandler(os.Stderr, nil))
	if uri != "" {
		return mongostore.Open(ctx, mongostore.Options{URI: uri, Logger: log})
	}
	return pebblestore.Open(pebblestore.Options{Dir: filepath.Join(data, "store"), Logger: log})
}
