package job_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"varve/backup"
	"varve/hostlimit"
	"varve/job"
	"varve/repository"
	"varve/revision"
	"varve/volume"
)

// jobs are those of some volumes.
func (b *bench) jobs(names ...revision.Name) (jobs []job.Job) {
	for _, name := range names {
		jobs = append(jobs, b.job(name))
	}
	return jobs
}

// After an interruption nothing is begun any more, and each job has a result.
func TestInterruptionBeginsNothingMore(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	ctx, interrupt := cancelled(t)
	var opened, ended []revision.Name
	opts := b.options()
	opts.Tell = func(e job.Event) {
		switch e.Kind {
		case job.Opened:
			if opened = append(opened, e.Volume); len(opened) == 2 {
				interrupt()
			}
		case job.Ended:
			ended = append(ended, e.Volume)
		}
	}
	results := job.DoAll(ctx, b.repo, b.jobs("a", "b", "c", "d"), opts)
	if !slices.Equal(opened, []revision.Name{"a", "b"}) || !slices.Equal(ended, []revision.Name{"a", "b", "c", "d"}) {
		t.Errorf("opened %q, ended %q", opened, ended)
	}
	if len(results) != 4 || results[0].Err != nil || results[1].Err == nil || errors.Is(results[1].Err, job.ErrNotBegun) {
		t.Fatalf("got %+v", results)
	}
	for _, r := range results[2:] {
		if !errors.Is(r.Err, job.ErrNotBegun) || r.Gravity() != job.Failed {
			t.Errorf("%s ended with %v", r.Volume, r.Err)
		}
	}
	if g := job.Gravest(results, nil); g != job.Failed {
		t.Errorf("gravity %d", g)
	}
}

// As many jobs are under way at a time as there are slots, or else one.
func TestJobsAtATime(t *testing.T) {
	t.Parallel()
	for slots, want := range map[int]int{0: 1, 1: 1, 3: 3} {
		t.Run(fmt.Sprint(slots), func(t *testing.T) {
			t.Parallel()
			b := newBench(t)
			opts := b.options()
			opts.Limits.Jobs = slots
			arrived, together := make(chan struct{}, want), make(chan struct{})
			opts.Open = func(ctx context.Context, source string) (volume.Source, error) {
				select {
				case <-together: // as many as should have met
				case arrived <- struct{}{}:
					if len(arrived) == want {
						close(together)
					}
					select {
					case <-together:
					case <-time.After(time.Minute):
						return nil, errors.New("nobody else came")
					}
				}
				return b.open(ctx, source)
			}
			underway, most := 0, 0
			opts.Tell = func(e job.Event) {
				switch e.Kind {
				case job.Opened:
					underway++
					most = max(most, underway)
				case job.Ended:
					underway--
				}
			}
			results := job.DoAll(t.Context(), b.repo, b.jobs("a", "b", "c", "d", "e", "f"), opts)
			for i, r := range results {
				if want := revision.Name(rune('a' + i)); r.Volume != want || r.Err != nil {
					t.Errorf("result %d is of %s: %v", i, r.Volume, r.Err)
				}
			}
			if len(results) != 6 || most > want || underway != 0 {
				t.Errorf("%d results, %d at a time, %d under way", len(results), most, underway)
			}
		})
	}
}

// What is not due any more when it is its turn is told, and is no result.
func TestNotDueAnyMoreIsNoResult(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	conf := b.config("limits: {jobs: 1}\nvolumes:\n  v: {source: %s, schedule: daily}\n", b.path("disk"))
	opts := b.options()
	opts.Limits = conf.Limits
	agenda, err := job.Choose(b.repo, conf, nil, job.Choice{Due: true, Now: time.Now()}, opts)
	if err != nil || len(agenda.Jobs) != 1 {
		t.Fatalf("got %+v, %v", agenda, err)
	}
	agenda.Jobs[0].Wanted.Plan = weekly(t)
	give, waited := b.holdSlot(), false
	var ended []error
	opts.Tell = func(e job.Event) {
		switch {
		case e.Kind == job.Waiting && !waited:
			waited = true
			b.made("v", time.Time{})
			give()
		case e.Kind == job.Ended:
			ended = append(ended, e.Result.Err)
		}
	}
	results := job.DoAll(t.Context(), b.repo, agenda.Jobs, opts)
	if len(results) != 0 || len(ended) != 1 || !errors.Is(ended[0], job.ErrNotDue) {
		t.Errorf("results %+v, told %v", results, ended)
	}
}

func TestGravest(t *testing.T) {
	t.Parallel()
	well := job.Result{Created: new(backup.Result)}
	found := job.Result{Created: &backup.Result{Findings: []backup.Finding{{Kind: backup.FoundLie}}}}
	failed := func(err error) job.Result { return job.Result{Err: fmt.Errorf("back up: %w", err)} }
	busy, slots := failed(&repository.BusyError{}), failed(&hostlimit.BusyError{})
	misuse, notDue := failed(&job.NoSourceError{}), failed(job.ErrNotDue)
	other := failed(errors.New("it is gone"))
	tests := map[string]struct {
		results  []job.Result
		problems []error
		want     job.Gravity
	}{
		"nothing":           {want: job.Well},
		"all well":          {results: []job.Result{well, notDue, well}, want: job.Well},
		"one busy":          {results: []job.Result{well, busy, well}, want: job.Busy},
		"no slot":           {results: []job.Result{slots, well}, want: job.Busy},
		"one meant wrongly": {results: []job.Result{busy, misuse, well}, want: job.Failed},
		"and none made":     {results: []job.Result{busy, misuse, notDue}, want: job.Misuse},
		"a problem":         {results: []job.Result{busy, well}, problems: []error{errors.New("x")}, want: job.Failed},
		"nothing else":      {problems: []error{errors.New("x")}, want: job.Failed},
		"one failed":        {results: []job.Result{misuse, other, busy}, problems: []error{errors.New("x")}, want: job.Failed},
		"one found":         {results: []job.Result{other, found, well}, want: job.Damaged},
		"damage":            {results: []job.Result{failed(&repository.DamagedFileError{}), other}, want: job.Damaged},
	}
	for name, test := range tests {
		if got := job.Gravest(test.results, test.problems); got != test.want {
			t.Errorf("%s: gravity %d, want %d", name, got, test.want)
		}
	}
}
