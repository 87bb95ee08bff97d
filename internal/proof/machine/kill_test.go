package machine

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"

	"varve/internal/proof/tally"
)

// roundsPerField is how often programs are killed on one repository.
const roundsPerField = 12

func TestEnumerateKills(t *testing.T) {
	t.Parallel()
	const goal = 200
	figures := tally.Figures{}
	for seed := range seeds(t) {
		if figures["signals"] >= goal || t.Failed() {
			break
		}
		runField(t, seed, figures)
	}
	t.Logf("%v", figures)
}

func TestTortureKills(t *testing.T) {
	t.Parallel()
	const goal = 5000
	book := tally.Open(t, "kills")
	for seed, ok := book.Next("signals", goal); ok; seed, ok = book.Next("signals", goal) {
		figures := tally.Figures{"fields": 1}
		runField(t, seed, figures)
		book.Done(seed, figures)
	}
}

func runField(t *testing.T, seed uint64, figures tally.Figures) {
	t.Helper()
	t.Run(fmt.Sprintf("seed=%d", seed), func(t *testing.T) {
		f := newField(t, seed)
		f.figures = figures
		f.birth()
		for i := 0; i < roundsPerField && !t.Failed(); i++ {
			f.round()
		}
		if t.Failed() {
			figures["violations"]++
			t.Logf("again: VARVE_SEED=%d", seed)
		}
	})
}

// A field is one repository in memory, where programs are killed.
type field struct {
	t       *testing.T
	rng     *rand.Rand
	dir     string
	repo    string
	state   string
	volumes []*source
	ledger  ledger
	had     map[string]bool // volumes with a revision before this round
	figures tally.Figures
	usual   time.Duration // how long a backup takes
}

func newField(t *testing.T, seed uint64) *field {
	t.Helper()
	dir := tempDir(t)
	f := &field{
		t: t, rng: rand.New(rand.NewPCG(seed, 1)), dir: dir, repo: filepath.Join(dir, "repo"),
		state: filepath.Join(dir, "state"), usual: 40 * time.Millisecond,
	}
	for _, name := range []string{"a", "b"} {
		f.volumes = append(f.volumes, newSource(t, filepath.Join(dir, name), f.rng, 3*mib))
	}
	return f
}

// birth makes the repository. Sometimes the first to try is killed.
func (f *field) birth() {
	words := []string{"init", f.repo, "--chunk-size", "64KiB"}
	if f.rng.IntN(3) == 0 {
		p := start(f.t, f.state, words...)
		p.await(time.Duration(f.rng.IntN(20)) * time.Millisecond)
		p.signal(f.t, []os.Signal{syscall.SIGKILL, syscall.SIGTERM, syscall.SIGINT}[f.rng.IntN(3)])
		f.ledger.promised = p.wait(f.t) == 0
		f.figures["signals"]++
		f.figures["signals during init"]++
	}
	s, err := f.ledger.check(f.t.Context(), f.repo)
	if err != nil {
		f.t.Errorf("after init: %v", err)
	}
	if !s.exists {
		mustSucceed(f.t, f.state, words...)
	}
	f.ledger.promised = true
}

// A fighter is a program that may be killed.
type fighter struct {
	*process
	attempt *attempt  // nil: it does not make a revision
	sig     os.Signal // nil: none
	step    int       // of a backup, with which it is sent; negative: at some time
	after   time.Duration
}

// round lets two or three programs run at once, ends some of them, and asks the oracle.
func (f *field) round() {
	f.prepare()
	f.had = map[string]bool{}
	for _, a := range f.ledger.attempts {
		f.had[a.volume] = f.had[a.volume] || a.promised
	}
	before := look(f.t, f.repo)
	var all []*fighter
	both := f.rng.IntN(4) == 0 // on one volume
	for _, s := range f.volumes {
		if both {
			s = f.volumes[0]
		}
		all = append(all, f.sendBackup(s, both))
	}
	if f.rng.IntN(2) == 0 && f.ledger.promised {
		all = append(all, f.sendReader())
	}
	for _, p := range all {
		f.arm(p)
	}
	f.fight(all, before)
	for _, p := range all {
		f.judge(p, both)
	}
	f.consult()
	f.next()
}

// prepare changes the volumes, or leaves them as they were when a backup of them
// was killed.
func (f *field) prepare() {
	for _, s := range f.volumes {
		switch n := f.rng.IntN(10); {
		case n == 0:
			s.resize(f.t)
		case n < 6:
			s.change(f.t)
		}
	}
	if f.rng.IntN(6) == 0 {
		if err := os.RemoveAll(f.state); err != nil {
			f.t.Fatal(err)
		}
	}
}

func (f *field) words(s *source, a *attempt) []string {
	words := []string{"-r", f.repo, "backup", a.volume, s.path, "--json", "--note", a.note()}
	if f.rng.IntN(6) == 0 {
		words = append(words, "--full")
	}
	return words
}

func (f *field) sendBackup(s *source, both bool) *fighter {
	a := f.ledger.begin(filepath.Base(s.path), s)
	words := f.words(s, a)
	if both && f.rng.IntN(2) == 0 {
		words = append(words, "--wait", "1m")
	}
	return &fighter{process: start(f.t, f.state, words...), attempt: a}
}

func (f *field) sendReader() *fighter {
	words := []string{"-r", f.repo, "--json"}
	switch f.rng.IntN(4) {
	case 0:
		words = append(words, "log", "a", "--all")
	case 1:
		words = append(words, "verify", "a")
	case 2:
		words = append(words, "restore", "a", filepath.Join(f.dir, "restored"))
	default:
		words = append(words, "rebuild")
	}
	return &fighter{process: start(f.t, f.state, words...)}
}

// arm decides with what a program is ended, and when. Every fourth one is spared.
func (f *field) arm(p *fighter) {
	signals := []os.Signal{syscall.SIGKILL, syscall.SIGTERM, syscall.SIGINT, nil}
	p.sig = signals[f.rng.IntN(len(signals))]
	if p.step = -1; p.attempt != nil && f.rng.IntN(2) == 0 {
		p.step = f.rng.IntN(len(steps))
		p.after = aMoment(f.rng)
		return
	}
	p.after = time.Duration(f.rng.Float64() * 1.1 * float64(f.usual))
}

// fight sends the signals, each in its time.
func (f *field) fight(all []*fighter, before sight) {
	var sent sync.WaitGroup
	for _, p := range all {
		if p.sig == nil {
			continue
		}
		sent.Go(func() {
			if p.step >= 0 {
				p.awaitStep(f.t, f.repo, before, p.step)
				p.await(p.after)
			} else {
				p.await(p.after - time.Since(p.begun))
			}
			p.signal(f.t, p.sig)
		})
	}
	sent.Wait()
}

// judge looks at how a program ended.
func (f *field) judge(p *fighter, both bool) {
	code := p.wait(f.t)
	name := "none"
	if p.sig != nil {
		name = p.sig.String()
		f.figures["signals"]++
	}
	f.figures[fmt.Sprintf("%s: exit code %d", name, code)]++
	honest := code == 0 || code == -1 && p.sig != nil
	switch p.sig {
	case syscall.SIGTERM:
		honest = honest || code == 143
	case syscall.SIGINT:
		honest = honest || code == 130
	}
	switch {
	case p.attempt == nil:
		f.figures["readers"]++
		honest = honest || code == 2 && !f.had["a"] // there is no revision yet
	case both:
		honest = honest || code == 4
	}
	if !honest {
		f.t.Errorf("varve %s: signal %s, exit code %d\n%s", p.words, name, code, p.said())
	}
	if p.attempt == nil {
		return
	}
	f.ledger.ended(f.t, p.attempt, p.process)
	if p.sig == nil && code == 0 {
		f.usual = (f.usual*7 + p.took) / 8
	}
}

func (f *field) consult() {
	f.t.Helper()
	f.ledger.promised = true
	s, err := f.ledger.check(f.t.Context(), f.repo)
	if err != nil {
		f.t.Errorf("after %d attempts: %v", len(f.ledger.attempts), err)
	}
	f.figures["complete without being acknowledged"] += int64(s.unasked)
}

// next is the next backup of one of the volumes: it succeeds, and clears away
// what the dead have left.
func (f *field) next() {
	s := f.volumes[f.rng.IntN(len(f.volumes))]
	a := f.ledger.begin(filepath.Base(s.path), s)
	p := start(f.t, f.state, f.words(s, a)...)
	if code := p.wait(f.t); code != 0 {
		f.t.Errorf("the next backup: exit code %d\n%s", code, p.said())
	}
	f.ledger.ended(f.t, a, p)
	if names, err := leftovers(f.repo); err != nil || len(names) > 0 {
		f.t.Errorf("left over after the next backup: %q, %v", names, err)
	}
	f.consult()
	f.restoreWhole()
}

// restoreWhole restores over what a restore that was killed may have left.
func (f *field) restoreWhole() {
	target := filepath.Join(f.dir, "restored")
	if _, err := os.Stat(target); err == nil {
		sum, err := sumOf(target)
		if err != nil || !f.wasBackedUp(sum) {
			f.t.Errorf("a restore that was killed, or not, left a target that was never backed up: %v", err)
		}
		if err := os.Remove(target); err != nil {
			f.t.Fatal(err)
		}
	}
	if f.rng.IntN(4) > 0 {
		return
	}
	volume := f.ledger.attempts[len(f.ledger.attempts)-1].volume
	mustSucceed(f.t, f.state, "-r", f.repo, "restore", volume, target)
	if _, err := os.Stat(target + ".varve-partial"); !os.IsNotExist(err) {
		f.t.Errorf("a restore leaves its partial file: %v", err)
	}
	if sum, err := sumOf(target); err != nil || sum != f.ledger.attempts[len(f.ledger.attempts)-1].sum {
		f.t.Errorf("the newest revision restores to something else: %v", err)
	}
	if err := os.Remove(target); err != nil {
		f.t.Fatal(err)
	}
}

func (f *field) wasBackedUp(sum [32]byte) bool {
	for _, a := range f.ledger.attempts {
		if a.sum == sum {
			return true
		}
	}
	return false
}
