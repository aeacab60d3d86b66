// Package config is how binaries are told what to do: flags, and environment
// variables of the same names. --mongo-uri is PARLEY_MONGO_URI; a flag wins over
// its variable, an empty variable counts as not set.
//
// What several binaries have in common is in groups ([Listen], [Mongo], …), so
// that a setting has one name, one help text and one check everywhere:
//
//	var c struct {
//		config.Listen
//		config.Mongo
//	}
//	flags := config.New("history", "serves the REST API", &c.Listen, &c.Mongo)
//	if err := flags.Parse(os.Args[1:]); err != nil {
//		return flags.Report(err, os.Stdout, os.Stderr) // the exit code
//	}
package config

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"strings"

	"github.com/peterbourgon/ff/v3"
)

// prefix begins the name of every environment variable.
const prefix = "PARLEY"

// EnvName is the environment variable of a flag.
func EnvName(flagName string) string {
	return prefix + "_" + strings.ToUpper(strings.ReplaceAll(flagName, "-", "_"))
}

// Group is settings that belong together. Its fields are filled in by
// [Flags.Parse]; what they hold before are the defaults where the group has none
// of its own.
type Group interface {
	// Register declares the flags.
	Register(fs *flag.FlagSet)
	// Validate says what must be set, or set otherwise. It does not block, and its
	// errors contain no secret.
	Validate() error
}

// Flags are the settings of one binary.
type Flags struct {
	name, about string
	groups      []Group
	fs          *flag.FlagSet
}

// New makes the flags of a binary, or of one of its commands ("parley up"), of
// which about says in one sentence what it does.
func New(name, about string, groups ...Group) *Flags {
	f := &Flags{name: name, about: about, groups: groups, fs: flag.NewFlagSet(name, flag.ContinueOnError)}
	f.fs.SetOutput(io.Discard) // Report speaks
	f.fs.Usage = func() {}
	for _, g := range groups {
		g.Register(f.fs)
	}
	return f
}

// FlagSet is for settings that only this binary has. They get environment
// variables like all others.
func (f *Flags) FlagSet() *flag.FlagSet { return f.fs }

// usageError is a command line or environment that cannot be understood.
type usageError struct{ text string }

func (e *usageError) Error() string { return e.text }

// Parse reads the command line, without the program's name, and the environment,
// and checks all groups. The error is for [Flags.Report].
func (f *Flags) Parse(args []string) error {
	err := ff.Parse(f.fs, args, ff.WithEnvVarPrefix(prefix))
	switch {
	case errors.Is(err, flag.ErrHelp):
		return flag.ErrHelp
	case err != nil:
		return &usageError{f.explain(err)}
	case f.fs.NArg() > 0:
		return &usageError{fmt.Sprintf("unexpected argument %q: settings are --name value or --name=value", f.fs.Arg(0))}
	}
	var errs []error
	for _, g := range f.groups {
		errs = append(errs, g.Validate())
	}
	return errors.Join(errs...)
}

// explain turns the flag package's errors into a hint.
func (f *Flags) explain(err error) string {
	text := err.Error()
	if inner := errors.Unwrap(err); inner != nil {
		text = inner.Error()
	}
	name, unknown := strings.CutPrefix(text, "flag provided but not defined: -")
	if !unknown {
		return text
	}
	text = "unknown flag --" + name
	if near := f.nearest(name); near != "" {
		text += "; did you mean --" + near + "?"
	}
	return text
}

// The exit codes of [Flags.Report].
const (
	ExitOK    = 0
	ExitError = 1
	ExitUsage = 2
)

// Report tells the user about an error of [Flags.Parse] and returns the exit code:
// the help on stdout and [ExitOK] where it was asked for; else a line per
// problem and [ExitUsage].
func (f *Flags) Report(err error, stdout, stderr io.Writer) (exitCode int) {
	if errors.Is(err, flag.ErrHelp) {
		f.Help(stdout)
		return ExitOK
	}
	for line := range strings.Lines(err.Error()) {
		fmt.Fprintf(stderr, "%s: %s\n", f.name, strings.TrimSuffix(line, "\n"))
	}
	fmt.Fprintf(stderr, "%s: all settings: %s --help\n", f.name, f.name)
	return ExitUsage
}
