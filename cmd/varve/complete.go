package main

import (
	"context"
	"io"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/urfave/cli/v2"
)

// completeCommand is what the shells ask: the words up to the one to be completed,
// which comes last and may be empty. It answers with a word per line, which may be
// followed by a tab and what it means. A line that begins with a tab says that the
// names of files, or of directories, may stand there; finding them is for the shell.
func completeCommand(s *session) *command {
	return &command{
		name: "__complete", args: "WORD...", asks: true,
		run: func(_ context.Context, args []string) (result, error) {
			return &candidates{s.completeInTime(args)}, nil
		},
	}
}

// candidate is a word that may stand there, or a kind of them.
type candidate struct{ word, meaning string }

// What a shell finds by itself.
var (
	fileNames = []candidate{{"", "files"}}
	dirNames  = []candidate{{"", "directories"}}
)

type candidates struct{ list []candidate }

func (c *candidates) print(p *page) {
	for _, one := range c.list {
		p.line("%s%s", one.word, markup(prefixed("\t", harmless(oneLine(one.meaning)))))
	}
}

// patience is how long somebody who pressed a key is made to wait, at most.
const patience = 2 * time.Second

// completeInTime finds what the last word may become, and says nothing of what goes
// wrong: nobody reads that between two keys. Where the repository's disk hangs, it
// gives up.
func (s *session) completeInTime(words []string) []candidate {
	s.globals.quiet, s.log, s.stderr = true, slog.New(slog.DiscardHandler), &screen{w: io.Discard}
	found := make(chan []candidate, 1)
	go func() { found <- complete(s, words) }()
	select {
	case list := <-found:
		return list
	case <-time.After(patience):
		return nil
	}
}

// complete finds what the last word may become.
func complete(s *session, words []string) []candidate {
	if len(words) == 0 {
		return nil
	}
	c := &completion{s: s, word: words[len(words)-1], before: words[:len(words)-1], all: commands(s), globals: s.globals.flags()}
	s.configured = configured{} // that of these words
	s.settle(words)
	found := c.find()
	found = slices.DeleteFunc(found, func(one candidate) bool { return one.word != "" && !strings.HasPrefix(one.word, c.word) })
	return found
}

// completion is a line that is being typed.
type completion struct {
	s       *session
	word    string   // as far as it is typed
	before  []string // the words before it
	all     []*command
	globals []cli.Flag
	line    line // of the words before
}

func (c *completion) find() []candidate {
	var err error
	if c.line, err = arrange(c.before, c.globals, c.all); err != nil {
		return c.valueOfLast()
	}
	c.useRepository()
	name, value, hasValue := strings.Cut(c.word, "=")
	switch {
	case slices.Contains(c.before, "--"):
	case strings.HasPrefix(c.word, "--") && hasValue:
		return c.valueOf(c.flag(name), value, name+"=")
	case strings.HasPrefix(c.word, "-"):
		return c.flagWords()
	}
	if c.line.command == nil {
		return describe(c.all)
	}
	return c.argument()
}

// valueOfLast is for words whose last one is a flag that wants a value.
func (c *completion) valueOfLast() []candidate {
	last := len(c.before) - 1
	line, err := arrange(c.before[:last], c.globals, c.all)
	if err != nil || slices.Contains(c.before, "--") {
		return nil
	}
	c.line = line
	c.useRepository()
	name := c.before[last]
	if len(name) > 2 && !strings.HasPrefix(name, "--") {
		name = "-" + name[len(name)-1:] // -qr
	}
	return c.valueOf(c.flag(name), c.word, "")
}

// useRepository is for a repository that is named among the words.
func (c *completion) useRepository() {
	if repo := repoIn(c.line.words); repo != "" {
		c.s.globals.repo = repo
	}
}

// flags are those that may stand here.
func (c *completion) flags() []cli.Flag {
	if c.line.command == nil {
		return c.globals
	}
	return slices.Concat(c.line.command.flags, c.globals)
}

// flag finds a flag by how it is typed; nil: there is none.
func (c *completion) flag(typed string) cli.Flag {
	for _, f := range c.flags() {
		for _, name := range f.Names() {
			if dashed(name) == typed {
				return f
			}
		}
	}
	return nil
}

// flagWords are the flags, the short form of those that have no other.
func (c *completion) flagWords() (words []candidate) {
	for _, f := range c.flags() {
		for i, name := range f.Names() {
			if i > 0 && len(name) == 1 && c.word != "-"+name {
				continue
			}
			usage := ""
			if doc, isDocumented := f.(cli.DocGenerationFlag); isDocumented {
				_, usage = unquoteUsage(doc.GetUsage())
			}
			words = append(words, candidate{dashed(name), usage})
		}
	}
	slices.SortFunc(words, func(a, b candidate) int { return strings.Compare(a.word, b.word) })
	return words
}

// valueOf finds the values of a flag: the words that it takes if they are few, or
// what its usage calls the value.
func (c *completion) valueOf(f cli.Flag, typed, before string) (words []candidate) {
	doc, isDocumented := f.(cli.DocGenerationFlag)
	if !isDocumented || !doc.TakesValue() {
		return nil
	}
	what, _ := unquoteUsage(doc.GetUsage())
	if generic, is := f.(*cli.GenericFlag); is {
		if few, is := generic.Value.(*choice); is {
			what = strings.Join(few.of, "|")
		}
	}
	for _, one := range c.named(what, typed) {
		if one.word != "" {
			one.word = before + one.word
		}
		words = append(words, one)
	}
	return words
}

// argument finds what the next argument of the command may be.
func (c *completion) argument() []candidate {
	given := len(c.line.words) - 1 - slices.Index(c.line.words, "--")
	names := strings.Fields(c.line.command.args)
	for i, name := range names {
		if strings.HasSuffix(name, "...") && given > i { // any number of them; the last may be what comes after
			if i == len(names)-1 {
				given = i
				continue
			}
			return append(c.named(name, c.word), c.named(names[i+1], c.word)...)
		}
	}
	if given >= len(names) {
		return nil
	}
	return c.named(names[given], c.word)
}

// describe lists commands with what they do.
func describe(all []*command) (words []candidate) {
	for _, c := range all {
		if c.group != "" {
			words = append(words, candidate{c.name, c.summary})
		}
	}
	slices.SortFunc(words, func(a, b candidate) int { return strings.Compare(a.word, b.word) })
	return words
}

// repoIn finds the repository among words that were arranged.
func repoIn(words []string) (repo string) {
	for _, word := range words {
		if value, found := strings.CutPrefix(word, "--repo="); found {
			repo = value
		}
	}
	return repo
}
