package main

import (
	"regexp"
	"strings"
)

// cell is a field of a table.
type cell struct {
	text  string
	below string                   // stands below it; is to be typed, and stays whole where there is room
	right bool                     // aligned to the right
	paint func(text string) markup // nil: plain
}

func left(text string) cell  { return cell{text: text} }
func right(text string) cell { return cell{text: text, right: true} }

// How tables are made to fit: what stands in the last column at the least, before it
// goes below, and how far that is indented.
const (
	leastLast = 24
	hanging   = 4
)

// table adds lines whose cells stand below one another.
func (p *page) table(rows [][]cell) {
	for _, lines := range p.lay(rows, p.width) {
		for _, line := range lines {
			p.line("%s", line)
		}
	}
}

// lay gives the lines of each row of a table. One that is wider than the limit gets
// its last column broken between words; where even then there is no room, the columns
// that are too many stand on lines below. Zero is no limit.
func (p *page) lay(rows [][]cell, limit int) [][]markup {
	var widths []int
	for _, row := range rows {
		for i, c := range row {
			if i == len(widths) {
				widths = append(widths, 0)
			}
			widths[i] = max(widths[i], textWidth(oneLine(c.text)))
		}
	}
	tiers, room := divide(widths, limit)
	all := make([][]markup, 0, len(rows))
	for _, row := range rows {
		var lines []markup
		for i, g := range tiers {
			if part := row[min(g.from, len(row)):min(g.to, len(row))]; !isEmpty(part) {
				lines = append(lines, p.layPart(part, widths[g.from:g.to], g.indent, lastRoom(i, tiers, room))...)
			}
		}
		all = append(all, lines)
	}
	return all
}

// tier is the columns that stand on one line.
type tier struct{ from, to, indent int }

// divide shares columns among lines, and tells how wide the last one may be; 0: as wide as it is.
func divide(widths []int, limit int) (tiers []tier, room int) {
	last, used := len(widths)-1, 0
	g := tier{}
	for i, w := range widths {
		if i == last {
			w = min(w, leastLast)
		}
		if limit > 0 && i > g.from && used+w > limit {
			g.to = i
			tiers = append(tiers, g)
			g, used = tier{from: i, indent: hanging}, hanging
		}
		used += w + 2
	}
	g.to = len(widths)
	tiers = append(tiers, g)
	if limit == 0 || last < 0 {
		return tiers, 0
	}
	return tiers, max(limit-(used-2-min(widths[last], leastLast)), 1)
}

func lastRoom(i int, tiers []tier, room int) int {
	if i == len(tiers)-1 {
		return room
	}
	return 0
}

func isEmpty(part []cell) bool {
	for _, c := range part {
		if c.text != "" || c.below != "" {
			return false
		}
	}
	return true
}

// layPart gives the lines of cells that stand beside one another.
func (p *page) layPart(part []cell, widths []int, indent, room int) (lines []markup) {
	var out strings.Builder
	out.WriteString(strings.Repeat(" ", indent))
	at := indent // where the cell begins
	var more []markup
	for i, c := range part {
		text := oneLine(c.text)
		if i == len(widths)-1 && room > 0 && textWidth(text) > room {
			pieces := p.fold(text, room)
			text = pieces[0]
			for _, piece := range pieces[1:] {
				more = append(more, markup(strings.Repeat(" ", at))+p.cell(c, piece))
			}
		}
		if c.below != "" {
			more = append(more, p.typed(c.below, at)...)
		}
		space := strings.Repeat(" ", max(widths[i]-textWidth(text), 0))
		if c.right {
			out.WriteString(space + string(p.cell(c, text)))
		} else {
			out.WriteString(string(p.cell(c, text)) + space)
		}
		out.WriteString("  ")
		at += widths[i] + 2
	}
	return append([]markup{markup(strings.TrimRight(out.String(), " "))}, more...)
}

func (p *page) cell(c cell, text string) markup {
	if c.paint != nil && text != "" {
		return c.paint(text)
	}
	return markup(harmless(text))
}

// typed gives the lines of what is to be typed, indented so far, or less where it would
// be wider than the terminal. It is broken only where no line could hold it.
func (p *page) typed(text string, indent int) (lines []markup) {
	pieces := []string{oneLine(text)}
	if p.width > 0 && indent+textWidth(text) > p.width {
		indent = hanging
		pieces = p.fold(text, max(p.width-indent, 1))
	}
	for _, piece := range pieces {
		lines = append(lines, markup(strings.Repeat(" ", indent)+harmless(piece)))
	}
	return lines
}

func oneLine(text string) string { return strings.ReplaceAll(text, "\n", " ") }

// fold breaks text between words into lines that are not wider; a word that is, within,
// but only in a terminal, which would break it otherwise.
func (p *page) fold(text string, width int) (lines []string) {
	for _, line := range wrap(text, width) {
		for p.width > 0 && textWidth(line) > width {
			first, rest := cut(line, width)
			if rest == "" {
				break // one character alone is wider
			}
			lines, line = append(lines, first), rest
		}
		lines = append(lines, line)
	}
	return lines
}

// parts adds what stands beside one another, three columns apart, on as many lines
// as it takes.
func (p *page) parts(all ...cell) {
	var out strings.Builder
	used := 0
	for i, c := range all {
		width := textWidth(c.text)
		switch {
		case i > 0 && p.width > 0 && used+3+width > p.width:
			out.WriteString("\n" + strings.Repeat(" ", hanging))
			used = hanging
		case i > 0:
			out.WriteString("   ")
			used += 3
		}
		out.WriteString(string(p.cell(c, oneLine(c.text))))
		used += width
	}
	p.line("%s", markup(out.String()))
}

// secondAt is where what stands apart from a verdict begins, if there is room.
const secondAt = 51

// apart adds a verdict and what stands apart from it, on one line; where that is wider
// than the terminal, on two.
func (p *page) apart(verdict, rest string) {
	gap := secondAt - textWidth(verdict)
	if p.width > 0 {
		gap = min(gap, p.width-textWidth(verdict)-textWidth(rest))
	}
	if p.width > 0 && gap < 1 {
		p.line("%s", p.bold(verdict))
		p.line("%s", rest)
		return
	}
	p.line("%s%s%s", p.bold(verdict), strings.Repeat(" ", max(gap, 1)), rest)
}

// prose is how wide text that is broken between words may be.
func (p *page) prose() int {
	if p.width > 0 {
		return p.width
	}
	return widest
}

func args0(args []any) any {
	if len(args) == 0 {
		return nil
	}
	return args[0]
}

// broken breaks a line that is wider than a terminal between words; colours take no
// room. One with a command stays whole, so that it can be copied.
func broken(line string, width int) string {
	if width == 0 || visible(line) <= width || strings.Contains(line, "varve ") {
		return line
	}
	var out strings.Builder
	used := 0
	gap := "" // the blanks before the next word
	for _, word := range strings.Split(line, " ") {
		if word == "" || visible(word) == 0 {
			gap += word + " "
			continue
		}
		if used > 0 && used+visible(gap)+visible(word) > width {
			gap = "\n" + strings.Repeat(" ", hanging) + strings.Trim(gap, " ")
			used = -1 // the line's end takes no room
		}
		out.WriteString(gap + word)
		used += visible(gap) + visible(word)
		gap = " "
	}
	return out.String() + strings.TrimRight(gap, " ")
}

// painted are the codes of colours.
var painted = regexp.MustCompile("\x1b\\[[0-9;]*m")

func visible(text string) int { return cells(painted.ReplaceAllString(text, "")) }
