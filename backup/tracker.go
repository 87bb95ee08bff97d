package backup

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"

	"varve/repository"
	"varve/revision"
	"varve/volume"
)

// planChanges looks at what the source says has changed since the parent's snapshot. Where it cannot say, everything is
// read, and it is told why.
func (c *creation) planChanges(ctx context.Context, differ volume.Differ) (*plan, error) {
	changes, since, err := c.changesSince(ctx, differ)
	if none := new(volume.NoBaseError); errors.As(err, &none) {
		c.warn("everything is read: %s", none.Why)
		return c.planAll(), nil
	}
	if err != nil {
		return nil, err
	}
	t := &told{changes: changes, size: c.geo.size}
	t.precise, _ = changes.(volume.Precise)
	return &plan{kind: revision.PlanTracker, since: since, told: t, slice: c.nextSlice()}, nil
}

func (c *creation) changesSince(ctx context.Context, differ volume.Differ) (_ volume.Changes, since string, err error) {
	if c.backup.Parent() == nil {
		return nil, "", &volume.NoBaseError{Why: "there is no revision to build on"}
	}
	was, now := c.backup.Parent().Statement().Source, c.describeSource()
	switch {
	case was.Kind != now.Kind || was.Identity == "" || was.Identity != revision.Recorded(now.Identity):
		return nil, "", &volume.NoBaseError{Why: fmt.Sprintf("the last backup read another source (%s, now %s)", orUnknown(was.Identity), orUnknown(now.Identity))}
	case was.Snapshot == "":
		return nil, "", &volume.NoBaseError{Why: "the last backup kept no snapshot to count from"}
	}
	changes, err := differ.Since(ctx, was.Snapshot)
	return changes, was.Snapshot, err
}

// told keeps what a change tracker says of a span of the volume, and what came of it in the last region: it is asked about
// many regions at once, and about none twice.
type told struct {
	changes volume.Changes
	precise volume.Precise // nil: it knows no more than that
	size    int64          // of the volume
	span    volume.Extent
	extents []volume.Extent // within span

	region uint64
	look   *selection // what is to be looked at in region, if that is known
}

// spanBytes is how much a tracker is asked about at a time. What it tells of that is kept.
const spanBytes = 1 << 40

// in yields the extents within that may have changed.
func (t *told) in(ctx context.Context, within volume.Extent) iter.Seq2[volume.Extent, error] {
	return func(yield func(volume.Extent, error) bool) {
		for off := within.Offset; off < within.End(); off = t.span.End() {
			if err := t.ask(ctx, off); err != nil {
				yield(volume.Extent{}, err)
				return
			}
			for _, e := range t.extents {
				part, some := cut(repository.Extent(e), repository.Extent(within))
				if some && !yield(volume.Extent(part), nil) {
					return
				}
			}
		}
	}
}

// ask makes sure that what is told of the span with off in it is known.
func (t *told) ask(ctx context.Context, off int64) error {
	if off >= t.span.Offset && off < t.span.End() {
		return nil
	}
	t.span, t.extents = volume.Extent{Offset: off / spanBytes * spanBytes, Length: spanBytes}, nil
	within := t.span
	within.Length = max(min(within.End(), t.size)-within.Offset, 0)
	for e, err := range t.changes.Changed(ctx, within) {
		if err != nil {
			t.span = volume.Extent{}
			return fmt.Errorf("ask the source what changed: %w", err)
		}
		t.extents = append(t.extents, e)
	}
	return nil
}

// label says what the source's snapshot is taken for.
func (c *creation) label() volume.Label {
	return volume.Label{
		Repository: c.repo.ID().String(), Volume: c.backup.Volume().UUID.String(), Revision: string(c.backup.ID()),
	}
}

// tidyLeftovers removes the snapshots that runs left which are no more; what a revision counts from stays.
func (c *creation) tidyLeftovers(ctx context.Context) {
	keeper, can := c.src.(volume.Keeper)
	if !can {
		return
	}
	var bases []string
	for _, rev := range c.backup.Revisions() {
		if rev.Statement != nil && rev.Statement.Source.Snapshot != "" {
			bases = append(bases, rev.Statement.Source.Snapshot)
		}
	}
	if gone, err := keeper.Tidy(ctx, c.label(), bases...); err != nil {
		c.warn("snapshots of former runs stay: %v", err)
	} else if len(gone) > 0 {
		c.opts.Log.Info("removed snapshots that former runs left", "volume", c.opts.Volume, "snapshots", gone)
	}
}

// snapshot takes the source's snapshot: one that can be kept, where that is possible.
func (c *creation) snapshot(ctx context.Context) (volume.Snapshot, error) {
	if keeper, can := c.src.(volume.Keeper); can {
		return keeper.SnapshotFor(ctx, c.label())
	}
	return c.src.Snapshot(ctx)
}

// base is the snapshot that the next backup counts from; empty: none.
func (c *creation) base() string {
	if differ, can := c.snap.(volume.Differ); can {
		return differ.Base()
	}
	return ""
}

// keepSnapshot keeps the snapshot of a revision that is visible, or may be.
func (c *creation) keepSnapshot() {
	if differ, can := c.snap.(volume.Differ); can && differ.Base() != "" {
		differ.Keep()
	}
}

// tidySnapshots removes all snapshots of the volume but that of its new revision.
func (c *creation) tidySnapshots(ctx context.Context) {
	keeper, can := c.src.(volume.Keeper)
	if !can || c.base() == "" {
		return
	}
	if _, err := keeper.Tidy(context.WithoutCancel(ctx), c.label(), c.base()); err != nil {
		c.warn("older snapshots of the source stay until the next backup: %v", err)
	}
}

// leaveFormer removes the snapshot that the newest revision was read from, where that is on another source than this one's.
func (c *creation) leaveFormer(ctx context.Context) {
	was, now := c.formerSource(), c.describeSource()
	if c.opts.Former == nil || was.Snapshot == "" || was.Identity == "" || was.Identity == revision.Recorded(now.Identity) {
		return
	}
	ctx = context.WithoutCancel(ctx)
	former, err := c.opts.Former(ctx, was)
	if missing := new(volume.NoImageError); errors.As(err, &missing) {
		return // and its snapshots with it
	}
	keeper, can := former.(volume.Keeper)
	if err == nil && (!can || revision.Recorded(former.Describe().Stable) != was.Identity) {
		return // another has its name
	}
	if err == nil {
		_, err = keeper.Tidy(ctx, c.label())
	}
	if err != nil {
		c.warn("the snapshot stays that was kept on %s, where the volume was read from before: %v", was.Path, err)
		c.result.Left = was.Path
	}
}

// formerSource is what the newest revision was read from that there was before.
func (c *creation) formerSource() revision.Source {
	for _, rev := range slices.Backward(c.backup.Revisions()) {
		if rev.Statement != nil {
			return rev.Statement.Source
		}
	}
	return revision.Source{}
}
