package main

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

const root = "../.."

// The table does not rot: each mutant still changes what it says it changes, to
// something that parses, and there are tests that may catch it.
func TestMutantsApply(t *testing.T) {
	t.Parallel()
	names := map[string]bool{}
	for _, m := range allMutants() {
		if names[m.name] || m.name == "" || m.what == "" {
			t.Errorf("%q: the name is not its own, or it does not say what is broken", m.name)
		}
		names[m.name] = true
		before, err := os.ReadFile(filepath.Join(root, m.file))
		if err != nil {
			t.Errorf("%s: %v", m.name, err)
			continue
		}
		after, err := m.apply(string(before))
		if err != nil {
			t.Errorf("%s: %v", m.name, err)
			continue
		}
		if after == string(before) {
			t.Errorf("%s changes nothing", m.name)
		}
		if _, err := parser.ParseFile(token.NewFileSet(), m.file, after, 0); err != nil {
			t.Errorf("%s does not parse: %v", m.name, err)
		}
		if len(m.tests) == 0 {
			t.Errorf("%s: no test is to catch it", m.name)
		}
	}
	if len(names) < 25 {
		t.Errorf("there are %d mutants", len(names))
	}
}

// Every set of tests that is to catch a mutant has a test in it.
func TestCatchersExist(t *testing.T) {
	t.Parallel()
	checked := map[tests]bool{}
	for _, m := range allMutants() {
		for _, c := range m.tests {
			if checked[c] {
				continue
			}
			checked[c] = true
			top, _, _ := strings.Cut(c.run, "/") // below are subtests
			pattern, err := regexp.Compile(top)
			if err != nil {
				t.Errorf("%s: %v", c, err)
				continue
			}
			if !matchesAny(pattern, testsOf(t, c.pkg)) {
				t.Errorf("%s: there is no such test", c)
			}
		}
	}
}

func matchesAny(pattern *regexp.Regexp, names []string) bool {
	for _, name := range names {
		if pattern.MatchString(name) {
			return true
		}
	}
	return false
}

// testsOf lists the test functions of a package.
func testsOf(t *testing.T, pkg string) (names []string) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(root, pkg, "*_test.go"))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range files {
		f, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range f.Decls {
			if fn, ok := d.(*ast.FuncDecl); ok && fn.Recv == nil && strings.HasPrefix(fn.Name.Name, "Test") {
				names = append(names, fn.Name.Name)
			}
		}
	}
	return names
}

func TestApplyRefusesWhatIsNotThereOnce(t *testing.T) {
	t.Parallel()
	m := mutant{file: "f", old: "b", new: "x", edits: []edit{{"c", "y"}}}
	if got, err := m.apply("abc"); got != "axy" || err != nil {
		t.Errorf("apply = %q, %v", got, err)
	}
	for _, text := range []string{"ac", "abbc", "ab", "abcc"} {
		if got, err := m.apply(text); err == nil {
			t.Errorf("apply to %q = %q, want an error", text, got)
		}
	}
}

func TestAllCaughtIsSuccess(t *testing.T) {
	t.Parallel()
	caught := result{caughtBy: "p TestX"}
	for _, test := range []struct {
		results []result
		want    bool
	}{
		{[]result{caught, caught}, true},
		{[]result{caught, {}}, false},
		{[]result{caught, {err: io.EOF}}, false},
	} {
		if text, got := summary(test.results); got != test.want {
			t.Errorf("summary(%v) = %q, %v", test.results, text, got)
		}
	}
}

// What is built with a tag is tried with it, and left out where there is not what it takes.
func TestMutantsOfTags(t *testing.T) {
	t.Parallel()
	for file, want := range map[string]string{"volume/rbdvolume/changes.go": "ceph", "repository/set.go": "", "cmd/varve/noceph.go": ""} {
		if got, err := (mutant{file: file}).tags(root); got != want || err != nil {
			t.Errorf("%s needs %q, %v; want %q", file, got, err, want)
		}
	}
}
