package human

import "slices"

// longestWord bounds the work of [Nearest]: longer words are no typing errors.
const longestWord = 64

// Nearest finds the name that differs least from a word with a typing error or
// two in it; empty: none is near.
func Nearest(word string, names []string) string {
	if len(word) > longestWord {
		return ""
	}
	best, distance := "", 1+(len(word)+1)/3
	for _, name := range slices.Sorted(slices.Values(names)) {
		if d := editDistance(word, name); d < distance {
			best, distance = name, d
		}
	}
	return best
}

// editDistance counts the bytes to insert, remove or replace.
func editDistance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost = 1 + min(diagonal, row[j], row[j+1])
			}
			diagonal, row[j+1] = row[j+1], cost
		}
	}
	return row[len(b)]
}
