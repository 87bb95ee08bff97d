package revision_test

import (
	"path"
	"strings"
	"testing"

	"varve/revision"
)

func TestGlob(t *testing.T) {
	for _, c := range []struct {
		pattern string
		match   string // names, separated by spaces
		not     string
	}{
		{"db1", "db1", "db db11 DB1 x/db1"},
		{"*", "db1 a ü", "vms/vm-1 /"},
		{"**", "db1 vms/vm-1 a/b/c /", ""},
		{"vms/*", "vms/vm-1 vms/", "vms vms/a/b db1 xvms/a"},
		{"vms/**", "vms/vm-1 vms/ vms/a/b", "vms db1"},
		{"**/root", "a/root a/b/root /root", "root"},
		{"**root", "a/root root xroot", "roots"},
		{"***", "a a/b", ""},
		{"db?", "db1 dbü", "db db12 db/"},
		{"db[1-3]", "db1 db2 db3", "db4 db db-"},
		{"db[!1-3]", "db4 dbx", "db1 db/ db"},
		{"db[^1]", "db4", "db1 db/"},
		{"a[/]b", "a/b", "ab a-b"},
		{"a[]]b", "a]b", "ab"},
		{"a[!]]b", "axb", "a]b"},
		{"a[x-]b", "axb a-b", "ayb"},
		{"a[-x]b", "axb a-b", "ayb"},
		{`a[\]]b`, "a]b", `a\b`},
		{`a[\--z]b`, "a-b azb aab", "a!b"},
		{`a\*b`, "a*b", "axb ab"},
		{`\[x]`, "[x]", "x"},
		{"*-*-*", "a-b-c -- a--b", "a-b"},
		{"*a*a*a*a*a*a*b", "aaaaaaab", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaac"},
	} {
		g, err := revision.ParseGlob(c.pattern)
		if err != nil {
			t.Errorf("%q: %v", c.pattern, err)
			continue
		}
		if g.String() != c.pattern {
			t.Errorf("%q calls itself %q", c.pattern, g)
		}
		for _, name := range strings.Fields(c.match) {
			if !g.Match(revision.Name(name)) {
				t.Errorf("%q does not match %q", c.pattern, name)
			}
		}
		for _, name := range append(strings.Fields(c.not), "") {
			if g.Match(revision.Name(name)) && (name != "" || strings.Trim(c.pattern, "*") != "") {
				t.Errorf("%q matches %q", c.pattern, name)
			}
		}
	}
	if (revision.Glob{}).Match("x") {
		t.Error("the zero pattern matches something")
	}
}

func TestBadGlobs(t *testing.T) {
	for pattern, says := range map[string]string{
		"":      "empty",
		"a@b":   `"@"`,
		"a\xff": "UTF-8",
		"[":     `"["`, "[]": `"["`, "[!": `"["`, "[!]": `"["`, "a[b": `"["`, "[a-": `"["`, `[\`: `"["`, `[a-\`: `"["`,
		`a\`: "follows", "[z-a]": "wrong way",
	} {
		if g, err := revision.ParseGlob(pattern); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%q is %v, %v; want an error with %s", pattern, g, err, says)
		}
	}
}

func TestIsGlob(t *testing.T) {
	for text, want := range map[string]bool{"db1": false, "a/b": false, "a*": true, "a?": true, "[ab]": true, `a\b`: true} {
		if got := revision.IsGlob(text); got != want {
			t.Errorf("%q is a pattern: %v, want %v", text, got, want)
		}
	}
}

// Where neither "**" nor a class that holds "/" stands, the outcome is that of path.Match.
func FuzzGlob(f *testing.F) {
	for _, seed := range [][2]string{{"vms/*", "vms/vm-1"}, {"[a-c]?*", "b/x"}, {`\*`, "*"}, {"[!x]", "/"}, {"**", "a/b"}, {"", ""}} {
		f.Add(seed[0], seed[1])
	}
	f.Fuzz(func(t *testing.T, pattern, name string) {
		g, err := revision.ParseGlob(pattern)
		if err != nil {
			return
		}
		if _, err := revision.ParseName(name); err != nil {
			return
		}
		got := g.Match(revision.Name(name))
		if strings.Contains(pattern, "**") || strings.ContainsAny(pattern, "[") {
			return
		}
		want, err := path.Match(pattern, name)
		if err != nil {
			t.Fatalf("path refuses %q, which was taken: %v", pattern, err)
		}
		if got != want {
			t.Errorf("%q matches %q: %v, path says %v", pattern, name, got, want)
		}
	})
}

// What a pattern leaves open, with what stands before and after it, is the name again: so no two names leave the same.
func TestGlobLeavesOpen(t *testing.T) {
	for _, c := range []struct{ pattern, name, part string }{
		{"*", "db1", "db1"},
		{"vms/*", "vms/vm-1", "vm-1"},
		{"vms/*", "vms/", ""},
		{"vms/vm-*-root", "vms/vm-ü-root", "ü"},
		{"**", "a/b", "a/b"},
		{"**/root", "a/b/root", "a/b"},
		{"*/*", "a/b", "a/b"},
		{"vms/[ab]*x", "vms/bcx", "bc"},
		{"vm-?", "vm-7", "7"},
		{"vm-[0-9]0", "vm-10", "1"},
		{`a\**[x]`, "a*bx", "b"}, // [x] is an x
		{"üä*", "üäö", "ö"},
	} {
		g, err := revision.ParseGlob(c.pattern)
		if err != nil || !g.Match(revision.Name(c.name)) {
			t.Fatalf("%q does not match %q (%v)", c.pattern, c.name, err)
		}
		if part, open := g.Open(revision.Name(c.name)); part != c.part || !open {
			t.Errorf("%q leaves %q open of %q (%v), want %q", c.pattern, part, c.name, open, c.part)
		}
	}
	g, err := revision.ParseGlob(`a\*b`)
	if part, open := g.Open("a*b"); err != nil || open {
		t.Errorf("a pattern without a wildcard leaves %q open (%v)", part, err)
	}
}
