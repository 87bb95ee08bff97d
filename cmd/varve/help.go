package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/urfave/cli/v2"
)

func helpCommand(s *session) *command {
	return &command{
		name: "help", group: plumbing, args: "[COMMAND]", asks: true,
		summary: "explain a command",
		about:   "Explains COMMAND, or lists the commands.",
		example: "varve help backup",
		run: func(_ context.Context, args []string) (result, error) {
			all, globals := commands(s), s.globals.flags()
			if len(args) == 0 {
				return overview(all, globals), nil
			}
			c := find(all, args[0])
			if c == nil {
				return nil, &usageError{Text: "unknown command " + quote(args[0]), Near: nearest(args[0], all)}
			}
			return c.manual(globals), nil
		},
	}
}

// manual is a text that explains.
type manual struct {
	Text string `json:"text"`
}

func (m *manual) print(p *page) { p.line("%s", strings.TrimRight(m.Text, "\n")) }

// overview lists the commands.
func overview(all []*command, globals []cli.Flag) *manual {
	var out strings.Builder
	out.WriteString(`varve keeps block devices and disk images as they were, every night of them.

varve COMMAND [ARGUMENTS] [FLAGS]
`)
	for _, group := range []string{everyDay, areWe, plumbing} {
		fmt.Fprintf(&out, "\n%s\n", group)
		for _, c := range all {
			if c.group == group {
				fmt.Fprintf(&out, "  %-32s %s\n", strings.TrimSpace(c.name+" "+c.args), c.summary)
			}
		}
	}
	out.WriteString("\nFLAGS OF ALL COMMANDS\n")
	writeFlags(&out, globals)
	out.WriteString(`
ENVIRONMENT
  VARVE_REPO   the repository, if --repo does not name it
  VARVE_STATE  what this host keeps for itself (default: /var/lib/varve for root, otherwise
               $XDG_STATE_HOME/varve or ~/.local/state/varve). It can be deleted at any time
  NO_COLOR     if set: no colours

BEGIN WITH
  varve init /srv/varve
  varve -r /srv/varve backup NAME /dev/VOLUME
  varve help backup
`)
	return &manual{Text: out.String()}
}

// manual explains one command.
func (c *command) manual(globals []cli.Flag) *manual {
	var out strings.Builder
	fmt.Fprintf(&out, "varve %s - %s\n\n%s\n\n%s\n", c.name, c.summary, c.usage(), c.about)
	if len(c.flags) > 0 {
		out.WriteString("\nFLAGS\n")
		writeFlags(&out, c.flags)
	}
	out.WriteString("\nFLAGS OF ALL COMMANDS\n")
	writeFlags(&out, globals)
	out.WriteString("\nEXAMPLES\n")
	for line := range strings.Lines(c.example + "\n") {
		out.WriteString("  " + line)
	}
	out.WriteString(`
EXIT STATUS
  0  done; warnings do not change it
  1  failed
  2  wrong usage, or an unknown repository, volume or revision: nothing was done
`)
	if c.codes != "" {
		out.WriteString("  " + c.codes + "\n")
	}
	out.WriteString("  4  busy: somebody else holds a lock\n  129, 130 or 143  interrupted by SIGHUP, SIGINT or SIGTERM\n")
	return &manual{Text: out.String()}
}

// writeFlags lists flags with what they are without.
func writeFlags(out *strings.Builder, flags []cli.Flag) {
	for _, f := range flags {
		doc, isDocumented := f.(cli.DocGenerationFlag)
		if !isDocumented {
			continue
		}
		value, usage := unquoteUsage(doc.GetUsage())
		if d := defaultOf(f, doc); d != "" {
			usage += " (default: " + d + ")"
		}
		form := flagForm(f.Names())
		if doc.TakesValue() {
			form += " " + value
		}
		fmt.Fprintf(out, "  %-32s %s\n", form, usage)
	}
}

// flagForm writes a flag's names, the short one first.
func flagForm(names []string) string {
	if len(names) == 2 {
		return dashed(names[1]) + ", " + dashed(names[0])
	}
	if len(names[0]) == 1 {
		return dashed(names[0])
	}
	return "    " + dashed(names[0])
}

func dashed(name string) string {
	if len(name) == 1 {
		return "-" + name
	}
	return "--" + name
}

// defaultOf is the flag's default, if it says something.
func defaultOf(f cli.Flag, doc cli.DocGenerationFlag) string {
	if s, isString := f.(*cli.StringFlag); isString {
		return s.DefaultText
	}
	if !doc.TakesValue() {
		return ""
	}
	return doc.GetDefaultText()
}

// unquoteUsage takes the name of the value out of a flag's usage, where it stands
// in back quotes.
func unquoteUsage(usage string) (value, plain string) {
	before, rest, found := strings.Cut(usage, "`")
	value, after, closed := strings.Cut(rest, "`")
	if !found || !closed {
		return "VALUE", usage
	}
	return value, before + value + after
}
