package main

import (
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"varve/internal/durable"
	"varve/repository"
)

// distrusted makes a volume of two revisions of which the newest has a state.
func distrusted(t *testing.T, state repository.State) (repo, disk string) {
	t.Helper()
	dir := t.TempDir()
	t.Setenv("VARVE_STATE", filepath.Join(dir, "state"))
	repo, disk = filepath.Join(dir, "repo"), filepath.Join(dir, "disk")
	if err := os.WriteFile(disk, []byte("something"), 0o600); err != nil {
		t.Fatal(err)
	}
	mustType(t, "init", repo)
	mustType(t, "-r", repo, "backup", "v", disk, "--tag", "first")
	mustType(t, "-r", repo, "backup", "v")

	tree, err := durable.OpenTree(repo)
	if err != nil {
		t.Fatal(err)
	}
	r, err := repository.Open(tree, repository.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer mustClose(t, r)
	v, err := r.Volume("v")
	if err != nil {
		t.Fatal(err)
	}
	all, err := r.Revisions(v)
	if err != nil {
		t.Fatal(err)
	}
	err = r.Mark(t.Context(), all[1], func(info *repository.Info) { info.State, info.Reason = state, "for a reason" })
	if err != nil {
		t.Fatal(err)
	}
	return repo, disk
}

func mustClose(t *testing.T, c io.Closer) {
	t.Helper()
	if err := c.Close(); err != nil {
		t.Error(err)
	}
}

func TestSuspectIsUsedWithAWarning(t *testing.T) {
	repo, disk := distrusted(t, repository.Suspect)
	out := filepath.Join(t.TempDir(), "out")
	code, _, stderr := typed("-r", repo, "restore", "v", out)
	if code != 0 || !strings.Contains(stderr, "IS SUSPECT: for a reason") || !strings.Contains(stderr, "(latest-good)") {
		t.Errorf("exit code %d\n%s", code, stderr)
	}
	if code, stdout, _ := typed("-r", repo, "verify", "v"); code != 0 || !strings.Contains(stdout, "still suspect") {
		t.Errorf("a verify without the source clears it: exit code %d\n%s", code, stdout)
	}
	if code, stdout, _ := typed("-r", repo, "verify", "v", "--against", disk); code != 0 || strings.Contains(stdout, "suspect") {
		t.Errorf("a verify against the source does not clear it: exit code %d\n%s", code, stdout)
	}
	if _, stdout, _ := typed("-r", repo, "show", "v"); !strings.Contains(stdout, "proven") {
		t.Errorf("not proven:\n%s", stdout)
	}
}

func TestDamagedIsRefused(t *testing.T) {
	repo, _ := distrusted(t, repository.Damaged)
	out := filepath.Join(t.TempDir(), "out")
	code, _, stderr := typed("-r", repo, "restore", "v", out)
	if code != exitDamage || !strings.Contains(stderr, "for a reason") || !strings.Contains(stderr, "(latest-good)") {
		t.Errorf("exit code %d\n%s", code, stderr)
	}
	if _, err := os.Stat(out); err == nil {
		t.Error("it was restored all the same")
	}
	for _, words := range [][]string{{"v@latest-good", out}, {"v", out, "--force", "--keep-going"}, {"v@tag:first", out, "--force"}} {
		if code, _, stderr := typed(append([]string{"-r", repo, "restore"}, words...)...); code != 0 {
			t.Errorf("restore %q: exit code %d\n%s", words, code, stderr)
		}
	}
}
