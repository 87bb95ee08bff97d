package main

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"
)

// command is one of the things that varve does.
type command struct {
	name    string
	group   string     // the heading in the overview; empty: not shown there
	args    string     // VOLUME [SOURCE]: what is in brackets may be left out
	summary string     // one line
	about   string     // what it does, as paragraphs
	example string     // one or more lines to type, each with its comment
	codes   string     // exit codes besides the general ones
	answers []exitNote // exit codes instead of those; nil: the general ones
	flags   []cli.Flag
	asks    bool // its result is what was asked for: printed with --quiet too
	run     func(ctx context.Context, args []string) (result, error)
}

// result is what a command has to say: it encodes to JSON as it is, and prints
// itself for people.
type result interface{ print(p *page) }

// The groups of the overview, in its order.
const (
	everyDay = "EVERY DAY"
	areWe    = "ARE WE SAFE?"
	sources  = "SOURCES AND DAEMON"
	plumbing = "PLUMBING"

	keepAndDelete = "KEEP AND DELETE"
)

var groups = []string{everyDay, areWe, keepAndDelete, sources, plumbing}

// commands lists what this program can do, in the order of the overview.
func commands(s *session) []*command {
	return []*command{
		initCommand(s), backupCommand(s), logCommand(s), volumesCommand(s), diffCommand(s), showCommand(s), restoreCommand(s),
		lsCommand(s), cpCommand(s), mountCommand(s),
		statusCommand(s), checkCommand(s), historyCommand(s), notifyCommand(s), verifyCommand(s), scrubCommand(s), drillCommand(s),
		pinCommand(s), unpinCommand(s), tagCommand(s), distrustCommand(s),
		pruneCommand(s), rmCommand(s), undeleteCommand(s), gcCommand(s), renameCommand(s), retireCommand(s),
		discoverCommand(s), checkConfigCommand(s), snapshotsCommand(s), schedulerCommand(s), metricsCommand(s),
		mergeCommand(s), rebuildCommand(s), adoptCommand(s), versionCommand(), completionCommand(), helpCommand(s),
		probeLockCommand(), guardianCommand(s), serveImageCommand(s), roomCommand(s), completeCommand(s), manCommand(s), listSourcesCommand(s),
	}
}

// offered lists the names of the commands that people are shown.
func offered(commands []*command) (names []string) {
	for _, c := range commands {
		if c.group != "" {
			names = append(names, c.name)
		}
	}
	return names
}

func find(commands []*command, name string) *command {
	for _, c := range commands {
		if c.name == name {
			return c
		}
	}
	return nil
}

// forCLI gives the command to urfave/cli, which parses its flags and calls run.
func (c *command) forCLI(run func(ctx context.Context, args []string) error) *cli.Command {
	return &cli.Command{
		Name: c.name, Flags: c.flags, HideHelp: true, OnUsageError: misused,
		Action: func(cc *cli.Context) error {
			args := cc.Args().Slice()
			if err := c.checkArgs(args); err != nil {
				return err
			}
			return run(cc.Context, args)
		},
	}
}

// checkArgs refuses too few arguments, and surplus ones. Whether one that may be there many
// times may also be missing, the command knows.
func (c *command) checkArgs(args []string) error {
	names := strings.Fields(c.args)
	isMany := func(name string) bool { return strings.HasSuffix(name, "...") }
	switch n := len(names); {
	case n > 0 && isMany(names[n-1]):
		names = names[:n-1]
	case len(args) > n && !slices.ContainsFunc(names, isMany):
		return c.misuse("surplus argument %q", args[n])
	}
	for _, name := range names[min(len(args), len(names)):] {
		if !strings.HasPrefix(name, "[") {
			return c.misuse("%s is missing", name)
		}
	}
	return nil
}

// usage is the command's form, on one line.
func (c *command) usage() string {
	line := "varve " + c.name
	if c.args != "" {
		line += " " + c.args
	}
	if len(c.flags) > 0 {
		line += " [FLAGS]"
	}
	return line
}

func (c *command) misuse(format string, args ...any) error {
	return &usageError{Text: fmt.Sprintf(format, args...), Usage: c.usage(), Command: c.name}
}

// badValue is what urfave/cli says of a flag's value: the value, the flag, and why.
var badValue = regexp.MustCompile(`(?s)^invalid value (".*?") for flag -(\S+): (.*)$`)

// misused turns what urfave/cli says of a flag's value into an error of ours.
func misused(cc *cli.Context, err error, _ bool) error {
	e := &usageError{Text: err.Error()}
	if m := badValue.FindStringSubmatch(e.Text); m != nil {
		dash := "--"
		if len(m[2]) == 1 {
			dash = "-"
		}
		e.Text = fmt.Sprintf("bad value %s for %s%s: %s", m[1], dash, m[2], strings.TrimPrefix(m[3], "bad value "+m[1]+": "))
	}
	if cc.Command != nil && cc.Command.Name != "varve" {
		e.Command = cc.Command.Name
	}
	return e
}

// optional returns the argument at a place, or nothing.
func optional(args []string, i int) string {
	if i < len(args) {
		return args[i]
	}
	return ""
}
