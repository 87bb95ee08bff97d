package config

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v4"

	"varve/internal/human"
)

// decoder walks through a file by the table of keys, and notes what is wrong.
type decoder struct {
	path     string
	keys     []string // where it is
	problems []Problem
	more     int // problems that are not noted any more
}

func (d *decoder) add(line, column int, text string) {
	if len(d.problems) == maxProblems {
		d.more++
		return
	}
	d.problems = append(d.problems, Problem{Path: d.path, Line: line, Column: column, Key: strings.Join(d.keys, "."), Text: text})
}

// wrong reports what is wrong at a node.
func (d *decoder) wrong(n *yaml.Node, format string, args ...any) {
	d.add(n.Line, n.Column, fmt.Sprintf(format, args...))
}

// within does something one key deeper.
func (d *decoder) within(key string, do func()) {
	d.keys = append(d.keys, short(key))
	do()
	d.keys = d.keys[:len(d.keys)-1]
}

func (d *decoder) failure() *Error {
	slices.SortStableFunc(d.problems, func(a, b Problem) int {
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column))
	})
	if d.more > 0 {
		d.problems = append(d.problems, Problem{Path: d.path, Text: fmt.Sprintf("and %d more problems", d.more)})
	}
	return &Error{Path: d.path, Problems: d.problems}
}

// pair is a key of a mapping, and what stands there.
type pair struct {
	name       string
	key, value *yaml.Node
}

// pairs reads a mapping whose keys are all different.
func (d *decoder) pairs(n *yaml.Node) []pair {
	if isNull(n) {
		return nil
	}
	if n.Kind != yaml.MappingNode {
		d.wrong(n, "want keys and values, not %s", describe(n))
		return nil
	}
	first := map[string]int{}
	var pairs []pair
	for i := 0; i+1 < len(n.Content); i += 2 {
		p := pair{key: n.Content[i], value: n.Content[i+1]}
		var ok bool
		if p.name, ok = d.text(p.key); !ok {
			continue
		}
		if line, again := first[p.name]; again {
			d.wrong(p.key, "the key %q stands in line %d already", short(p.name), line)
			continue
		}
		first[p.name] = p.key.Line
		pairs = append(pairs, p)
	}
	return pairs
}

// text reads a single value, as it is written.
func (d *decoder) text(n *yaml.Node) (string, bool) {
	switch {
	case isNull(n):
		d.wrong(n, "there is no value; leave the key out, or write one")
	case n.Kind != yaml.ScalarNode:
		d.wrong(n, "want a single value, not %s", describe(n))
	case strings.HasPrefix(n.Tag, "!") && !strings.HasPrefix(n.Tag, "!!"):
		d.wrong(n, "the tag %q means nothing here", short(n.Tag))
	case strings.ContainsRune(n.Value, 0):
		d.wrong(n, "there is a zero byte in the text")
	default:
		return n.Value, true
	}
	return "", false
}

// items reads a list.
func (d *decoder) items(n *yaml.Node) ([]*yaml.Node, bool) {
	if n.Kind != yaml.SequenceNode {
		d.wrong(n, "want a list such as [a, b], not %s", describe(n))
		return nil, false
	}
	return n.Content, true
}

// unknown reports a key that there is not.
func (d *decoder) unknown(p pair, names []string) {
	if len(d.problems) == maxProblems {
		d.more++ // nor is time spent on it
		return
	}
	text := fmt.Sprintf("unknown key %q", short(p.name))
	if near := human.Nearest(p.name, names); near != "" {
		text += fmt.Sprintf("; did you mean %q?", near)
	}
	d.wrong(p.key, "%s", text)
}

func isNull(n *yaml.Node) bool {
	return n == nil || n.Kind == yaml.ScalarNode && n.ShortTag() == "!!null"
}

// describe says what a node is. Aliases are refused where they stand: they could
// make a small file mean a huge one.
func describe(n *yaml.Node) string {
	switch {
	case isNull(n):
		return "nothing"
	case n.Kind == yaml.MappingNode:
		return "keys and values"
	case n.Kind == yaml.SequenceNode:
		return "a list"
	case n.Kind == yaml.AliasNode:
		return "an alias; aliases are not read, groups serve instead"
	}
	return fmt.Sprintf("%q", short(n.Value))
}

// short is text of a length that can be shown.
func short(text string) string {
	const most = 60
	if utf8.RuneCountInString(text) <= most {
		return text
	}
	return string([]rune(text)[:most]) + "..."
}
