package machine

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"iter"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"varve/internal/proof/tally"
)

// cutsPerLife is how often the power of one repository is cut.
const cutsPerLife = 10

func TestEnumeratePowerCuts(t *testing.T) {
	t.Parallel()
	const goal = 25 // cuts of each file system
	for _, fs := range fileSystems() {
		t.Run(fs.name, func(t *testing.T) {
			t.Parallel()
			p, figures := &template{fs: fs}, tally.Figures{}
			for seed := range seeds(t) {
				if figures["cuts"] >= goal || t.Failed() {
					break
				}
				runLife(t, seed, p, figures)
			}
			t.Logf("%v", figures)
		})
	}
}

func TestTorturePowerCuts(t *testing.T) {
	const goal = 1000 // cuts of each file system
	for _, fs := range fileSystems() {
		t.Run(fs.name, func(t *testing.T) {
			t.Parallel()
			book, p := tally.Open(t, "power-cuts-"+fs.name), &template{fs: fs}
			for seed, ok := book.Next("cuts", goal); ok; seed, ok = book.Next("cuts", goal) {
				figures := tally.Figures{"lives": 1}
				runLife(t, seed, p, figures)
				book.Done(seed, figures)
			}
		})
	}
}

// seeds are those that a test in make test uses: new ones each time, without end,
// or the one that is asked for.
func seeds(t testing.TB) iter.Seq[uint64] {
	t.Helper()
	only, one := tally.Only(t)
	return func(yield func(uint64) bool) {
		if one {
			yield(only)
			return
		}
		for seed := uint64(time.Now().UnixNano()); yield(seed); seed++ {
		}
	}
}

func runLife(t *testing.T, seed uint64, p *template, figures tally.Figures) {
	t.Helper()
	t.Run(fmt.Sprintf("seed=%d", seed), func(t *testing.T) {
		l := newLife(t, seed, p)
		l.live(cutsPerLife)
		for name, n := range l.figures {
			figures[name] += n
		}
		if t.Failed() {
			figures["violations"]++
			t.Logf("again: VARVE_SEED=%d", seed)
		}
	})
}

// A cut is a cut that was made.
type cut struct {
	process *process
	step    string // that the program was at
}

// cutDuring runs varve, cuts the power at some moment, and sees to it that the
// process ends: killed, as by a power cut, or by itself, upon the errors of a
// disk that is gone. What it says then must be true all the same.
func (l *life) cutDuring(kind string, words ...string) cut {
	l.t.Helper()
	before := look(l.t, l.repo)
	p := start(l.t, l.state, words...)
	if strings.Contains(kind, " of ") && l.rng.IntN(2) == 0 {
		l.await(p, before)
	} else {
		l.awaitMoment(p, kind)
	}
	if l.rng.IntN(8) == 0 { // just after it said how it went
		<-p.ended
	}
	step := look(l.t, l.repo).stepSince(before)
	if !p.running() {
		step = stepEnded
		l.learn(kind, p.took)
	}
	l.disk.cut(l.t, []int{shutNow, shutNow, shutNow, shutLogFlush}[l.rng.IntN(4)])
	if l.rng.IntN(3) > 0 {
		p.signal(l.t, syscall.SIGKILL)
	}
	p.wait(l.t)
	word, _, _ := strings.Cut(kind, " of ")
	l.figures["cuts"]++
	l.figures["cuts during "+word]++
	if strings.HasSuffix(word, "full") || word == "delta" {
		l.figures["cut backups "+step]++
	}
	return cut{process: p, step: step}
}

func (l *life) learn(kind string, took time.Duration) {
	if usual, known := l.usual[kind]; known {
		took = (usual*3 + took) / 4
	}
	l.usual[kind] = took
}

// awaitMoment waits for a moment anywhere in the run, or just after it. On the
// way, the kernel writes something, or not.
func (l *life) awaitMoment(p *process, kind string) {
	usual, known := l.usual[kind]
	if !known {
		usual = 40*time.Millisecond + time.Duration(len(l.volumes[l.turn].content)/mib)*4*time.Millisecond
	}
	moment := time.Duration(l.rng.Float64() * 1.1 * float64(usual))
	if l.rng.IntN(2) == 0 {
		p.await(time.Duration(l.rng.Float64() * float64(moment)))
		l.unsettle()
	}
	p.await(moment - time.Since(p.begun))
}

// await waits until the program has come to a certain step, for the last of them
// are done within a millisecond or two, and then for a moment.
func (l *life) await(p *process, before sight) {
	p.awaitStep(l.t, l.repo, before, l.rng.IntN(len(steps)))
	p.await(aMoment(l.rng))
	if l.rng.IntN(3) == 0 {
		l.unsettle()
	}
}

// idOf asks the program for the id of an attempt's revision.
func (l *life) idOf(a *attempt) string {
	p := mustSucceed(l.t, l.state, "-r", l.repo, "log", a.volume, "--all", "--json")
	return findID(l.t, p.stdout.Bytes(), a)
}

func findID(t testing.TB, document []byte, a *attempt) string {
	t.Helper()
	var listed struct {
		Result struct {
			Revisions []struct{ Revision, Note string }
		}
	}
	if err := json.NewDecoder(bytes.NewReader(document)).Decode(&listed); err != nil {
		t.Fatal(err)
	}
	for _, rev := range listed.Result.Revisions {
		if rev.Note == a.note() {
			return rev.Revision
		}
	}
	t.Fatalf("log does not list the revision of %s", a.note())
	return ""
}

// sumOf is what source.sum would say of a file.
func sumOf(path string) ([32]byte, error) {
	content, err := os.ReadFile(path)
	return sha256.Sum256(content), err
}
