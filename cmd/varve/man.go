package main

import (
	"context"
	"fmt"
	"runtime/debug"
	"strings"

	"github.com/urfave/cli/v2"

	"varve/config"
)

// manCommand prints what make install and packages put into section 1 of the
// manual: the same that help says, set for man(1).
func manCommand(s *session) *command {
	return &command{
		name: "__man", args: "[COMMAND]", asks: true,
		run: func(_ context.Context, args []string) (result, error) {
			all, globals := commands(s), s.globals.flags()
			if len(args) == 0 {
				return &manual{Text: overviewPage(all, globals)}, nil
			}
			if args[0] == "varve.yaml" {
				return &manual{Text: configPage()}, nil
			}
			c := find(all, args[0])
			if c == nil || c.group == "" {
				return nil, &usageError{Text: "unknown command " + quote(args[0]), Near: nearest(args[0], all)}
			}
			return &manual{Text: c.manPage(globals)}, nil
		},
	}
}

// roff sets text for man(1), with the macros of groff_man(7).
type roff struct{ strings.Builder }

func newRoff(title, section string) *roff {
	r := new(roff)
	fmt.Fprintf(&r.Builder, ".TH %s %s %q \"varve %s\" \"Varve\"\n", strings.ToUpper(roffText(title)), section, builtOn(), roffText(version))
	return r
}

// builtOn is the day of the commit that this was built from; without one, that of
// the format's making, so that the same source gives the same page.
func builtOn() string {
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, setting := range info.Settings {
			if day, _, found := strings.Cut(setting.Value, "T"); found && setting.Key == "vcs.time" {
				return day
			}
		}
	}
	return "2026-11-01"
}

// roffText keeps text from being commands: a backslash begins one anywhere, and a
// hyphen would become one of those that cannot be typed.
func roffText(text string) string {
	return strings.NewReplacer(`\`, `\e`, "-", `\-`, "~", `\(ti`, "^", `\(ha`, "`", `\(ga`, "'", `\(aq`).Replace(text)
}

// roffLine is a line of text; at its beginning, a dot begins a command.
func roffLine(text string) string {
	text = roffText(text)
	if strings.HasPrefix(text, ".") {
		text = `\&` + text
	}
	return text
}

func (r *roff) section(title string) { fmt.Fprintf(&r.Builder, ".SH %s\n", roffText(title)) }

// paragraphs sets text whose paragraphs are parted by empty lines. One that is
// indented stands as it is.
func (r *roff) paragraphs(text string) {
	for i, paragraph := range strings.Split(strings.TrimSpace(text), "\n\n") {
		if i > 0 {
			r.WriteString(".PP\n")
		}
		if strings.HasPrefix(paragraph, "  ") {
			r.literal(paragraph)
			continue
		}
		for line := range strings.Lines(paragraph + "\n") {
			r.WriteString(roffLine(strings.TrimSuffix(line, "\n")) + "\n")
		}
	}
}

// literal sets lines as they are.
func (r *roff) literal(text string) {
	r.WriteString(".nf\n")
	for line := range strings.Lines(text + "\n") {
		r.WriteString(roffLine(strings.TrimSuffix(line, "\n")) + "\n")
	}
	r.WriteString(".fi\n")
}

// item sets a term and what there is to say of it.
func (r *roff) item(term, text string) {
	fmt.Fprintf(&r.Builder, ".TP\n\\fB%s\\fR\n%s\n", roffText(term), roffLine(text))
}

func (r *roff) flags(flags []cli.Flag) {
	for _, f := range describeFlags(flags) {
		r.item(strings.TrimSpace(f.form), f.usage)
	}
}

func (c *command) manPage(globals []cli.Flag) string {
	r := newRoff("varve-"+c.name, "1")
	r.section("NAME")
	fmt.Fprintf(&r.Builder, "varve\\-%s \\- %s\n", roffText(c.name), roffText(c.summary))
	r.section("SYNOPSIS")
	r.WriteString(".B " + roffText(c.usage()) + "\n")
	r.section("DESCRIPTION")
	r.paragraphs(c.about)
	if len(c.flags) > 0 {
		r.section("OPTIONS")
		r.flags(c.flags)
	}
	r.section("OPTIONS OF ALL COMMANDS")
	r.flags(globals)
	r.section("EXIT STATUS")
	for _, code := range c.exitCodes() {
		r.item(code.number, code.meaning)
	}
	r.section("ENVIRONMENT")
	r.environment()
	r.section("EXAMPLES")
	r.literal(c.example)
	r.section("SEE ALSO")
	r.WriteString(".BR varve (1),\n.BR varve.yaml (5)\n")
	return r.String()
}

func (r *roff) environment() {
	for _, v := range environment {
		r.item(v.name, v.meaning)
	}
}

// overviewPage is varve(1).
func overviewPage(all []*command, globals []cli.Flag) string {
	r := newRoff("varve", "1")
	r.section("NAME")
	r.WriteString("varve \\- back up block devices and disk images, every night of them\n")
	r.section("SYNOPSIS")
	r.WriteString(".B varve COMMAND\n[ARGUMENTS] [FLAGS]\n")
	r.section("DESCRIPTION")
	r.paragraphs(purposeText)
	for _, group := range groups {
		r.section(group)
		for _, c := range all {
			if c.group == group {
				fmt.Fprintf(&r.Builder, ".TP\n.BR varve\\-%s (1)\n%s\n", roffText(c.name), roffLine(c.summary))
			}
		}
	}
	r.section("OPTIONS OF ALL COMMANDS")
	r.flags(globals)
	r.section("ENVIRONMENT")
	r.environment()
	r.section("EXAMPLES")
	r.literal(beginWith)
	r.section("SEE ALSO")
	r.WriteString(".BR varve.yaml (5)\n")
	return r.String()
}

// configPage is varve.yaml(5), from the table that the configuration is read by.
func configPage() string {
	r := newRoff("varve.yaml", "5")
	r.section("NAME")
	r.WriteString("varve.yaml \\- what varve backs up, when, and what this host can bear\n")
	r.section("SYNOPSIS")
	r.WriteString("The first of these that exists, whole: the file that\n.B \\-\\-config\nor\n.B VARVE_CONFIG\nnames,\n")
	r.WriteString(".IR $XDG_CONFIG_HOME/varve/varve.yaml ,\n.IR /etc/varve/varve.yaml .\n")
	r.section("DESCRIPTION")
	r.paragraphs(`YAML, of one document, without aliases. Sizes are written 4096, 200MiB or 10G
(binary), or 5GB (decimal); durations 90s, 15m, 6h, 7d or 4w; percentages 5%.

What a volume does not say, its group says, then the defaults, key by key. A
name with one * is a pattern of volumes; its source has one * too.

varve check-config says what is found in a file, and all that is wrong.`)
	r.section("KEYS OF THE HOST")
	volumes := false
	for _, key := range config.Reference() {
		if key.Under != nil && !volumes {
			volumes = true
			r.section("KEYS OF VOLUMES")
		}
		text := key.Text
		if key.Under != nil {
			text += " Stands under " + strings.Join(key.Under, ", ") + "."
		}
		if key.Default != "" {
			text += " Without it: " + key.Default + "."
		}
		if key.Example != "" {
			text += " Such as: " + key.Example
		}
		r.item(key.Path+" ("+key.Type+")", text)
	}
	r.section("FILES")
	r.item("/usr/share/doc/varve/varve.example.yaml", "an example of every key")
	r.section("SEE ALSO")
	r.WriteString(".BR varve (1),\n.BR varve\\-check\\-config (1)\n")
	return r.String()
}
