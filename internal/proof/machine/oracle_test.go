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

// A spoiling does something to a repository, or to what is known of it, and says
// which error the oracle finds then; empty: none.
type spoiling struct {
	do   func(t *testing.T, repo string, l *ledger)
	want string
}

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
	for _, kind := range []map[string]spoiling{spoiledFiles(), spoiledJournals(), spoiledKnowledge()} {
		for name, c := range kind {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				its := filepath.Join(tempDir(t), "repo")
				mustRun(t, "cp", "-r", repo, its)
				knows := ledger{promised: true}
				for _, a := range l.attempts {
					same := *a
					knows.attempts = append(knows.attempts, &same)
				}
				c.do(t, its, &knows)
				_, err := knows.check(t.Context(), its)
				if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
					t.Errorf("check = %v, want %q", err, c.want)
				}
			})
		}
	}
}

func spoiledFiles() map[string]spoiling {
	remove := func(patterns ...string) func(*testing.T, string, *ledger) {
		return func(t *testing.T, repo string, _ *ledger) { removeAll(t, repo, patterns...) }
	}
	return map[string]spoiling{
		"all is well":            {func(*testing.T, string, *ledger) {}, ""},
		"no repository any more": {remove("varve.json*"), "no repository"},
		"nothing there":          {func(t *testing.T, repo string, _ *ledger) { must(t, os.RemoveAll(repo)) }, "no such file"},
		"a pack is gone":         {remove("packs/*/*.pack"), "restore revision"},
		"a pack is empty": {func(t *testing.T, repo string, _ *ledger) {
			onEach(t, repo, "packs/*/*.pack", func(name string) error { return os.Truncate(name, 0) })
		}, "restore revision"},
		"all revisions are gone, and all that names them": {remove("volumes/*/*.rev", "copies/*/*.rev", "journal/*/*"), "LOST"},
	}
}

func spoiledJournals() map[string]spoiling {
	return map[string]spoiling{
		"the journal tells of a revision that is not there": {func(t *testing.T, repo string, l *ledger) {
			removeAll(t, repo, "volumes/*/*.rev", "copies/*/*.rev")
			for _, a := range l.attempts {
				a.promised = false
			}
		}, "the journal says"},
		"the journal tells of a success and names no revision": {func(t *testing.T, repo string, _ *ledger) {
			tree, err := durable.OpenTree(repo)
			must(t, err)
			r, err := repository.Open(tree, repository.Options{})
			must(t, err)
			must(t, r.Record(t.Context(), repository.Event{Op: repository.OpBackup, Result: repository.ResultOK}))
			must(t, r.Close())
		}, "made no revision"},
	}
}

func spoiledKnowledge() map[string]spoiling {
	return map[string]spoiling{
		"other bytes": {func(_ *testing.T, _ string, l *ledger) { l.attempts[1].sum[0]++ }, "but not to what attempt 1"},
		"it was said to have failed": {func(_ *testing.T, _ string, l *ledger) {
			l.attempts[1].promised, l.attempts[1].failed = false, true
		}, "attempt 1 said that it failed"},
		"another volume's":      {func(_ *testing.T, _ string, l *ledger) { l.attempts[0].volume = "b" }, "of volume b"},
		"nobody attempted that": {func(_ *testing.T, _ string, l *ledger) { l.attempts = l.attempts[:1] }, "no attempt"},
	}
}

func TestLeftoversAreSeen(t *testing.T) {
	t.Parallel()
	dir := tempDir(t)
	for _, name := range []string{"volumes/a/.tmp-1-1", "locks/leases/1.json", "locks/gate", "volumes/a/x.rev"} {
		must(t, os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o700))
		must(t, os.WriteFile(filepath.Join(dir, name), nil, 0o600))
	}
	if names, err := leftovers(dir); err != nil || len(names) != 2 {
		t.Errorf("leftovers = %q, %v, want a temporary file and a lease", names, err)
	}
}

func removeAll(t *testing.T, repo string, patterns ...string) {
	t.Helper()
	for _, pattern := range patterns {
		onEach(t, repo, pattern, os.Remove)
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
		must(t, do(name))
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
