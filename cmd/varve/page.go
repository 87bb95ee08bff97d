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
	now     time.Time
}

// markup is text that is written as it is; all else is made harmless.
type markup string

// line adds a line. Arguments may come from anywhere.
func (p *page) line(format string, args ...any) {
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
	fmt.Fprintf(&p.text, format, args...)
	p.text.WriteByte('\n')
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

// cell is a field of a table.
type cell struct {
	text  string
	right bool                     // aligned to the right
	paint func(text string) markup // nil: plain
}

func left(text string) cell  { return cell{text: text} }
func right(text string) cell { return cell{text: text, right: true} }

// table adds lines whose cells stand below one another.
func (p *page) table(rows [][]cell) {
	for _, line := range p.lay(rows) {
		p.line("%s", line)
	}
}

// lay gives the lines of a table.
func (p *page) lay(rows [][]cell) (lines []markup) {
	var widths []int
	for _, row := range rows {
		for i, c := range row {
			if i == len(widths) {
				widths = append(widths, 0)
			}
			widths[i] = max(widths[i], textWidth(c.text))
		}
	}
	for _, row := range rows {
		var out strings.Builder
		for i, c := range row {
			if i > 0 {
				out.WriteString("  ")
			}
			text := markup(harmless(c.text))
			if c.paint != nil {
				text = c.paint(c.text)
			}
			space := strings.Repeat(" ", widths[i]-textWidth(c.text))
			switch {
			case c.right:
				out.WriteString(space + string(text))
			case i == len(row)-1:
				out.WriteString(string(text))
			default:
				out.WriteString(string(text) + space)
			}
		}
		lines = append(lines, markup(strings.TrimRight(out.String(), " ")))
	}
	return lines
}

// facts adds aligned lines of a name and what there is to say of it; those without
// anything are left out.
func (p *page) facts(pairs ...string) {
	for i := 0; i+1 < len(pairs); i += 2 {
		if pairs[i+1] != "" {
			p.line("%-13s %s", pairs[i], pairs[i+1])
		}
	}
}
