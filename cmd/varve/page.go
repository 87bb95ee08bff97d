package main

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"time"
)

// page is text for people in the making.
type page struct {
	text    bytes.Buffer
	color   bool
	unicode bool // more than ASCII can be shown
	terse   bool // nobody watches: one line if it went well
	width   int  // columns of the terminal; 0: it is none, and nothing is too wide
	now     time.Time
}

// markup is text that is written as it is; all else is made harmless.
type markup string

// line adds a line. Arguments may come from anywhere. What is wider than the terminal
// is broken between words, unless it is markup alone, which was laid out by somebody.
func (p *page) line(format string, args ...any) {
	if text, laidOut := args0(args).(markup); laidOut && format == "%s" {
		p.text.WriteString(string(text) + "\n")
		return
	}
	for i, arg := range args {
		switch a := arg.(type) {
		case markup:
			args[i] = string(a)
		case string:
			args[i] = harmless(a)
		case error:
			args[i] = harmless(a.Error())
		case fmt.Stringer:
			args[i] = harmless(a.String())
		}
	}
	for _, line := range strings.Split(fmt.Sprintf(format, args...), "\n") {
		p.text.WriteString(broken(line, p.width) + "\n")
	}
}

func (p *page) writeTo(w io.Writer) error {
	_, err := w.Write(p.text.Bytes())
	return err
}

func (p *page) paint(code, text string) markup {
	text = harmless(text)
	if !p.color {
		return markup(text)
	}
	return markup("\x1b[" + code + "m" + text + "\x1b[0m")
}

func (p *page) bold(text string) markup   { return p.paint("1", text) }
func (p *page) red(text string) markup    { return p.paint("1;31", text) }
func (p *page) yellow(text string) markup { return p.paint("33", text) }

// arrow stands before what can be typed next.
func (p *page) arrow() markup {
	if p.unicode {
		return "→"
	}
	return "->"
}

// factsAt is where what there is to say of a name begins.
const factsAt = 14

// facts adds aligned lines of a name and what there is to say of it; those without
// anything are left out. What has no name is to be typed.
func (p *page) facts(pairs ...string) {
	for i := 0; i+1 < len(pairs); i += 2 {
		if pairs[i+1] == "" {
			continue
		}
		if pairs[i] == "" {
			for _, line := range p.typed(pairs[i+1], factsAt) {
				p.line("%s", line)
			}
			continue
		}
		lines := []string{oneLine(pairs[i+1])}
		if room := p.width - factsAt; room > 0 && textWidth(lines[0]) > room {
			lines = p.fold(lines[0], room)
		}
		for k, line := range lines {
			p.line("%-*s %s", factsAt-1, map[bool]string{true: pairs[i]}[k == 0], line)
		}
	}
}
