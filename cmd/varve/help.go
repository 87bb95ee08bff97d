package main

import (
	"context"
	"fmt"
	"slices"
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

func (m *manual) print(p *page) { p.line("%s", markup(strings.TrimRight(m.Text, "\n"))) }

// What the overview says, here and on paper.
const (
	purposeText = `varve keeps block devices and disk images as they were, every night of them: it
reads a volume, stores what changed since the last time as a new revision, and
gives any revision back.

Every flag may stand anywhere after the command's name; "--" ends the flags.`
	beginWith = `varve init /srv/varve
varve -r /srv/varve backup NAME /dev/VOLUME
varve help backup`
)

// environment lists the variables that count.
var environment = []struct{ name, meaning string }{
	{"VARVE_REPO", "the repository, if --repo does not name it"},
	{"VARVE_CONFIG", "the configuration, if --config does not name it"},
	{"VARVE_STATE", "what this host keeps for itself (default: /var/lib/varve for root, otherwise " +
		"$XDG_STATE_HOME/varve or ~/.local/state/varve). It can be deleted at any time"},
	{"NO_COLOR", "if set: no colours"},
}

// overview lists the commands.
func overview(all []*command, globals []cli.Flag) *manual {
	var out strings.Builder
	out.WriteString(purposeText + "\n\nvarve COMMAND [ARGUMENTS] [FLAGS]\n")
	for _, group := range groups {
		fmt.Fprintf(&out, "\n%s\n", group)
		for _, c := range all {
			if c.group == group {
				fmt.Fprintf(&out, "  %-32s %s\n", strings.TrimSpace(c.name+" "+c.args), c.summary)
			}
		}
	}
	out.WriteString("\nFLAGS OF ALL COMMANDS\n")
	writeFlags(&out, globals)
	out.WriteString("\nENVIRONMENT\n")
	for _, v := range environment {
		lines := wrap(v.meaning, widest-15)
		fmt.Fprintf(&out, "  %-12s %s\n", v.name, strings.Join(lines, "\n               "))
	}
	out.WriteString("\nBEGIN WITH\n" + indented(beginWith))
	return &manual{Text: out.String()}
}

func indented(text string) string {
	var out strings.Builder
	for line := range strings.Lines(text + "\n") {
		out.WriteString("  " + line)
	}
	return out.String()
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
	out.WriteString("\nEXAMPLES\n" + indented(c.example) + "\nEXIT STATUS\n")
	for _, code := range c.exitCodes() {
		fmt.Fprintf(&out, "  %s  %s\n", code.number, code.meaning)
	}
	return &manual{Text: out.String()}
}

// exitNote says what an exit code means.
type exitNote struct{ number, meaning string }

// exitCodes explains how the command may end.
func (c *command) exitCodes() []exitNote {
	if c.answers != nil {
		return c.answers
	}
	codes := []exitNote{
		{"0", "done; warnings do not change it"}, {"1", "failed"},
		{"2", "wrong usage, or an unknown repository, volume or revision: nothing was done"},
		{"4", "busy: somebody else holds a lock"},
	}
	const indent = "\n     "
	last := 0
	for line := range strings.Lines(c.codes) {
		number, meaning, _ := strings.Cut(strings.TrimSuffix(line, "\n"), "  ")
		at, known := slices.BinarySearchFunc(codes, number, func(n exitNote, number string) int { return strings.Compare(n.number, number) })
		switch {
		case number == "": // it goes on
			codes[last].meaning += indent + strings.TrimSpace(meaning)
			continue
		case known:
			codes[at].meaning += ";" + indent + meaning
		default:
			codes = slices.Insert(codes, at, exitNote{number, meaning})
		}
		last = at
	}
	return append(codes, exitNote{"129 to 131, 143", "interrupted by SIGHUP, SIGINT, SIGQUIT or SIGTERM"})
}

// flagNote is a flag as it is explained.
type flagNote struct{ form, usage string }

func describeFlags(flags []cli.Flag) (notes []flagNote) {
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
		notes = append(notes, flagNote{form, usage})
	}
	return notes
}

// writeFlags lists flags with what they are without.
func writeFlags(out *strings.Builder, flags []cli.Flag) {
	for _, f := range describeFlags(flags) {
		fmt.Fprintf(out, "  %-32s %s\n", f.form, f.usage)
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
