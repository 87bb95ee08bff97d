package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"varve/internal/human"
)

// globalFlags may stand anywhere, before the command's name too.
type globalFlags struct {
	repo      string
	config    string
	json      bool
	quiet     bool
	verbose   bool
	logFormat choice
	color     choice
	progress  choice
	yes       bool
	wait      duration
}

func defaultGlobals() globalFlags {
	return globalFlags{
		logFormat: choice{value: "text", of: []string{"text", "json"}},
		color:     choice{value: "auto", of: []string{"auto", "always", "never"}},
		progress:  choice{value: "auto", of: []string{"auto", "always", "never", "json"}},
	}
}

func (g *globalFlags) flags() []cli.Flag {
	return []cli.Flag{
		&cli.StringFlag{Name: "repo", Aliases: []string{"r"}, EnvVars: []string{"VARVE_REPO"}, Destination: &g.repo,
			Usage: "the `DIRECTORY` of the repository"},
		&cli.StringFlag{Name: "config", EnvVars: []string{"VARVE_CONFIG"}, Destination: &g.config,
			Usage: "the configuration is `FILE`"},
		&cli.BoolFlag{Name: "json", Destination: &g.json, Usage: "print one JSON document and nothing else"},
		&cli.BoolFlag{Name: "quiet", Aliases: []string{"q"}, Destination: &g.quiet, Usage: "say nothing when all went well, and only warnings and errors else"},
		&cli.BoolFlag{Name: "verbose", Aliases: []string{"v"}, Destination: &g.verbose, Usage: "say more"},
		&cli.GenericFlag{Name: "log-format", Value: &g.logFormat, Usage: "`FORM` of log lines: text or json"},
		&cli.GenericFlag{Name: "color", Value: &g.color, Usage: "colours: `WHEN` is auto, always or never"},
		&cli.GenericFlag{Name: "progress", Value: &g.progress,
			Usage: "show progress: `WHEN` is auto, always, never or json"},
		&cli.BoolFlag{Name: "yes", Destination: &g.yes, Usage: "ask nothing: every answer is yes"},
		&cli.GenericFlag{Name: "wait", Value: &g.wait, DefaultText: "do not wait",
			Usage: "wait up to `DURATION` for what is locked"},
	}
}

// choice is a flag that takes one of a few words.
type choice struct {
	value string
	of    []string
}

// Set implements [flag.Value].
func (c *choice) Set(text string) error {
	if !slices.Contains(c.of, text) {
		return &human.ValueError{Text: text, Want: "want " + strings.Join(c.of, ", ")}
	}
	c.value = text
	return nil
}

func (c *choice) String() string { return c.value }

func (c *choice) is(value string) bool { return c.value == value }

// rootState is the state of what root runs.
const rootState = "/var/lib/varve"

// stateDir is where this host keeps what it knows of repositories; empty: nowhere.
func stateDir() string {
	if dir := os.Getenv("VARVE_STATE"); dir != "" {
		return dir
	}
	if os.Geteuid() == 0 {
		return rootState
	}
	if dir := os.Getenv("XDG_STATE_HOME"); filepath.IsAbs(dir) {
		return filepath.Join(dir, "varve")
	}
	if home, err := os.UserHomeDir(); err == nil {
		return filepath.Join(home, ".local", "state", "varve")
	}
	return ""
}

// wantsColor tells whether colours are welcome on a terminal.
func wantsColor() bool { return os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb" }

// isUTF8Locale tells whether more than ASCII can be shown.
func isUTF8Locale() bool {
	for _, name := range []string{"LC_ALL", "LC_CTYPE", "LANG"} {
		if value := os.Getenv(name); value != "" {
			value = strings.ToLower(value)
			return strings.Contains(value, "utf-8") || strings.Contains(value, "utf8")
		}
	}
	return false
}
