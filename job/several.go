package job

import (
	"context"
	"errors"
	"slices"
	"sync"

	"golang.org/x/sync/errgroup"

	"varve/repository"
)

// DoAll does several jobs, each whatever came of the others: in their order, as many
// at a time as the host has slots, or else one. When the context has ended, no other
// one is begun. The results are in the order of the jobs, without those that were not
// due any more when it was their turn; of each there is an [Ended] event.
func DoAll(ctx context.Context, repo *repository.Repository, jobs []Job, opts Options) []Result {
	if tell := opts.Tell; tell != nil {
		var mu sync.Mutex
		opts.Tell = func(e Event) {
			mu.Lock()
			defer mu.Unlock()
			tell(e)
		}
	}
	together := groups(jobs)
	ended := make([][]Result, len(together))
	var g errgroup.Group
	g.SetLimit(max(1, opts.Limits.Jobs))
	for i, jobs := range together {
		g.Go(func() error {
			ended[i] = do(ctx, repo, jobs, opts)
			for n := range ended[i] {
				opts.tell(Event{Kind: Ended, Volume: ended[i][n].Volume, Result: &ended[i][n]})
			}
			return nil
		})
	}
	_ = g.Wait() // how each one ended is in its result
	results := slices.Concat(ended...)
	return slices.DeleteFunc(results, func(r Result) bool { return errors.Is(r.Err, ErrNotDue) })
}

// do does one job, or those of a set.
func do(ctx context.Context, repo *repository.Repository, jobs []Job, opts Options) (results []Result) {
	switch {
	case ctx.Err() != nil:
		for _, j := range jobs {
			results = append(results, Result{Volume: j.Volume, Err: ErrNotBegun})
		}
		return results
	case jobs[0].Set != nil:
		return doSet(ctx, repo, jobs, opts)
	}
	return []Result{Do(ctx, repo, jobs[0], opts)}
}
