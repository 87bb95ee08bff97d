package doctest

import (
	"regexp"
	"strings"
)

// tokens take a line apart. What one of them matches is equal to whatever else the
// same one matches, but for the last, which is compared as it is.
var tokens = regexp.MustCompile(strings.Join([]string{
	`(?P<stamp>\d{4}-\d\d-\d\d(?:T\d\d:\d\d(?::\d\d)?(?:\.\d+)?Z?)?)`,
	`(?P<id>\d{8}T\d{6}Z-[a-z][0-9a-z]{3})`,
	`(?P<hash>\b[0-9a-f]{32,64}\b)`,
	`(?P<clock>\b\d+:\d\d(?::\d\d)?\b)`,
	`(?P<span>\b[\d.,]+ ?(?:ms|s|min|h|d|days?)\b(?: \d+ ?(?:min|h|s)\b)?)`,
	`(?P<size>\b[\d.,]+ (?:[KMGT]iB(?:/s)?|bytes?)\b|\b0\b|\bat byte [\d,]+)`,
	`(?P<day>\b(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)\b)`,
	`(?P<date>\b\d{1,2} (?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)\b)`,
	`(?P<short>\b[a-hjkmnp-tv-z][0-9a-hjkmnp-tv-z]{3}\b)`,
	`(?P<loop>/dev/loop\d+)`,
	`[A-Za-z]+|[0-9][0-9,.]*[0-9]|[0-9]|[^\sA-Za-z0-9]`,
}, "|"))

// tokensOf gives a line's words, those that may be others by their kind. An id may be
// only letters, so a word of four letters without i, l, o and u is taken for one.
func tokensOf(line string) (words []string) {
	for _, m := range tokens.FindAllStringSubmatch(line, -1) {
		word := m[0]
		for i, name := range tokens.SubexpNames() {
			if name != "" && m[i] != "" {
				word = "<" + name + ">"
			}
		}
		words = append(words, word)
	}
	return words
}

// agrees tells whether a line is what a document says of it.
func agrees(want, got string) bool {
	open := strings.HasSuffix(strings.TrimSpace(want), "...")
	want = strings.TrimSuffix(strings.TrimSpace(want), "...")
	w, g := tokensOf(want), tokensOf(got)
	if len(g) < len(w) || len(g) > len(w) && !open {
		return false
	}
	for i := range w {
		if w[i] != g[i] {
			return false
		}
	}
	return true
}

// prints tells whether an output is what a document says of it; if not, it gives the
// first line that the document has and the output has not.
func prints(want, got string) (missing string, ok bool) {
	return follow(linesOf(want), linesOf(got))
}

func follow(want, got []string) (missing string, ok bool) {
	for i, line := range want {
		if strings.TrimSpace(line) == "..." {
			for skip := range len(got) - i + 1 {
				if missing, ok = follow(want[i+1:], got[i+skip:]); ok {
					return "", true
				}
			}
			return missing, false
		}
		if i >= len(got) || !agrees(line, got[i]) {
			return line, false
		}
	}
	if len(got) > len(want) {
		return "(the end, before " + got[len(want)] + ")", false
	}
	return "", true
}

func linesOf(text string) (lines []string) {
	for line := range strings.Lines(text) {
		if strings.TrimSpace(line) != "" {
			lines = append(lines, strings.TrimRight(line, " \n"))
		}
	}
	return lines
}
