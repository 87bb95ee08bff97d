package main

import (
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestTables(t *testing.T) {
	t.Parallel()
	rows := [][]cell{
		{left("ID"), left("BEGUN"), right("READ"), left("NOTES")},
		{left("k3f9"), left("Sat 21 Nov 02:00:02"), right("40 GiB"), {text: "frozen; as 14.2 left it, before the upgrade", below: "-> varve verify db1@k3f9 --against SOURCE"}},
	}
	for width, want := range map[int]string{
		0: `ID    BEGUN                  READ  NOTES
k3f9  Sat 21 Nov 02:00:02  40 GiB  frozen; as 14.2 left it, before the upgrade
                                   -> varve verify db1@k3f9 --against SOURCE
`,
		60: `ID    BEGUN                  READ  NOTES
k3f9  Sat 21 Nov 02:00:02  40 GiB  frozen; as 14.2 left it,
                                   before the upgrade
                                   -> varve verify db1@k3f9 --against SOURCE
`,
		40: `ID    BEGUN                  READ
    NOTES
k3f9  Sat 21 Nov 02:00:02  40 GiB
    frozen; as 14.2 left it, before the
    upgrade
    -> varve verify db1@k3f9 --against SOURCE
`,
	} {
		p := &page{width: width}
		p.table(rows)
		if got := p.text.String(); got != want {
			t.Errorf("in %d columns:\n%swant\n%s", width, got, want)
		}
	}
}

// No line of a table is wider than the terminal, unless a column alone is, and
// nothing that it says is lost.
func TestTablesFit(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		columns, width := rapid.IntRange(1, 8).Draw(t, "columns"), rapid.IntRange(40, 200).Draw(t, "width")
		text := rapid.StringMatching(`[a-z]{0,12}( [a-zé]{1,9}){0,2}`)
		rows := make([][]cell, rapid.IntRange(1, 4).Draw(t, "rows"))
		var all strings.Builder
		for i := range rows {
			for range columns - 1 {
				rows[i] = append(rows[i], cell{text: text.Draw(t, "text"), right: rapid.Bool().Draw(t, "right")})
			}
			rows[i] = append(rows[i], left(rapid.StringMatching(`([a-z]{1,40} ){0,9}`).Draw(t, "last")))
			for _, c := range rows[i] {
				all.WriteString(c.text)
			}
		}
		p := &page{width: width}
		p.table(rows)
		squeeze := func(s string) string { return strings.Join(strings.Fields(s), "") }
		if got, want := squeeze(p.text.String()), squeeze(all.String()); got != want && columns == 1 {
			t.Errorf("the table says %q, want %q", got, want)
		}
		for line := range strings.Lines(p.text.String()) {
			if n := textWidth(strings.TrimRight(line, "\n")); n > width {
				t.Errorf("a line of %d columns in %d: %q", n, width, line)
			}
		}
	})
}
