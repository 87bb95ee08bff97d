package job

import (
	"context"
	"fmt"
	"time"

	"varve/repository"
	"varve/retention"
	"varve/revision"
)

// Pruning is what is to be done about the age of one volume.
type Pruning struct {
	Rules     retention.Rules
	Undelete  time.Duration // how long what goes can come back
	MaxChain  int           // revisions from a full on; longer chains get a full without a read. 0: any number
	FullEvery int           // likewise, deltas between fulls; 0: any number
	Wait      time.Duration // for a backup of the volume
	DryRun    bool          // only the plan is made
}

// Pruned is what was done, or would be, about the age of one volume.
type Pruned struct {
	Volume  repository.Volume
	Plan    retention.Plan
	Removed *repository.Removed // nil: with DryRun, or nothing was to go before the volume was locked
	Fulls   []revision.ID       // that were made so that chains stay short
	Err     error               // nil: all of it was done, or with DryRun would be
}

// Prune takes away what the rules do not keep of a volume, as of now in the zone of its
// calendar, and then shortens its chains. The plan is that of what there is once nobody
// else can make or remove revisions of the volume. What was done before an error is in
// the result. Without a rule, the error wraps [retention.ErrNoRules].
func Prune(ctx context.Context, repo *repository.Repository, v repository.Volume, p Pruning, now time.Time) Pruned {
	out := Pruned{Volume: v}
	out.Err = prune(ctx, repo, p, now, &out)
	if out.Err != nil {
		out.Err = fmt.Errorf("prune volume %q: %w", v.Name, out.Err)
	}
	return out
}

func prune(ctx context.Context, repo *repository.Repository, p Pruning, now time.Time, out *Pruned) error {
	revisions, err := repo.Revisions(out.Volume)
	if err != nil {
		return err
	}
	choose := func(revisions []repository.Revision) (going []revision.ID, err error) {
		if out.Plan, err = retention.Decide(ages(revisions), p.Rules, now, now.Location()); err != nil {
			return nil, err
		}
		return out.Plan.Going(), nil
	}
	going, err := choose(revisions)
	if err != nil || p.DryRun {
		return err
	}
	if len(going) > 0 { // as things are without a lock
		opts := repository.RemoveOptions{Op: repository.OpPrune, Undelete: p.Undelete, Wait: p.Wait, Choose: choose}
		if out.Removed, err = repo.Remove(ctx, out.Volume, nil, opts); err != nil {
			return err
		}
		if revisions, err = repo.Revisions(out.Volume); err != nil {
			return err
		}
	}
	if long := tooLong(revisions, p.limit()); len(long) > 0 {
		out.Fulls, err = repo.Flatten(ctx, out.Volume, long, p.Wait)
	}
	return err
}

// ages are the revisions as their rules see them. One that cannot be read has the
// place at which it is listed.
func ages(revisions []repository.Revision) []retention.Revision {
	out := make([]retention.Revision, len(revisions))
	number := uint64(0)
	for i := range revisions {
		c := revisions[i].Candidate()
		number = max(number, c.Sequence)
		out[i] = retention.Revision{
			ID: c.ID, Sequence: number, Begun: c.Begun, Tags: c.Tags, Trusted: c.Trusted, Pin: revisions[i].Info.Pin,
		}
	}
	return out
}

// limit is how many revisions a chain may have; 0: any number.
func (p *Pruning) limit() int {
	switch {
	case p.FullEvery == 0:
		return p.MaxChain
	case p.MaxChain == 0:
		return p.FullEvery + 1
	}
	return min(p.MaxChain, p.FullEvery+1)
}

// tooLong gives the revisions that are to become fulls so that no chain has more than
// that many, oldest first. What cannot be read ends a chain.
func tooLong(revisions []repository.Revision, limit int) (fulls []revision.ID) {
	if limit == 0 {
		return nil
	}
	length := map[revision.ID]int{}
	for _, rev := range revisions {
		if rev.Statement == nil {
			continue
		}
		n := 1
		if parent := rev.Statement.Parent; parent != nil {
			n = length[parent.ID] + 1
		}
		if n > limit && rev.Info.State != repository.Damaged {
			fulls, n = append(fulls, rev.ID), 1
		}
		length[rev.ID] = n
	}
	return fulls
}
