package revision

import (
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"
)

// A Glob is a pattern of volumes' names, as a shell knows them:
//
//	?       one character, but no "/"
//	*       any number of characters, but no "/"
//	**      any number of characters, "/" too
//	[a-z]   one of these characters; [!a-z] one of all others, but no "/"
//	\*      the character after the backslash as it is
//
// All of a name must match, not a part of it. The zero value matches nothing.
type Glob struct {
	text  string
	steps []globStep
}

// globStep matches one character, or any number of them.
type globStep struct {
	kind   globKind
	ranges []runeRange // of one
	not    bool        // of one: none of these, nor "/"
}

type globKind uint8

const (
	globOne     globKind = iota // a character out of ranges
	globAny                     // one character but "/"
	globMany                    // any number of them
	globThrough                 // any number of characters
)

type runeRange struct{ first, last rune }

// IsGlob tells whether text would be a pattern, not a name, where either may stand.
func IsGlob(text string) bool { return strings.ContainsAny(text, `*?[\`) }

// ParseGlob reads a pattern.
func ParseGlob(text string) (Glob, error) {
	bad := func(reason string) (Glob, error) {
		return Glob{}, fmt.Errorf("bad pattern %q: %s", text, reason)
	}
	switch {
	case text == "":
		return bad("it is empty")
	case !utf8.ValidString(text):
		return bad("it is not UTF-8")
	case strings.Contains(text, "@"):
		return bad(`a volume's name has no "@"`)
	}
	g := Glob{text: text}
	for rest := []rune(text); len(rest) > 0; {
		var step globStep
		var reason string
		if step, rest, reason = parseStep(rest); reason != "" {
			return bad(reason)
		}
		g.steps = append(g.steps, step)
	}
	return g, nil
}

func parseStep(rest []rune) (step globStep, after []rune, reason string) {
	switch c := rest[0]; {
	case c == '*' && len(rest) > 1 && rest[1] == '*':
		return globStep{kind: globThrough}, rest[2:], ""
	case c == '*':
		return globStep{kind: globMany}, rest[1:], ""
	case c == '?':
		return globStep{kind: globAny}, rest[1:], ""
	case c == '[':
		return parseClass(rest[1:])
	case c == '\\' && len(rest) == 1:
		return step, nil, `nothing follows the "\"`
	case c == '\\':
		return oneRune(rest[1]), rest[2:], ""
	default:
		return oneRune(c), rest[1:], ""
	}
}

func oneRune(c rune) globStep { return globStep{ranges: []runeRange{{c, c}}} }

// parseClass reads what follows a "[".
func parseClass(rest []rune) (step globStep, after []rune, reason string) {
	const open = `a "[" without its "]"`
	if len(rest) > 0 && (rest[0] == '!' || rest[0] == '^') {
		step.not, rest = true, rest[1:]
	}
	for first := true; ; first = false {
		if len(rest) == 0 {
			return step, nil, open
		}
		if rest[0] == ']' && !first { // first, it is one of the characters
			return step, rest[1:], ""
		}
		var r runeRange
		if r.first, rest = classRune(rest); rest == nil {
			return step, nil, open
		}
		r.last = r.first
		if len(rest) > 1 && rest[0] == '-' && rest[1] != ']' {
			if r.last, rest = classRune(rest[1:]); rest == nil {
				return step, nil, open
			}
		}
		if r.last < r.first {
			return step, nil, fmt.Sprintf("the range %c-%c is the wrong way round", r.first, r.last)
		}
		step.ranges = append(step.ranges, r)
	}
}

// classRune reads one character of a class; after is nil if there is none.
func classRune(rest []rune) (c rune, after []rune) {
	if rest[0] == '\\' {
		rest = rest[1:]
	}
	if len(rest) == 0 {
		return 0, nil
	}
	return rest[0], rest[1:]
}

// String is the text that was parsed.
func (g Glob) String() string { return g.text }

// Match tells whether a name has the form. It takes time in proportion to the
// product of both lengths at most.
func (g Glob) Match(name Name) bool {
	if len(g.steps) == 0 {
		return false
	}
	// at[i] tells that the first i steps match all characters so far.
	at := make([]bool, len(g.steps)+1)
	next := make([]bool, len(g.steps)+1)
	at[0] = true
	g.skip(at)
	for _, c := range string(name) {
		clear(next)
		for i, step := range g.steps {
			if !at[i] || !step.takes(c) {
				continue
			}
			if step.kind == globMany || step.kind == globThrough {
				next[i] = true
			} else {
				next[i+1] = true
			}
		}
		g.skip(next)
		at, next = next, at
	}
	return at[len(g.steps)]
}

// skip goes past steps that may match no character at all.
func (g Glob) skip(at []bool) {
	for i, step := range g.steps {
		if at[i] && (step.kind == globMany || step.kind == globThrough) {
			at[i+1] = true
		}
	}
}

func (s globStep) takes(c rune) bool {
	switch s.kind {
	case globThrough:
		return true
	case globMany, globAny:
		return c != '/'
	}
	for _, r := range s.ranges {
		if r.first <= c && c <= r.last {
			return !s.not
		}
	}
	return s.not && c != '/'
}

// Open is the part of a name that the pattern leaves open: from its first wildcard to its last, and so, of a pattern
// with one *, what that stands for. The name has to match. It is false if the pattern has no wildcard.
func (g Glob) Open(name Name) (part string, open bool) {
	first := slices.IndexFunc(g.steps, func(s globStep) bool { return !s.isLiteral() })
	if first < 0 {
		return "", false
	}
	last := len(g.steps) - 1
	for g.steps[last].isLiteral() {
		last--
	}
	runes := []rune(string(name))
	return string(runes[first : len(runes)-(len(g.steps)-1-last)]), true
}

// isLiteral tells whether one character alone matches.
func (s globStep) isLiteral() bool {
	return s.kind == globOne && !s.not && len(s.ranges) == 1 && s.ranges[0].first == s.ranges[0].last
}
