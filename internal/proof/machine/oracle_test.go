package machine

import (
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"varve/internal/durable"
	"varve/repository"
)

// TestTheOracleSeesWhatIsWrong spoils a repository, or what is known of it, in the
// ways that the tests here are to find.
func TestTheOracleSeesWhatIsWrong(t *testing.T) {
	t.Parallel()
	dir := tempDir(t)
	state, repo := filepath.Join(dir, "state"), filepath.Join(dir, "repo")
	rng := rand.New(rand.NewPCG(1, 4))
	s := newSource(t, filepath.Join(dir, "a"), rng, mib)
	mustSucceed(t, state, "init", repo, "--chunk-size", "64KiB")
	l := ledger{promised: true}
	for range 2 {
		a := l.begin("a", s)
		l.ended(t, a, mustSucceed(t, state, "-r", repo, "backup", "a", s.path, "--json", "--note", a.note()))
		s.change(t)
	}
	remove := func(pattern string) func(*testing.T, string, *ledger) {
		return func(t *testing.T, repo string, _ *ledger) { onEach(t, repo, pattern, os.Remove) }
	}
	for name, c := range map[string]struct {
		spoil func(t *testing.T, repo string, l *ledger)
		want  string // in the error; empty: none
	}{
		"all is well":            {func(*testing.T, string, *ledger) {}, ""},
		"no repository any more": {remove("varve.json*"), "no repository"},
		"nothing there":          {func(t *testing.T, repo string, _ *ledger) { spoiled(t, os.RemoveAll(repo)) }, "no such file"},
		"a pack is gone":         {remove("packs/*/*.pack"), "restore revision"},
		"a pack is empty": {func(t *testing.T, repo string, _ *ledger) {
			onEach(t, repo, "packs/*/*.pack", func(name string) error { return os.Truncate(name, 0) })
		}, "restore revision"},
		"all revisions are gone, and all that names them": {func(t *testing.T, repo string, _ *ledger) {
			for _, pattern := range []string{"volumes/*/*.rev", "copies/*/*.rev", "journal/*/*"} {
				onEach(t, repo, pattern, os.Remove)
			}
		}, "LOST"},
		"the journal tells of a revision that is not there": {func(t *testing.T, repo string, l *ledger) {
			for _, pattern := range []string{"volumes/*/*.rev", "copies/*/*.rev"} {
				onEach(t, repo, pattern, os.Remove)
			}
			for _, a := range l.attempts {
				a.promised = false
			}
		}, "the journal says"},
		"the journal tells of a success and names no revision": {func(t *testing.T, repo string, _ *ledger) {
			tree, err := durable.OpenTree(repo)
			spoiled(t, err)
			r, err := repository.Open(tree, repository.Options{})
			spoiled(t, err)
			spoiled(t, r.Record(t.Context(), repository.Event{Op: repository.OpBackup, Result: repository.ResultOK}))
			spoiled(t, r.Close())
		}, "made no revision"},
		"other bytes": {func(_ *testing.T, _ string, l *ledger) { l.attempts[1].sum[0]++ }, "but not to what attempt 1"},
		"it was said to have failed": {func(_ *testing.T, _ string, l *ledger) {
			l.attempts[1].promised, l.attempts[1].failed = false, true
		}, "attempt 1 said that it failed"},
		"another volume's":      {func(_ *testing.T, _ string, l *ledger) { l.attempts[0].volume = "b" }, "of volume b"},
		"nobody attempted that": {func(_ *testing.T, _ string, l *ledger) { l.attempts = l.attempts[:1] }, "no attempt"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			its := filepath.Join(tempDir(t), "repo")
			mustRun(t, "cp", "-r", repo, its)
			knows := ledger{promised: true}
			for _, a := range l.attempts {
				same := *a
				knows.attempts = append(knows.attempts, &same)
			}
			c.spoil(t, its, &knows)
			_, err := knows.check(t.Context(), its)
			if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
				t.Errorf("check = %v, want %q", err, c.want)
			}
		})
	}
}

func TestLeftoversAreSeen(t *testing.T) {
	t.Parallel()
	dir := tempDir(t)
	for _, name := range []string{"volumes/a/.tmp-1-1", "locks/leases/1.json", "locks/gate", "volumes/a/x.rev"} {
		spoiled(t, os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o700))
		spoiled(t, os.WriteFile(filepath.Join(dir, name), nil, 0o600))
	}
	if names, err := leftovers(dir); err != nil || len(names) != 2 {
		t.Errorf("leftovers = %q, %v, want a temporary file and a lease", names, err)
	}
}

// onEach does something to each file of a repository with such a name, of which there must be one.
func onEach(t *testing.T, repo, pattern string, do func(name string) error) {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(repo, pattern))
	if err != nil || len(names) == 0 {
		t.Fatalf("%s: %q, %v", pattern, names, err)
	}
	for _, name := range names {
		spoiled(t, do(name))
	}
}

func spoiled(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
