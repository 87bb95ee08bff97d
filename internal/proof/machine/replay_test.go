package machine

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"varve/internal/proof/tally"
)

func TestEnumerateDisks(t *testing.T) {
	t.Parallel()
	const states = 20 // of each file system
	for _, fs := range diskSystems() {
		t.Run(fs.name, func(t *testing.T) {
			t.Parallel()
			p, figures := &template{fs: fs}, tally.Figures{}
			for seed := range seeds(t) {
				if figures["states"] > 0 {
					break
				}
				runDisk(t, seed, p, states, figures)
			}
			t.Logf("%v", figures)
		})
	}
}

func TestTortureDisks(t *testing.T) {
	const goal = 2000 // states of each file system
	for _, fs := range diskSystems() {
		t.Run(fs.name, func(t *testing.T) {
			t.Parallel()
			book, p := tally.Open(t, "disks-"+fs.name), &template{fs: fs}
			for seed, ok := book.Next("states", goal); ok; seed, ok = book.Next("states", goal) {
				figures := tally.Figures{"recordings": 1}
				runDisk(t, seed, p, 100, figures)
				book.Done(seed, figures)
			}
		})
	}
}

// runDisk records one disk, and looks at what power cuts may leave of it.
func runDisk(t *testing.T, seed uint64, p *template, states int, figures tally.Figures) {
	t.Helper()
	t.Run(fmt.Sprintf("seed=%d", seed), func(t *testing.T) {
		rng := rand.New(rand.NewPCG(seed, 2))
		r := record(t, rng, p, 6)
		if flushes := r.count(isFlush); flushes < 6 {
			t.Fatalf("the recording of %s has %d flushes: they do not reach the disk", p.fs.name, flushes)
		}
		figures["writes recorded"] += int64(r.count(isWrite))
		figures["flushes recorded"] += int64(r.count(isFlush))
		now, err := newReplay(r)
		if err != nil {
			t.Fatal(err)
		}
		for _, at := range r.points(rng, states) {
			if !now.try(t, rng, at, figures) {
				figures["violations"]++
				t.Logf("again: VARVE_SEED=%d", seed)
				return
			}
		}
	})
}

func (r *recording) count(what int) (n int) {
	for _, e := range r.events {
		if e.What == what {
			n++
		}
	}
	return n
}

// points chooses where the power is cut, ascending: mostly just before a flush,
// when most is under way, but also just after an acknowledgement, when nothing of
// it may be, and anywhere.
func (r *recording) points(rng *rand.Rand, n int) []int {
	var flushes, marks []int
	open := false
	for i, e := range r.events {
		switch e.What {
		case isWrite:
			open = true
		case isFlush:
			if open {
				flushes = append(flushes, i)
			}
			open = false
		case isMark:
			marks = append(marks, i+1)
		}
	}
	points := make([]int, n)
	for i := range points {
		switch rng.IntN(6) {
		case 0:
			points[i] = rng.IntN(len(r.events) + 1)
		case 1:
			points[i] = marks[rng.IntN(len(marks))]
		default:
			points[i] = flushes[rng.IntN(len(flushes))]
		}
	}
	slices.Sort(points)
	return points
}

// A replay makes the disks that cuts leave, at ascending points of a recording.
type replay struct {
	*recording
	settled string // an image with all writes that were flushed before the last point
	done    int    // events that are in it
}

func newReplay(r *recording) (*replay, error) {
	settled := r.image + "-settled"
	out, err := exec.Command("cp", "--sparse=always", r.image, settled).CombinedOutput()
	if err != nil {
		return nil, fmt.Errorf("%w: %s", err, out)
	}
	return &replay{recording: r, settled: settled}, nil
}

// settle applies what was flushed before the point, and returns the writes after
// that, which the disk may have done or not.
func (r *replay) settle(point int) (open []event, err error) {
	flushed := r.done
	for i := r.done; i < point; i++ {
		if r.events[i].What == isFlush {
			flushed = i + 1
		}
	}
	if err := apply(r.settled, r.events[r.done:flushed]); err != nil {
		return nil, err
	}
	r.done = flushed
	for _, e := range r.events[flushed:point] {
		if e.What == isWrite {
			open = append(open, e)
		}
	}
	return open, nil
}

// apply writes to an image.
func apply(image string, events []event) (err error) {
	f, err := os.OpenFile(image, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	for _, e := range events {
		if e.What != isWrite {
			continue
		}
		if _, err := f.WriteAt(e.Data, e.Offset); err != nil {
			return err
		}
	}
	return nil
}

// choose tells which of the open writes reached the disk: all, none, all but one,
// one, those up to some, or any of them; whole, or any blocks of them.
func choose(rng *rand.Rand, open []event) (chosen []event, how string) {
	if len(open) == 0 {
		return nil, "nothing open"
	}
	one := rng.IntN(len(open))
	switch rng.IntN(7) {
	case 0:
		return open, "all"
	case 1:
		return nil, "none"
	case 2:
		return slices.Delete(slices.Clone(open), one, one+1), "all but one"
	case 3:
		return open[one : one+1], "one"
	case 4:
		return open[:one], "the first"
	case 5:
		open, how = blocks(open), "any blocks"
	default:
		how = "any"
	}
	for _, e := range open {
		if rng.IntN(2) == 0 {
			chosen = append(chosen, e)
		}
	}
	return chosen, how
}

// blocks cuts writes into those of single blocks.
func blocks(writes []event) (single []event) {
	for _, e := range writes {
		for part := range slices.Chunk(e.Data, blockSize) {
			single = append(single, event{Offset: e.Offset, Data: part})
			e.Offset += int64(len(part))
		}
	}
	return single
}

// try makes a disk as a cut at the point may leave it, mounts it and asks the oracle.
func (r *replay) try(t *testing.T, rng *rand.Rand, point int, figures tally.Figures) bool {
	t.Helper()
	open, err := r.settle(point)
	if err != nil {
		t.Fatal(err)
	}
	chosen, how := choose(rng, open)
	name := fmt.Sprintf("event=%d", point)
	ok := t.Run(name, func(t *testing.T) {
		image := r.image + "-cut"
		mustRun(t, "cp", "--sparse=always", r.settled, image)
		if err := apply(image, chosen); err != nil {
			t.Fatal(err)
		}
		disk := r.fs.attach(t, image)
		disk.mount(t)
		r.judge(t, rng, disk, point, figures)
		disk.unmount(t)
		disk.detach(t)
		if t.Failed() {
			t.Logf("of %d writes since the last flush: %s, %d", len(open), how, len(chosen))
		}
	})
	figures["states"]++
	figures["open writes kept: "+how]++
	return ok
}

// judge is the oracle, for a disk that was cut at a point of the recording.
func (r *replay) judge(t *testing.T, rng *rand.Rand, disk *mounted, point int, figures tally.Figures) {
	t.Helper()
	made, attempts, restored := r.promises(point)
	l := ledger{promised: made}
	for _, a := range r.ledger.attempts {
		then := *a
		then.promised = attempts[a.number]
		l.attempts = append(l.attempts, &then)
	}
	repo := filepath.Join(disk.point, r.repo)
	s, err := l.check(t.Context(), repo)
	if err != nil {
		t.Error(err)
		return
	}
	figures["complete without being acknowledged"] += int64(s.unasked)
	r.judgeRestored(t, disk.point, restored)
	if rng.IntN(3) > 0 {
		return
	}
	if !s.exists {
		mustSucceed(t, r.state, "init", repo, "--chunk-size", "64KiB")
	}
	for name, source := range r.last {
		a := l.begin(name, source)
		l.ended(t, a, mustSucceed(t, r.state, "-r", repo, "backup", name, source.path, "--json", "--note", a.note()))
	}
	if _, err := l.check(t.Context(), repo); err != nil {
		t.Errorf("after the next backups: %v", err)
	}
	if names, err := leftovers(repo); err != nil || len(names) > 0 {
		t.Errorf("left over after the next backups: %q, %v", names, err)
	}
	figures["states with the next backups"]++
}

// judgeRestored looks at what was restored to files on the disk.
func (r *replay) judgeRestored(t *testing.T, point string, promised map[int]bool) {
	t.Helper()
	for _, a := range r.ledger.attempts {
		sum, err := sumOf(restoredName(point, a.number))
		switch {
		case err != nil && (promised[a.number] || !os.IsNotExist(err)):
			t.Errorf("the file restored of %s: %v", a.note(), err)
		case err == nil && sum != a.sum:
			t.Errorf("the file restored of %s is not what was backed up", a.note())
		}
	}
}

// TestReplayOfAllIsTheDisk makes sure that the recording has everything: what it
// gives in the end has every revision, and mounts.
func TestReplayOfAllIsTheDisk(t *testing.T) {
	t.Parallel()
	fs := diskSystems()[1]
	rng := rand.New(rand.NewPCG(1, 3))
	r := record(t, rng, &template{fs: fs}, 2)
	image := r.image + "-all"
	mustRun(t, "cp", "--sparse=always", r.image, image)
	if err := apply(image, r.events); err != nil {
		t.Fatal(err)
	}
	disk := fs.attach(t, image)
	disk.mount(t)
	l := r.ledger
	s, err := l.check(t.Context(), filepath.Join(disk.point, r.repo))
	if err != nil || s.revisions != 2 {
		t.Errorf("at the end of the recording there are %d revisions, want 2; %v", s.revisions, err)
	}
	var marks []string
	for _, e := range r.events {
		if e.What == isMark {
			word, _, _ := strings.Cut(e.Mark, " ")
			marks = append(marks, word)
		}
	}
	if want := []string{markMade, markAttempt, markAttempt, markRestored}; !slices.Equal(marks, want) {
		t.Errorf("marks = %s, want %s", strconv.Quote(strings.Join(marks, " ")), strconv.Quote(strings.Join(want, " ")))
	}
}
