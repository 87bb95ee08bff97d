package archtest

import (
	"strings"
	"testing"
	"testing/fstest"
)

// Each rule is shown a package that breaks it and must say so, and one that
// keeps it and must be silent. The files are the text after the name.
func TestRulesBite(t *testing.T) {
	const doc = "// Package x is for a test.\n"
	tests := []struct {
		rule  string
		name  string
		files map[string]string
		want  string // part of the finding; empty: none
	}{
		{"imports point down", "a package nobody announced",
			map[string]string{"util/util.go": "package util"}, "util is not in the table"},
		{"imports point down", "an arrow upwards",
			map[string]string{"chunkstore/a.go": "package chunkstore\nimport _ \"varve/repository\""}, "chunkstore may not import repository"},
		{"imports point down", "an arrow down",
			map[string]string{"chunkstore/a.go": "package chunkstore\nimport _ \"varve/internal/durable\""}, ""},
		{"imports point down", "an arrow upwards behind a build tag",
			map[string]string{"volume/a.go": "//go:build ceph\n\npackage volume\nimport _ \"varve/backup\""}, "volume may not import backup"},
		{"imports point down", "a test imports upwards",
			map[string]string{"chunkstore/a_test.go": "package chunkstore_test\nimport _ \"varve/repository\""}, ""},
		{"imports point down", "the command wires all",
			map[string]string{"cmd/varve/a.go": "package main\nimport _ \"varve/repository\""}, ""},

		{"libraries stay at home", "bbolt away from home",
			map[string]string{"repository/a.go": "package repository\nimport _ \"go.etcd.io/bbolt\""}, "repository may not import go.etcd.io/bbolt"},
		{"libraries stay at home", "a package of a library, under another name",
			map[string]string{"backup/a.go": "package backup\nimport z \"github.com/klauspost/compress/zstd\""}, "backup may not import"},
		{"libraries stay at home", "bbolt at home",
			map[string]string{"chunkstore/a.go": "package chunkstore\nimport _ \"go.etcd.io/bbolt\""}, ""},
		{"libraries stay at home", "a library nobody announced",
			map[string]string{"chunkstore/a.go": "package chunkstore\nimport _ \"example.org/leftpad\""}, "has no home"},
		{"libraries stay at home", "a name that only begins like a library's",
			map[string]string{"chunkstore/a.go": "package chunkstore\nimport _ \"go.etcd.io/bbolt2\""}, "has no home"},

		{"pure packages stay pure", "revision opens files",
			map[string]string{"revision/a.go": "package revision\nimport _ \"os\""}, "revision is pure"},
		{"pure packages stay pure", "retention asks the network",
			map[string]string{"retention/a.go": "package retention\nimport _ \"net/http\""}, "retention is pure"},
		{"pure packages stay pure", "revision reads",
			map[string]string{"revision/a.go": "package revision\nimport _ \"io\""}, ""},

		{"test helpers stay in tests", "a helper shipped",
			map[string]string{"repository/a.go": "package repository\nimport _ \"varve/internal/durable/durabletest\""}, "durabletest is for tests only"},
		{"test helpers stay in tests", "testing shipped",
			map[string]string{"repository/a.go": "package repository\nimport _ \"testing\""}, "testing is for tests only"},
		{"test helpers stay in tests", "a helper in a test",
			map[string]string{"repository/a_test.go": "package repository\nimport _ \"varve/internal/durable/durabletest\""}, ""},
		{"test helpers stay in tests", "testing in a helper",
			map[string]string{"volume/volumetest/a.go": "package volumetest\nimport _ \"testing\""}, ""},

		{"functions stay at home", "a file created",
			map[string]string{"repository/a.go": "package repository\nimport \"os\"\nfunc f() { os.Create(\"x\") }"}, "repository/a.go:3: os.Create"},
		{"functions stay at home", "a file created under another name",
			map[string]string{"repository/a.go": "package repository\nimport sys \"os\"\nvar f = sys.Create"}, "os.Create"},
		{"functions stay at home", "renamed by a system call",
			map[string]string{"backup/a.go": "package backup\nimport \"golang.org/x/sys/unix\"\nvar f = unix.Renameat2"}, "unix.Renameat2"},
		{"functions stay at home", "a variable that is called os",
			map[string]string{"repository/a.go": "package repository\nfunc f(os interface{ Create() }) { os.Create() }"}, ""},
		{"functions stay at home", "durable at home",
			map[string]string{"internal/durable/a.go": "package durable\nimport \"os\"\nvar f = os.Rename"}, ""},
		{"functions stay at home", "a device opened",
			map[string]string{"volume/filevolume/a.go": "package filevolume\nimport \"os\"\nvar f = os.OpenFile"}, ""},
		{"functions stay at home", "an exception is for one function",
			map[string]string{"volume/filevolume/a.go": "package filevolume\nimport \"os\"\nvar f = os.Remove"}, "os.Remove"},
		{"functions stay at home", "a test writes files",
			map[string]string{"repository/a_test.go": "package repository\nimport \"os\"\nvar f = os.WriteFile"}, ""},
		{"functions stay at home", "a package that prints",
			map[string]string{"scrub/a.go": "package scrub\nimport \"fmt\"\nfunc f() { fmt.Println() }"}, "fmt.Println"},
		{"functions stay at home", "a package that exits",
			map[string]string{"scrub/a.go": "package scrub\nimport \"os\"\nfunc f() { os.Exit(1) }"}, "os.Exit"},
		{"functions stay at home", "a package that asks the environment",
			map[string]string{"config/a.go": "package config\nimport \"os\"\nvar f = os.Getenv"}, "os.Getenv"},
		{"functions stay at home", "the command does all three",
			map[string]string{"cmd/varve/a.go": "package main\nimport (\"fmt\"; \"os\")\nfunc f() { fmt.Println(os.Getenv(\"x\")); os.Exit(1) }"}, ""},

		{"one package comment", "none",
			map[string]string{"volume/a.go": "package volume"}, "0 package comments"},
		{"one package comment", "two",
			map[string]string{"volume/a.go": doc + "package volume", "volume/b.go": doc + "package volume"}, "2 package comments"},
		{"one package comment", "a licence above is not one",
			map[string]string{"volume/a.go": "// Copyright.\n\npackage volume"}, "0 package comments"},
		{"one package comment", "one, tests aside",
			map[string]string{"volume/a.go": doc + "package volume", "volume/a_test.go": doc + "package volume"}, ""},

		{"no init", "init",
			map[string]string{"volume/a.go": "package volume\nfunc init() {}"}, "volume/a.go:2: no init"},
		{"no init", "a method of that name",
			map[string]string{"volume/a.go": "package volume\ntype a int\nfunc (a) init() {}"}, ""},

		{"files are short", "a long one",
			map[string]string{"volume/a.go": "package volume\n" + strings.Repeat("\n", tooLongFile)}, "split it"},
		{"files are short", "a long test",
			map[string]string{"volume/a_test.go": "package volume\n" + strings.Repeat("\n", tooLongFile)}, ""},

		{"a skip says what is missing", "silent",
			map[string]string{"volume/a_test.go": "package volume\nfunc f(t T) { t.Skip() }"}, "a_test.go:2: a skipped test"},
		{"a skip says what is missing", "now",
			map[string]string{"volume/a_test.go": "package volume\nfunc f(b T) { b.SkipNow() }"}, "a skipped test"},
		{"a skip says what is missing", "with a reason",
			map[string]string{"volume/a_test.go": "package volume\nfunc f(t T) { t.Skip(\"no mkfs.xfs\") }"}, ""},
	}
	bitten := map[string]bool{}
	for _, tt := range tests {
		t.Run(tt.rule+"/"+tt.name, func(t *testing.T) {
			rule, ok := rules()[tt.rule]
			if !ok {
				t.Fatalf("there is no rule %q", tt.rule)
			}
			found := check(t, rule, tt.files)
			switch {
			case tt.want == "" && len(found) > 0:
				t.Errorf("found %q, want nothing", found)
			case tt.want != "" && (len(found) != 1 || !strings.Contains(found[0], tt.want)):
				t.Errorf("found %q, want one with %q", found, tt.want)
			}
		})
		bitten[tt.rule] = bitten[tt.rule] || tt.want != ""
	}
	for name := range rules() {
		if !bitten[name] {
			t.Errorf("nothing shows that the rule %q bites", name)
		}
	}
}

func TestLoadSkipsWhatGoIgnores(t *testing.T) {
	broken := &fstest.MapFile{Data: []byte("not Go")}
	pkgs, err := load(fstest.MapFS{
		"a/testdata/x.go": broken, "build/x.go": broken, ".git/x.go": broken, "_old/x.go": broken, "a/x.txt": broken,
		"a/_x.go": broken,
	})
	if len(pkgs) > 0 || err != nil {
		t.Errorf("got %d packages and error %v, want neither", len(pkgs), err)
	}
}

func check(t *testing.T, rule rule, files map[string]string) []string {
	t.Helper()
	tree := fstest.MapFS{}
	for name, text := range files {
		tree[name] = &fstest.MapFile{Data: []byte(text)}
	}
	pkgs, err := load(tree)
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	for _, p := range pkgs {
		found = append(found, rule(p)...)
	}
	return found
}
