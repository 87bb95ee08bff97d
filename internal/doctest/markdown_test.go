package doctest

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// A step is something of a document that is run.
type step struct {
	line         int    // where its text begins in the document
	script       string // for bash
	hidden       bool   // the reader does not see it
	cron         bool   // lines of a crontab
	file         string // not run: what is written to this file
	want         *string
	exit         int
	says         []*regexp.Regexp
	needs        []string
	illustrative string // not run, for this reason
}

// A document is a file of Markdown, taken apart.
type document struct {
	steps []step
	prose []prose // what is not run, but may speak of commands
}

// prose is a line that is not in a fenced block.
type prose struct {
	line int
	text string
}

const directive = "<!-- doctest:"

var fence = regexp.MustCompile("^( *)(```+)([a-z]*) *$")

// A parser is in the middle of a document.
type parser struct {
	lines []string
	at    int // the next line, from 0
	doc   document
	next  step // what directives said of the block to come
	said  int  // the line of the first of them; 0: none
	last  int  // which step the next block may be the output of, counted from 1; 0: none
}

// parse takes a document apart. It refuses what looks like it was meant to be run, and would not be.
func parse(text string) (document, error) {
	p := &parser{lines: strings.Split(text, "\n")}
	for p.at < len(p.lines) {
		if err := p.element(); err != nil {
			return document{}, err
		}
	}
	if p.said > 0 {
		return document{}, fmt.Errorf("line %d: a directive without a block", p.said)
	}
	return p.doc, nil
}

// element takes a directive, a fenced block, or a line of prose.
func (p *parser) element() error {
	line := p.lines[p.at]
	if strings.HasPrefix(line, directive) {
		return p.directive()
	}
	if m := fence.FindStringSubmatch(line); m != nil {
		return p.block(m[1], m[2], m[3])
	}
	p.at++
	if strings.TrimSpace(line) == "" {
		return nil
	}
	if p.said > 0 {
		return fmt.Errorf("line %d: a directive without a block", p.said)
	}
	p.last = 0
	p.doc.prose = append(p.doc.prose, prose{p.at, line})
	return nil
}

// directive takes a comment that says something of the next block, or is one.
func (p *parser) directive() error {
	begin := p.at + 1
	text := ""
	for ; ; p.at++ {
		if p.at == len(p.lines) {
			return fmt.Errorf("line %d: a comment without end", begin)
		}
		before, _, ended := strings.Cut(p.lines[p.at], "-->")
		text += before + "\n"
		if ended {
			p.at++
			break
		}
	}
	word, rest, _ := strings.Cut(strings.TrimSpace(strings.TrimPrefix(text, directive)), "\n")
	word, arg, _ := strings.Cut(strings.TrimSpace(word), " ")
	if word == "run" {
		p.doc.steps = append(p.doc.steps, step{line: begin + 1, script: rest, hidden: true})
		return nil
	}
	if p.said == 0 {
		p.said = begin
	}
	if rest != "" || arg == "" && word != "cron" {
		return fmt.Errorf("line %d: a directive that says too much or too little", begin)
	}
	return p.say(begin, word, arg)
}

func (p *parser) say(line int, word, arg string) (err error) {
	switch word {
	case "exit":
		p.next.exit, err = strconv.Atoi(arg)
	case "says":
		var re *regexp.Regexp
		re, err = regexp.Compile("(?m)" + arg)
		p.next.says = append(p.next.says, re)
	case "needs":
		p.next.needs = strings.Fields(arg)
	case "file":
		p.next.file = arg
	case "cron":
		p.next.cron = true
	case "illustrative:":
		p.next.illustrative = arg
	default:
		return fmt.Errorf("line %d: unknown directive %q", line, word)
	}
	if err != nil {
		return fmt.Errorf("line %d: %w", line, err)
	}
	return nil
}

// block takes a fenced block.
func (p *parser) block(indent, ticks, language string) error {
	begin := p.at + 1
	var body []string
	for p.at++; ; p.at++ {
		if p.at == len(p.lines) {
			return fmt.Errorf("line %d: a block without end", begin)
		}
		line := strings.TrimPrefix(p.lines[p.at], indent)
		if strings.TrimRight(line, " ") == ticks {
			p.at++
			break
		}
		body = append(body, line)
	}
	directed := p.said > 0
	s := p.next
	p.next, p.said = step{}, 0
	s.line, s.script = begin+1, strings.Join(body, "\n")+"\n"
	shell := language == "sh" || language == "console"
	last := p.last
	p.last = 0
	switch {
	case s.file != "" || s.cron:
		p.doc.steps = append(p.doc.steps, s)
	case language == "sh":
		p.doc.steps = append(p.doc.steps, s)
		p.last = len(p.doc.steps)
	case language == "console":
		return p.console(s, body)
	case directed:
		return fmt.Errorf("line %d: a directive for a block that is not run", begin)
	case last > 0 && language == "":
		p.doc.steps[last-1].want = &s.script
	}
	if !shell && s.file == "" && !s.cron && last == 0 && mentions.MatchString(s.script) {
		return fmt.Errorf("line %d: commands in a block that is not run: it is neither sh nor console", begin)
	}
	return nil
}

// mentions finds what looks like a line that is typed.
var mentions = regexp.MustCompile(`(?m)^(?:[#$] )?varve (?:-|[a-z-]+ [a-z@/'-]+|--[a-z]+)`)

// console takes a block apart into what is typed and what is printed. What directives
// say of the exit code and the output is said of the last command.
func (p *parser) console(s step, body []string) error {
	if len(body) == 0 || !strings.HasPrefix(body[0], "# ") {
		return fmt.Errorf("line %d: a console begins with a command, after \"# \"", s.line)
	}
	first := len(p.doc.steps)
	for i := 0; i < len(body); {
		one := step{line: s.line + i, illustrative: s.illustrative, needs: s.needs}
		one.script = strings.TrimPrefix(body[i], "# ") + "\n"
		for i++; strings.HasSuffix(one.script, "\\\n") && i < len(body); i++ {
			one.script += body[i] + "\n"
		}
		want := ""
		for ; i < len(body) && !strings.HasPrefix(body[i], "# "); i++ {
			want += body[i] + "\n"
		}
		if strings.TrimSpace(want) != "" {
			one.want = &want
		}
		p.doc.steps = append(p.doc.steps, one)
	}
	last := &p.doc.steps[len(p.doc.steps)-1]
	last.exit, last.says = s.exit, s.says
	if len(p.doc.steps) == first {
		return fmt.Errorf("line %d: an empty console", s.line)
	}
	return nil
}
