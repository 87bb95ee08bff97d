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
	results := make([]Result, len(jobs))
	var g errgroup.Group
	g.SetLimit(max(1, opts.Limits.Jobs))
	for i, j := range jobs {
		g.Go(func() error {
			if ctx.Err() != nil {
				results[i] = Result{Volume: j.Volume, Err: ErrNotBegun}
			} else {
				results[i] = Do(ctx, repo, j, opts)
			}
			opts.tell(Event{Kind: Ended, Volume: j.Volume, Result: &results[i]})
			return nil
		})
	}
	_ = g.Wait() // how each one ended is in its result
	return slices.DeleteFunc(results, func(r Result) bool { return errors.Is(r.Err, ErrNotDue) })
}
