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
    -> varve verify db1@k3f9 --against
    SOURCE
`,
	} {
		p := &page{width: width}
		p.table(rows)
		if got := p.text.String(); got != want {
			t.Errorf("in %d columns:\n%swant\n%s", width, got, want)
		}
	}
}

// A verdict and what stands apart from it come closer before they need two lines.
func TestApart(t *testing.T) {
	t.Parallel()
	for width, want := range map[int]string{
		0:  "漢@k3f9 is safe                                    Tue 24 Nov 02:00:03, took 2.9 s\n",
		82: "漢@k3f9 is safe                                    Tue 24 Nov 02:00:03, took 2.9 s\n",
		80: "漢@k3f9 is safe                                  Tue 24 Nov 02:00:03, took 2.9 s\n",
		48: "漢@k3f9 is safe  Tue 24 Nov 02:00:03, took 2.9 s\n",
		47: "漢@k3f9 is safe Tue 24 Nov 02:00:03, took 2.9 s\n",
		46: "漢@k3f9 is safe\nTue 24 Nov 02:00:03, took 2.9 s\n",
	} {
		p := &page{width: width}
		p.apart("漢@k3f9 is safe", "Tue 24 Nov 02:00:03, took 2.9 s")
		if got := p.text.String(); got != want {
			t.Errorf("in %d columns:\n%swant\n%s", width, got, want)
		}
	}
}

// What belongs apart stays so where a line is broken, and a path stays whole where no
// terminal would break it.
func TestFacts(t *testing.T) {
	t.Parallel()
	for width, want := range map[int]string{
		0: `tried         Sun 29 Nov 05:40  failed  open /srv/images/of-a-customer/web.img: no such file
              varve verify db1@k3f9 --against SOURCE
`,
		44: `tried         Sun 29 Nov 05:40  failed  open
              /srv/images/of-a-customer/web.
              img:
              no such file
    varve verify db1@k3f9 --against SOURCE
`,
	} {
		p := &page{width: width}
		p.facts("tried", "Sun 29 Nov 05:40  failed  open /srv/images/of-a-customer/web.img: no such file",
			"", "varve verify db1@k3f9 --against SOURCE")
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
		text := rapid.StringMatching(`[a-z]{0,12}( [a-zé漢👍]{1,9}){0,2}`)
		rows := make([][]cell, rapid.IntRange(1, 4).Draw(t, "rows"))
		var all strings.Builder
		for i := range rows {
			for range columns - 1 {
				rows[i] = append(rows[i], cell{text: text.Draw(t, "text"), right: rapid.Bool().Draw(t, "right")})
			}
			rows[i] = append(rows[i], left(rapid.StringMatching(`([a-z]{1,40} |[漢字👍🏽e\x{301}]{1,30} ){0,9}`).Draw(t, "last")))
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

// What is wide counts twice, what is put together once, and what stands above nothing.
func TestCells(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]int{
		"": 0, "vm-17": 5, "Prüfung": 7, "e\u0301t\u00e9": 3, "仮想機械": 8, "a漢b": 4, "👍": 2, "👍🏽": 2, "👩‍🔧": 2, "🇩🇪": 2, "━╸–→": 4, "\x1b[31m": 5,
	} {
		if got := textWidth(text); got != want {
			t.Errorf("%q takes %d columns, want %d", text, got, want)
		}
	}
	for _, c := range []struct {
		text  string
		width int
		first string
	}{
		{"abc", 2, "ab"}, {"漢字", 3, "漢"}, {"漢字", 1, "漢"}, {"👩‍🔧x", 2, "👩‍🔧"}, {"e\u0301a", 1, "e\u0301"}, {"a漢", 2, "a"}, {"", 3, ""},
	} {
		if first, rest := cut(c.text, c.width); first != c.first || first+rest != c.text {
			t.Errorf("%q is cut at %d into %q and %q", c.text, c.width, first, rest)
		}
	}
}

// Columns of names in any script stand below one another.
func TestTablesOfWideNames(t *testing.T) {
	t.Parallel()
	p := &page{width: 80}
	p.table([][]cell{{left("VOLUME"), left("STATE")}, {left("仮想/vm-1"), left("good")}, {left("👩‍🔧"), left("good")}})
	want := "VOLUME     STATE\n仮想/vm-1  good\n👩‍🔧         good\n"
	if got := p.text.String(); got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
}
