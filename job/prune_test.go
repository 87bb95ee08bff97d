package job_test

import (
	"context"
	"errors"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"varve/internal/durable"
	"varve/internal/durable/durabletest"
	"varve/job"
	"varve/repository"
	"varve/retention"
	"varve/revision"
)

// pruneTime is when prunings are done in these tests.
var pruneTime = time.Date(2026, 3, 12, 3, 0, 0, 0, time.UTC)

// night makes a revision at an hour of the 10th of March or a later day.
func (b *bench) night(day, hour int) { b.made("db", time.Date(2026, 3, day, hour, 0, 0, 0, time.UTC)) }

// db lists the revisions of the volume that is pruned.
func (b *bench) db() []repository.Revision {
	b.t.Helper()
	v, err := b.repo.Volume("db")
	b.must(err)
	all, err := b.repo.Revisions(v)
	b.must(err)
	return all
}

func idsOf(revisions []repository.Revision) (ids []revision.ID) {
	for _, rev := range revisions {
		ids = append(ids, rev.ID)
	}
	return ids
}

func (b *bench) prune(p job.Pruning) job.Pruned {
	b.t.Helper()
	done := job.Prune(b.t.Context(), b.repo, b.db()[0].Volume, p, pruneTime)
	b.must(done.Err)
	return done
}

func TestPruneTakesWhatNoRuleKeeps(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	for _, hour := range []int{1, 2, 3} {
		b.night(10, hour)
	}
	b.night(11, 1)
	all := idsOf(b.db())
	p := job.Pruning{Rules: retention.Rules{Daily: 5}, Undelete: 48 * time.Hour, DryRun: true}
	if done := b.prune(p); !slices.Equal(done.Plan.Going(), all[:2]) || done.Removed != nil || len(b.db()) != 4 {
		t.Errorf("rehearsed: %v go, %+v went", done.Plan.Going(), done.Removed)
	}
	p.DryRun = false
	begun := time.Now()
	done := b.prune(p)
	if !slices.Equal(done.Removed.Revisions, []revision.ID{all[1], all[0]}) || !slices.Equal(idsOf(b.db()), all[2:]) {
		t.Errorf("%v went, %v are left of %v", done.Removed.Revisions, idsOf(b.db()), all)
	}
	if until := done.Removed.Until; until.Before(begun.Add(47*time.Hour)) || until.After(time.Now().Add(48*time.Hour)) {
		t.Errorf("they can come back until %s", until)
	}
	trash, err := b.repo.Trash()
	b.must(err)
	if len(trash) != 2 || trash[0].Op != repository.OpPrune {
		t.Errorf("in the trash are %+v", trash)
	}
	if done := b.prune(p); done.Removed != nil {
		t.Errorf("the second time %+v", done.Removed)
	}
	p.Rules = retention.Rules{}
	if done := job.Prune(t.Context(), b.repo, b.db()[0].Volume, p, pruneTime); !errors.Is(done.Err, retention.ErrNoRules) || len(b.db()) != 2 {
		t.Errorf("without rules: %v", done.Err)
	}
}

// What happens between the first look and the lock of the volume counts.
func TestPrunePlansUnderTheLock(t *testing.T) {
	t.Parallel()
	mark := func(which int, change func(*repository.Info)) func(*bench) {
		return func(b *bench) { b.must(b.repo.Mark(b.t.Context(), b.db()[which], change)) }
	}
	keepDay := func(i *repository.Info) { i.Tags = append(i.Tags, "keep") }
	for name, test := range map[string]struct {
		meanwhile func(*bench)
		left      []int // of the four that there were
		more      int
	}{
		"nothing":           {func(*bench) {}, []int{2, 3}, 0},
		"a pin":             {mark(0, func(i *repository.Info) { i.Pin = &revision.Pin{} }), []int{0, 2, 3}, 0},
		"a tag":             {mark(0, keepDay), []int{0, 2, 3}, 0},
		"a lie came out":    {mark(2, func(i *repository.Info) { i.State = repository.Suspect }), []int{1, 2, 3}, 0},
		"everything marked": {func(b *bench) { mark(0, keepDay)(b); mark(1, keepDay)(b) }, []int{0, 1, 2, 3}, 0},
		"a backup":          {func(b *bench) { b.night(12, 1) }, []int{2, 3}, 1},
		"a removal": {func(b *bench) {
			opts := repository.RemoveOptions{Op: repository.OpRemove, Undelete: time.Hour}
			_, err := b.repo.Remove(b.t.Context(), b.db()[2].Volume, []revision.ID{b.db()[2].ID}, opts)
			b.must(err)
		}, []int{1, 3}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t)
			for _, hour := range []int{1, 2, 3} {
				b.night(10, hour)
			}
			b.night(11, 1)
			all := idsOf(b.db())
			var once sync.Once
			watched := b.watched(func(op, name string) error {
				if op == "lock" && strings.HasPrefix(name, "locks/volumes/") {
					once.Do(func() { test.meanwhile(b) })
				}
				return nil
			})
			p := job.Pruning{Rules: retention.Rules{Daily: 5, Tags: []string{"keep"}}, Undelete: time.Hour}
			done := job.Prune(t.Context(), watched, b.db()[0].Volume, p, pruneTime)
			b.must(done.Err)
			left := idsOf(b.db())
			var want []revision.ID
			for _, i := range test.left {
				want = append(want, all[i])
			}
			if len(left) != len(want)+test.more || !slices.Equal(left[:len(want)], want) {
				t.Errorf("%v are left of %v, want %v and %d more", left, all, want, test.more)
			}
			if len(done.Plan.Decisions) < 3 {
				t.Errorf("the plan is %+v", done.Plan)
			}
		})
	}
}

// watched is the repository of the bench, looked at before each call.
func (b *bench) watched(before func(op, name string) error) *repository.Repository {
	b.t.Helper()
	tree, err := durable.OpenTree(b.path("repo"))
	b.must(err)
	repo, err := repository.Open(durabletest.NewWatched(tree, before), repository.Options{Command: "prune"})
	b.must(err)
	b.t.Cleanup(func() { b.must(repo.Close()) })
	return repo
}

// chains gives, oldest first, how long the chain of each revision is.
func (b *bench) chains() (lengths []int) {
	length := map[revision.ID]int{}
	for _, rev := range b.db() {
		n := 1
		if p := rev.Statement.Parent; p != nil {
			n = length[p.ID] + 1
		}
		length[rev.ID] = n
		lengths = append(lengths, n)
	}
	return lengths
}

func TestPruneKeepsChainsShort(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		maxChain, fullEvery int
		damaged             int // the number of a revision that is known to be; 0: none
		want                []int
		fulls               int
	}{
		"any number":         {0, 0, 0, []int{1, 2, 3, 4, 5, 6, 7}, 0},
		"max_chain":          {3, 0, 0, []int{1, 2, 3, 1, 2, 3, 1}, 2},
		"full_every":         {0, 2, 0, []int{1, 2, 3, 1, 2, 3, 1}, 2},
		"max_chain is less":  {2, 4, 0, []int{1, 2, 1, 2, 1, 2, 1}, 3},
		"full_every is less": {6, 1, 0, []int{1, 2, 1, 2, 1, 2, 1}, 3},
		"long enough":        {7, 0, 0, []int{1, 2, 3, 4, 5, 6, 7}, 0},
		"of damage, none":    {3, 0, 4, []int{1, 2, 3, 4, 1, 2, 3}, 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t)
			for hour := range 7 {
				b.night(10, hour)
			}
			if test.damaged > 0 {
				b.must(b.repo.Mark(t.Context(), b.db()[test.damaged-1], func(i *repository.Info) { i.State = repository.Damaged }))
			}
			done := b.prune(job.Pruning{Rules: retention.Rules{Last: 100}, MaxChain: test.maxChain, FullEvery: test.fullEvery})
			if got := b.chains(); !slices.Equal(got, test.want) || len(done.Fulls) != test.fulls {
				t.Errorf("chains are %v, want %v; fulls were made of %v", got, test.want, done.Fulls)
			}
			if again := b.prune(job.Pruning{Rules: retention.Rules{Last: 100}, MaxChain: test.maxChain, FullEvery: test.fullEvery}); len(again.Fulls) > 0 {
				t.Errorf("the second time, fulls were made of %v", again.Fulls)
			}
		})
	}
}

// What cannot be read has its place among the others, and their rules.
func TestPruneOfWhatCannotBeRead(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	for hour := range 4 {
		b.night(10, hour)
	}
	all := b.db()
	for _, name := range []string{"volumes/db/", "copies/" + all[0].Volume.UUID.String() + "/"} {
		b.must(os.WriteFile(b.path("repo/"+name+string(all[2].ID)+".rev"), []byte("rot"), 0o640))
	}
	done := b.prune(job.Pruning{Rules: retention.Rules{Last: 2}, DryRun: true})
	var listed []revision.ID
	for _, d := range done.Plan.Decisions {
		listed = append(listed, d.ID)
	}
	// The third cannot be read, and the fourth builds on it: neither pushes out the second.
	if !slices.Equal(listed, idsOf(all)) || len(done.Plan.Going()) != 0 {
		t.Errorf("%v of %v go", done.Plan.Going(), listed)
	}
}

// A pruning that is called off takes nothing.
func TestPruneCalledOff(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.night(10, 1)
	b.night(10, 2)
	b.night(11, 1)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	done := job.Prune(ctx, b.repo, b.db()[0].Volume, job.Pruning{Rules: retention.Rules{Daily: 5}}, pruneTime)
	if !errors.Is(done.Err, context.Canceled) || len(b.db()) != 3 {
		t.Errorf("%v, %d are left", done.Err, len(b.db()))
	}
}
