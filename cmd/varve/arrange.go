package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"varve/internal/human"
)

// line is what a person typed, put in the order in which urfave/cli can parse it:
// it stops looking for flags at the first word that is none.
type line struct {
	command *command // nil if none is named
	words   []string // global flags, the command's name, its flags, "--", its arguments
	help    bool     // -h or --help was among them
}

// arrange sorts words. Every flag may stand anywhere after the command's name,
// global ones before it too; "--" ends the flags, and "-" alone is an argument.
// A flag that is not known is a [*usageError], never data.
func arrange(words []string, globals []cli.Flag, commands []*command) (line, error) {
	var l line
	known := table(nil, globals, true)
	var global, own, args []string
	flagsEnded := false
	for len(words) > 0 {
		word := words[0]
		words = words[1:]
		switch {
		case l.command == nil && (word == "--version" || word == "-V"):
			l.command = find(commands, "version")
		case flagsEnded || word == "-" || !strings.HasPrefix(word, "-"):
			if l.command != nil {
				args = append(args, word)
				continue
			}
			if l.command = find(commands, word); l.command == nil {
				return l, &usageError{Text: "unknown command " + quote(word), Near: nearest(word, commands)}
			}
			known = table(known, l.command.flags, false)
		case word == "--":
			flagsEnded = true
		case word == "-h" || word == "--help":
			l.help = true
		default:
			settings, rest, err := known.read(word, words)
			if err != nil {
				return l, l.blame(err)
			}
			words = rest
			for _, set := range settings {
				if set.global {
					global = append(global, set.word)
				} else {
					own = append(own, set.word)
				}
			}
		}
	}
	if l.command != nil {
		l.words = slices.Concat(global, []string{l.command.name}, own, []string{"--"}, args)
	}
	return l, nil
}

// blame adds to a usage error whose usage it is.
func (l line) blame(err *usageError) error {
	if l.command != nil {
		err.Command, err.Usage = l.command.name, l.command.usage()
	}
	return err
}

// flagTable knows flags by each of their names.
type flagTable map[string]knownFlag

type knownFlag struct {
	name       string // the first
	takesValue bool
	global     bool
}

// setting is a flag as urfave/cli takes it, in one word.
type setting struct {
	word   string
	global bool
}

func table(known flagTable, flags []cli.Flag, global bool) flagTable {
	t := flagTable{}
	for name, f := range known {
		t[name] = f
	}
	for _, f := range flags {
		doc, isDocumented := f.(cli.DocGenerationFlag)
		for _, name := range f.Names() {
			t[name] = knownFlag{name: f.Names()[0], takesValue: isDocumented && doc.TakesValue(), global: global}
		}
	}
	return t
}

// read reads one word of flags, and its value from the words that follow.
func (t flagTable) read(word string, rest []string) ([]setting, []string, *usageError) {
	if !strings.HasPrefix(word, "--") {
		return t.readShort(word, rest)
	}
	name, value, hasValue := strings.Cut(word[2:], "=")
	f, found := t[name]
	if !found || len(name) == 1 {
		return nil, nil, &usageError{Text: "unknown flag --" + name, Near: t.nearest(name)}
	}
	if f.takesValue && !hasValue {
		if err := checkValue("--"+name, rest); err != nil {
			return nil, nil, err
		}
		value, hasValue, rest = rest[0], true, rest[1:]
	}
	return []setting{f.set(value, hasValue)}, rest, nil
}

// readShort reads -q, -n 5, -n5, -n=5 and -qv.
func (t flagTable) readShort(word string, rest []string) ([]setting, []string, *usageError) {
	letters, _, _ := strings.Cut(word[1:], "=")
	if _, isLong := t[letters]; isLong && len(letters) > 1 {
		return nil, nil, &usageError{Text: "unknown flag " + word, Near: "--" + letters}
	}
	var settings []setting
	for i, letter := range word[1:] {
		f, found := t[string(letter)]
		if !found {
			return nil, nil, &usageError{Text: "unknown flag -" + string(letter) + inWord(word)}
		}
		after := word[1+i+len(string(letter)):]
		value, hasEquals := strings.CutPrefix(after, "=")
		switch {
		case f.takesValue && after == "":
			if err := checkValue("-"+string(letter), rest); err != nil {
				return nil, nil, err
			}
			return append(settings, f.set(rest[0], true)), rest[1:], nil
		case f.takesValue || hasEquals:
			return append(settings, f.set(value, true)), rest, nil
		}
		settings = append(settings, f.set("", false))
	}
	return settings, rest, nil
}

// checkValue refuses a value that is missing, or that looks like the flag after it.
func checkValue(flag string, rest []string) *usageError {
	switch {
	case len(rest) == 0:
		return &usageError{Text: "flag " + flag + " needs a value"}
	case len(rest[0]) > 1 && rest[0][0] == '-':
		return &usageError{
			Text: fmt.Sprintf("flag %s needs a value; one that begins with - is written %s=%s", flag, flag, rest[0]),
		}
	}
	return nil
}

func (f knownFlag) set(value string, hasValue bool) setting {
	word := "--" + f.name
	if hasValue {
		word += "=" + value
	}
	return setting{word: word, global: f.global}
}

func inWord(word string) string {
	if len(word) > 2 {
		return " in " + quote(word)
	}
	return ""
}

// nearest is the flag that was perhaps meant.
func (t flagTable) nearest(name string) string {
	var names []string
	for other := range t {
		if len(other) > 1 {
			names = append(names, other)
		}
	}
	return prefixed("--", human.Nearest(name, names))
}

// nearest is the command that was perhaps meant.
func nearest(name string, commands []*command) string {
	return prefixed("varve ", human.Nearest(name, offered(commands)))
}

// wantsJSON looks for --json before anything is parsed: a usage error is to be
// told in JSON too.
func wantsJSON(words []string) bool {
	for _, word := range words {
		switch word {
		case "--":
			return false
		case "--json", "--json=true":
			return true
		}
	}
	return false
}
