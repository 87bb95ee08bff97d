package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"varve/internal/durable"
	"varve/repository"
	"varve/revision"
)

// Every command that takes VOLUME[@REV] knows every form of REV, and says on standard
// error which revision that is.
func TestSelectorsOfEveryCommand(t *testing.T) {
	atNoon(t)
	dir := t.TempDir()
	t.Setenv("VARVE_STATE", filepath.Join(dir, "state"))
	repo, disk := filepath.Join(dir, "repo"), filepath.Join(dir, "disk")
	if err := os.WriteFile(disk, []byte("something"), 0o600); err != nil {
		t.Fatal(err)
	}
	mustType(t, "init", repo)
	for _, tag := range []string{"first", "second", "third"} {
		mustType(t, "-r", repo, "backup", "vms/v", disk, "--tag", tag)
	}
	revs := revisionsIn(t, repo, "vms/v")
	first, second, third := revs[0].ID, revs[1].ID, revs[2].ID
	day := third.Begun().Local()
	tried := map[string]struct {
		words  []string // REV stands for the address
		strict bool
	}{
		"show":     {[]string{"show", "REV"}, false},
		"verify":   {[]string{"verify", "REV"}, false},
		"ls":       {[]string{"ls", "REV"}, false},
		"restore":  {[]string{"restore", "REV", filepath.Join(dir, "out"), "--force"}, false},
		"diff A":   {[]string{"diff", "REV", "vms/v@tag:first"}, false},
		"diff B":   {[]string{"diff", "vms/v@tag:first", "REV"}, false},
		"tag":      {[]string{"tag", "REV", "--note", "x"}, true},
		"pin":      {[]string{"pin", "REV"}, true},
		"unpin":    {[]string{"unpin", "REV"}, true},
		"distrust": {[]string{"distrust", "REV", "--reason", "x"}, true},
		"rm":       {[]string{"rm", "REV", "--dry-run"}, true},
	}
	// What is in the trash goes by its id alone; merge is rm, of what others build on; cp and drill find revisions as ls does, and need root.
	excused := []string{"undelete", "merge", "cp", "drill"}
	names := []string{"show", "ls", "verify", "restore", "diff A", "diff B", "tag", "pin", "unpin", "rm", "distrust"}
	forms := []struct {
		rev, want string // short ids; empty: exit 2
		strict    string // of strict commands
	}{
		{"@latest-good", third.Short(), third.Short()}, // the first: distrust changes what is good
		{"", third.Short(), ""},
		{"@" + second.Short(), second.Short(), second.Short()},
		{"@" + string(first), first.Short(), first.Short()},
		{"@latest", third.Short(), third.Short()},
		{"@latest~1", second.Short(), second.Short()},
		{"@latest~3", "", ""},
		{"@tag:first", first.Short(), first.Short()},
		{"@tag:none", "", ""},
		{"@today", third.Short(), third.Short()},
		{"@" + strings.ToLower(day.Weekday().String()), third.Short(), third.Short()},
		{"@" + day.Format(time.DateOnly), third.Short(), third.Short()},
		{"@" + third.Begun().UTC().Format("2006-01-02T15:04:05Z"), third.Short(), third.Short()},
		{"@yesterday", "", ""},
		{"@2099-01-01", third.Short(), ""},
		{"@2099-01-01T02:00", third.Short(), ""},
		{"@2099-01-01T02:00:30Z", third.Short(), ""},
		{"@2w", "", ""},
		{"@zzzz", "", ""}, {"@Latest", "", ""}, {"@tag:", "", ""}, {"@", "", ""}, {"@latest~", "", ""},
	}
	for _, name := range names {
		c := tried[name]
		for _, f := range forms {
			want := f.want
			if c.strict {
				want = f.strict
			}
			words := append([]string{"-r", repo}, c.words...)
			words[slices.Index(words, "REV")] = "vms/v" + f.rev
			code, stdout, stderr := typed(words...)
			switch {
			case want == "" && (code != exitUsage || stdout != ""):
				t.Errorf("%s %s: exit code %d, %q", name, f.rev, code, stdout)
			case want != "" && (code != 0 || !strings.Contains("\n"+stderr, "\nvms/v@"+want+"  ")):
				t.Errorf("%s %s: exit code %d, and it says %q, want %s", name, f.rev, code, stderr, want)
			}
		}
	}
	for _, c := range commands(newSession(nil, nil, nil)) {
		if strings.Contains(c.args, "@") && !slices.Contains(excused, c.name) && !slices.ContainsFunc(names, func(n string) bool { return strings.Fields(n)[0] == c.name }) {
			t.Errorf("%s takes %s and is not tried", c.name, c.args)
		}
	}
}

// atNoon makes it noon where we are, so that no day ends while revisions are made.
func atNoon(t *testing.T) {
	t.Helper()
	here, now := time.Local, time.Now().UTC()
	time.Local = time.FixedZone("noon", int((12*time.Hour - now.Sub(now.Truncate(24*time.Hour))).Seconds()))
	t.Cleanup(func() { time.Local = here })
}

func revisionsIn(t *testing.T, dir string, name revision.Name) []repository.Revision {
	t.Helper()
	tree, err := durable.OpenTree(dir)
	if err != nil {
		t.Fatal(err)
	}
	r, err := repository.Open(tree, repository.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer mustClose(t, r)
	v, err := r.Volume(name)
	if err != nil {
		t.Fatal(err)
	}
	revs, err := r.Revisions(v)
	if err != nil {
		t.Fatal(err)
	}
	return revs
}
