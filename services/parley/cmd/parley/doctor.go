package main

import (
	"context"
	"fmt"
	"os"

	"github.com/peterbourgon/ff/v3/ffcli"

	"github.com/parley-chat/parley/services/parley/internal/doctor"
)

func newDoctorCmd() *ffcli.Command {
	return &ffcli.Command{Name: "doctor", ShortUsage: "parley doctor [flags]", ShortHelp: "look at settings, keys, MongoDB, NATS and this machine, and say what to do"}
}

// examine takes the settings as the services do, from flags and the environment. It
// exits with 0 if all is well, 1 with warnings, 2 with failures.
func examine(ctx context.Context, args []string) error {
	var s doctor.Settings
	flags := s.Flags(os.Environ())
	if err := flags.Parse(args); err != nil {
		return exitCode(flags.Report(err, os.Stdout, os.Stderr))
	}
	if err := s.Complete(); err != nil {
		fmt.Fprintln(os.Stderr, "parley doctor:", err)
		return exitCode(2)
	}
	report := doctor.Run(ctx, &s)
	write := report.WriteText
	if s.JSON {
		write = report.WriteJSON
	}
	if err := write(os.Stdout); err != nil {
		return err
	}
	return exitCode(report.ExitCode())
}
