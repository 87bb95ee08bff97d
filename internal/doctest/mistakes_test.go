package doctest

import (
	"os"
	"strings"
	"testing"
)

// TestGood runs a document in which everything is right, with all that a document may have.
func TestGood(t *testing.T) {
	text, err := os.ReadFile("testdata/good.md")
	if err != nil {
		t.Fatal(err)
	}
	doc, err := parse(string(text))
	if err != nil {
		t.Fatal(err)
	}
	program := build(t)
	for _, p := range lookUp(&manual{program, map[string]map[string]bool{}}, "testdata", doc) {
		t.Error(p)
	}
	if why := unable(); why != "" {
		t.Skip(why)
	}
	for _, p := range runDocument(t, program, doc) {
		t.Error(p)
	}
}

// TestMistakes runs a document in which every command is wrong, and wants each to be noticed.
func TestMistakes(t *testing.T) {
	text, err := os.ReadFile("testdata/bad.md")
	if err != nil {
		t.Fatal(err)
	}
	doc, err := parse(string(text))
	if err != nil {
		t.Fatal(err)
	}
	program := build(t)
	wantProblems(t, lookUp(&manual{program, map[string]map[string]bool{}}, "testdata", doc), []string{
		"there is no command forget",
		"backup has no flag --fast", "log has no flag --everything", "a dead link: nowhere.md", "restore has no flag --quickly",
	})
	if why := unable(); why != "" {
		t.Skip(why)
	}
	const failed = "failed (line of the block, code, command): "
	wantProblems(t, runDocument(t, program, doc), []string{
		"ended with 2, and was to end with 0", failed + "1 2 varve -r /srv/varve forget db1",
		failed + "2 1 false",
		failed + "2 1 grep",
		"ended with 0, and was to end with 3",
		"ended with 2, and was to end with 3", failed + "2 2 ( exit 2 )",
		failed + "1 1 false",
		"did not print: db1@zzzz proven",
		"did not print: one more line",
		"did not print: (the end, before two)",
		"did not print: made a warehouse in /srv/other",
		`did not say "(?m)^something else$"`,
		"ended with 2, and was to end with 0", failed + "1 2 env", // cron knows no repository
		"ended with 127, and was to end with 0", failed + "1 127 env", // nor /usr/local/bin
		"ended with 1, and was to end with 0", failed + "1 1 false",
		"did not print: [^there]",
		"the block ended the shell",
	})
}

func wantProblems(t *testing.T, got, want []string) {
	t.Helper()
	for len(got) > 0 || len(want) > 0 {
		switch {
		case len(want) == 0:
			t.Errorf("and a problem: %s", got[0])
			got = got[1:]
		case len(got) == 0 || !strings.Contains(got[0], want[0]):
			t.Errorf("did not notice %q", want[0])
			want = want[1:]
		default:
			got, want = got[1:], want[1:]
		}
	}
}

// TestParseRefuses has documents whose writer meant something else.
func TestParseRefuses(t *testing.T) {
	for name, c := range map[string]struct{ text, want string }{
		"an unknown directive":      {"<!-- doctest: exot 3 -->\n```sh\nx\n```", "line 1: unknown directive"},
		"no number":                 {"<!-- doctest: exit three -->\n```sh\nx\n```", "line 1: "},
		"no pattern":                {"<!-- doctest: says ( -->\n```sh\nx\n```", "line 1: "},
		"nothing said":              {"<!-- doctest: says -->\n```sh\nx\n```", "says too much or too little"},
		"too much said":             {"<!-- doctest: exit 3\nand 4 -->\n```sh\nx\n```", "says too much or too little"},
		"no end of a comment":       {"<!-- doctest: run\nx\n```sh\nx\n```", "without end"},
		"no end of a block":         {"text\n```sh\nx\n", "line 2: a block without end"},
		"words between":             {"<!-- doctest: exit 3 -->\ntext\n```sh\nx\n```", "line 1: a directive without a block"},
		"nothing behind":            {"text\n<!-- doctest: exit 3 -->\n", "line 2: a directive without a block"},
		"a block that is not run":   {"<!-- doctest: exit 3 -->\n```yaml\nx\n```", "for a block that is not run"},
		"commands without language": {"```\nvarve backup db1\n```", "commands in a block that is not run"},
		"after a prompt":            {"```text\n# varve -r /srv/varve log\n```", "commands in a block that is not run"},
		"a console of output":       {"```console\nok\n```", "begins with a command"},
	} {
		if _, err := parse(c.text); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
}

func TestAgrees(t *testing.T) {
	for _, c := range []struct {
		want, got string
		ok        bool
	}{
		{"db1@k3f9 safe: delta, read 60 GiB, stored 38 MiB, 31 s", "db1@wdre  safe: delta, read 4,096 bytes, stored 0, 1.5 s", true},
		{"db1@k3f9 safe: delta, ...", "db1@k3f9 safe: delta, read 0", true},
		{"db1@k3f9 safe: delta", "db1@k3f9 safe: delta, read 0", false},
		{"db1@k3f9 safe: delta", "db1@k3f9 safe: full", false},
		{"db1 is whole", "db2 is whole", false},
		{"all 3 volumes are safe", "all 4 volumes are safe", false},
		{"Tue 24 Nov 02:00:03, took 31 s", "Wed  1 Jan 00:00:00, took 2 min 3 s", true},
		{"begun  2026-11-24T02:00:03Z", "begun 2027-01-01T00:00:00Z", true},
		{"LOST 65,536 bytes at byte 0", "LOST 4,096 bytes at byte 65,536", true},
	} {
		if agrees(c.want, c.got) != c.ok {
			t.Errorf("%q and %q: %v", c.want, c.got, !c.ok)
		}
	}
	for _, c := range []struct {
		want, got string
		ok        bool
	}{
		{"", "", true},
		{"", "a", false},
		{"a\n...\nd", "a\nb\nc\nd", true},
		{"a\n...\nd", "a\nd\n", true},
		{"...\nd", "a\nb", false},
		{"a\n...", "a\nb\n\nc", true},
		{"b\n...", "a\nb", false},
		{"a\nb", "a", false},
	} {
		if _, ok := prints(c.want, c.got); ok != c.ok {
			t.Errorf("%q and %q: %v", c.want, c.got, ok)
		}
	}
}
