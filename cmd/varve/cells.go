package main

import (
	"unicode/utf8"

	"github.com/rivo/uniseg"
)

// textWidth is how many columns of a terminal text takes, once it is harmless.
func textWidth(text string) int { return cells(harmless(text)) }

// cells is how many columns of a terminal text takes: two for what is wide, as most
// of Chinese and Japanese is, none for what stands above another character, and what a
// terminal shows as one counts once, of however many characters it is made.
func cells(text string) int {
	for i := range len(text) {
		if text[i] >= utf8.RuneSelf {
			return uniseg.StringWidth(text)
		}
	}
	return len(text)
}

// cut parts text after what fits into so many columns, but not before the first
// character that can be seen.
func cut(text string, columns int) (first, rest string) {
	used, state, at := 0, -1, 0
	for at < len(text) {
		cluster, _, width, next := uniseg.FirstGraphemeClusterInString(text[at:], state)
		if used+width > columns && used > 0 {
			break
		}
		used, state, at = used+width, next, at+len(cluster)
	}
	return text[:at], text[at:]
}
