package machine

import (
	"crypto/sha256"
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"varve/internal/proof/tally"
)

// A life is one repository on one file system, whose power is cut again and again.
type life struct {
	t       testing.TB
	rng     *rand.Rand
	disk    *mounted
	repo    string // on the disk
	state   string // catalogs
	volumes []*source
	stays   bool // the next backup is of the same volume, as it was: the last one was cut
	turn    int  // which volume the last backup was of
	large   bool // volume a does not fit into one pack

	ledger  ledger
	figures tally.Figures
	usual   map[string]time.Duration // how long each kind of command takes
}

func newLife(t testing.TB, seed uint64, p *template) *life {
	t.Helper()
	dir := tempDir(t)
	image := filepath.Join(dir, "disk")
	p.copyTo(t, image)
	l := &life{
		t: t, rng: rand.New(rand.NewPCG(seed, 0)), disk: p.fs.attach(t, image),
		state: filepath.Join(dir, "state"), figures: tally.Figures{}, usual: map[string]time.Duration{},
		ledger: ledger{diskDies: true},
	}
	l.repo = filepath.Join(l.disk.point, "deep", "repo")
	size := 6 * mib
	if l.rng.IntN(4) == 0 {
		l.large, size = true, 72*mib // more than one pack, so that one is sealed long before the end
	}
	for _, name := range []string{"a", "b"} {
		l.volumes = append(l.volumes, newSource(t, filepath.Join(dir, name), l.rng, size))
		size = 4 * mib
	}
	l.disk.mount(t)
	return l
}

// live cuts the power about n times, and sees in the end that all is well.
func (l *life) live(n int) {
	if l.rng.IntN(3) == 0 {
		n -= l.birth(1 + l.rng.IntN(2))
	} else {
		l.makeRepository()
	}
	if l.large {
		n /= 2
	}
	if l.rng.IntN(3) > 0 {
		l.backUp()
	}
	for ; n > 0 && !l.t.Failed(); n-- {
		if l.rng.IntN(5) == 0 {
			if err := os.RemoveAll(l.state); err != nil {
				l.t.Fatal(err)
			}
		}
		l.cutOne()
	}
	l.end()
}

// makeRepository makes the repository, with the power on.
func (l *life) makeRepository() {
	mustSucceed(l.t, l.state, "init", l.repo, "--chunk-size", "64KiB", "--json")
	l.ledger.promised = true
}

// birth cuts the power while the repository is made.
func (l *life) birth(n int) int {
	for i := range n {
		if l.ledger.promised {
			return i
		}
		c := l.cutDuring("init", "init", l.repo, "--chunk-size", "64KiB", "--json")
		l.ledger.promised = c.process.wait(l.t) == 0
		l.powerOn()
	}
	if !l.ledger.promised {
		l.makeRepository()
	}
	return n
}

// cutOne cuts the power once, while something is done.
func (l *life) cutOne() {
	switch n := l.rng.IntN(100); {
	case n < 78 || len(l.present()) == 0:
		l.cutBackup()
	case n < 92:
		l.cutRestore()
	default:
		c := l.cutDuring("verify", "-r", l.repo, "verify", l.present()[0].volume, "--json")
		c.process.wait(l.t)
		l.powerOn()
	}
}

// present lists attempts that have a revision, the newest first.
func (l *life) present() (found []*attempt) {
	for _, a := range slices.Backward(l.ledger.attempts) {
		if a.promised {
			found = append(found, a)
		}
	}
	return found
}

// cutBackup cuts the power during a backup.
func (l *life) cutBackup() {
	if !l.stays || l.rng.IntN(2) == 0 {
		l.turn = l.rng.IntN(len(l.volumes))
		switch n := l.rng.IntN(10); {
		case n < 2:
			l.volumes[l.turn].resize(l.t)
		case n < 9:
			l.volumes[l.turn].change(l.t)
		}
	}
	kind, words, a := l.backupWords()
	c := l.cutDuring(kind, words...)
	l.ledger.ended(l.t, a, c.process)
	l.stays = !a.promised
	l.powerOn()
}

// backupWords chooses how the volume whose turn it is is backed up.
func (l *life) backupWords() (kind string, words []string, a *attempt) {
	s := l.volumes[l.turn]
	volume := filepath.Base(s.path)
	a = l.ledger.begin(volume, s)
	kind = "delta of " + volume
	words = []string{"-r", l.repo, "backup", volume, s.path, "--json", "--note", a.note()}
	if !slices.ContainsFunc(l.present(), func(other *attempt) bool { return other.volume == volume }) {
		kind = "first full of " + volume
	}
	switch l.rng.IntN(8) {
	case 0:
		kind, words = "full of "+volume, append(words, "--full")
	case 1:
		words = append(words, "--read-all")
	case 2:
		words = append(words, "--compression", []string{"none", "lz4"}[l.rng.IntN(2)])
	}
	return kind, words, a
}

// backUp backs the volume up whose turn it is, with the power on.
func (l *life) backUp() {
	kind, words, a := l.backupWords()
	p := start(l.t, l.state, words...)
	if p.wait(l.t) != 0 {
		l.t.Errorf("the next backup fails: %s", p.said())
	}
	l.learn(kind, p.took)
	l.ledger.ended(l.t, a, p)
}

// cutRestore cuts the power while a revision is restored to a file on the disk.
func (l *life) cutRestore() {
	all := l.present()
	a := all[l.rng.IntN(len(all))]
	target := filepath.Join(l.disk.point, "restored")
	address := a.volume + "@" + l.idOf(a)
	repo := l.repo
	if l.rng.IntN(2) == 0 { // elsewhere: then the journal's syncs are not the target's
		repo = copyElsewhere(l.t, repo)
	}
	c := l.cutDuring("restore", "-r", repo, "restore", address, target, "--json")
	done := c.process.wait(l.t) == 0
	l.powerOn()
	is, err := sumOf(target)
	switch {
	case err != nil && (done || !os.IsNotExist(err)):
		l.t.Errorf("restore %s: exit code 0 is %v, but the target: %v", address, done, err)
	case err == nil && is != a.sum:
		l.t.Errorf("restore %s: exit code 0 is %v, and the target is not what was backed up", address, done)
	}
	if err := os.Remove(target); err != nil && !os.IsNotExist(err) {
		l.t.Fatal(err)
	}
	mustSucceed(l.t, l.state, "-r", l.repo, "restore", address, target, "--json")
	if is, err := sumOf(target); err != nil || is != a.sum {
		l.t.Errorf("restore %s once more: %v, or the target is not what was backed up", address, err)
	}
	if err := os.Remove(target); err != nil {
		l.t.Fatal(err)
	}
	l.sync(l.disk.point) // or the next cut brings it back
	names, err := filepath.Glob(filepath.Join(l.disk.point, "*"))
	if err != nil || slices.ContainsFunc(names, func(name string) bool { return strings.Contains(name, "partial") }) {
		l.t.Errorf("a restore left something beside its target: %q, %v", names, err)
	}
}

// copyElsewhere copies a repository to where no power is cut.
func copyElsewhere(t testing.TB, repo string) string {
	t.Helper()
	to := filepath.Join(tempDir(t), "copy")
	mustRun(t, "cp", "-r", repo, to)
	return to
}

// powerOn mounts the disk again and asks the oracle.
func (l *life) powerOn() {
	l.disk.remount(l.t)
	l.consult()
}

func (l *life) consult() {
	s, err := l.ledger.check(l.t.Context(), l.repo)
	if err != nil {
		l.t.Errorf("after %d attempts: %v", len(l.ledger.attempts), err)
	}
	l.figures["complete without being acknowledged"] += int64(s.unasked)
}

// end lets the next backups run to their ends, with the power on, and asks the
// program itself.
func (l *life) end() {
	for i, s := range l.volumes {
		l.turn = i
		if l.rng.IntN(2) == 0 {
			s.change(l.t)
		}
		l.backUp()
	}
	l.consult()
	if names, err := leftovers(l.repo); err != nil || len(names) > 0 {
		l.t.Errorf("left over after the next backups: %q, %v", names, err)
	}
	if l.t.Failed() {
		return
	}
	all := l.present()
	a := all[l.rng.IntN(len(all))]
	l.restoreByHand(a)
	l.disk.unmount(l.t)
}

// restoreByHand has the program restore a revision into a pipe.
func (l *life) restoreByHand(a *attempt) {
	p := mustSucceed(l.t, l.state, "-r", l.repo, "restore", a.volume+"@"+l.idOf(a), "-")
	if sha256.Sum256(p.stdout.Bytes()) != a.sum {
		l.t.Errorf("%s restores by hand to something else", a.note())
	}
}

// unsettle has the kernel write some of what it holds, as it may at any time.
func (l *life) unsettle() {
	name := l.disk.point
	if l.rng.IntN(3) > 0 {
		dirs, err := filepath.Glob(filepath.Join(l.repo, "*", "*"))
		if err == nil && len(dirs) > 0 {
			name = dirs[l.rng.IntN(len(dirs))]
		}
	}
	l.sync(name)
}

// sync writes a file or directory to the disk, or all of them: those of the mount.
func (l *life) sync(name string) {
	fd, err := unix.Open(name, unix.O_RDONLY|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
	if os.IsNotExist(err) {
		return // it was removed meanwhile
	}
	if err == nil && name == l.disk.point {
		err = errors.Join(unix.Syncfs(fd), unix.Close(fd))
	} else if err == nil {
		err = errors.Join(unix.Fsync(fd), unix.Close(fd))
	}
	if err != nil {
		l.t.Errorf("sync %s: %v", name, err)
	}
}
