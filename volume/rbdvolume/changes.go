//go:build ceph

package rbdvolume

import (
	"context"
	"fmt"
	"iter"
	"sync"

	"github.com/ceph/go-ceph/rbd"

	"varve/volume"
)

const (
	// grain is what extents are rounded to, outwards: of much at a time, for finer ones would take much memory where small
	// writes lie close together.
	grain = 64 << 10
	// block is what they are rounded to when they are asked for block by block.
	block = 4 << 10
	// portion is how much of an image is asked for at a time: at worst a million extents, 16 MiB.
	portion = 128 << 30
)

// changes tells what differs from an older snapshot of the image.
type changes struct {
	snap *Snapshot
	base string // its name; empty: nothing, all data is told
	fast bool   // object maps are asked, and whole objects named
}

var _ volume.Precise = (*changes)(nil)

// Data implements [volume.HoleFinder], by the image's objects.
func (s *Snapshot) Data(ctx context.Context, within volume.Extent) iter.Seq2[volume.Extent, error] {
	fast, err := insideInTime(ctx, s.conn.cluster, &s.guard, func() (bool, error) { return s.hasValidMaps([]string{s.info.Name}) })
	return (&changes{snap: s, fast: fast}).extents(ctx, within, grain, err)
}

// Since implements [volume.Differ]. Base is what [Snapshot.Base] said.
func (s *Snapshot) Since(ctx context.Context, base string) (volume.Changes, error) {
	from, err := parseBase(base)
	if err != nil {
		return nil, err
	}
	return insideInTime(ctx, s.conn.cluster, &s.guard, func() (volume.Changes, error) { return s.since(from) })
}

func (s *Snapshot) since(from base) (volume.Changes, error) {
	all, err := s.image.GetSnapshotNames()
	if err != nil {
		return nil, s.conn.cluster.explain(errnoOf(err), s.at, "list the snapshots of "+s.at.String())
	}
	var between []string // and both ends
	found, mislead := false, from.older
	size := s.info.Size // where a snapshot is smaller than an older one, the maps of later ones forget what was beyond its end
	for _, info := range all {
		switch {
		case info.Id == from.number && info.Name == from.name:
			found = true
			between = append(between, info.Name)
			mislead = mislead || info.Size > size
		case info.Id < from.number:
			mislead = true
		case info.Id <= s.info.Id:
			between = append(between, info.Name)
			mislead = mislead || info.Size != size
		}
	}
	if !found || from.number > s.info.Id {
		return nil, &volume.NoBaseError{Why: fmt.Sprintf("the snapshot %s of %s, which the last backup counts from, is gone", from.name, s.source.at)}
	}
	if err := s.sameOverlap(from.name); err != nil {
		return nil, err
	}
	if mislead {
		return &changes{snap: s, base: from.name}, nil
	}
	valid, err := s.hasValidMaps(between)
	if err != nil {
		return nil, err
	}
	return &changes{snap: s, base: from.name, fast: valid}, nil
}

// sameOverlap makes sure that a clone has as much of its parent as it had: where it has not any more, since it was
// shrunk and grew again, or was flattened, no object tells.
func (s *Snapshot) sameOverlap(base string) error {
	was, err := overlap(s.conn.ioctx, s.at.Name, base)
	if err != nil {
		return s.conn.cluster.explain(err, s.at, "ask what "+s.at.String()+" has of its parent")
	}
	is, err := overlap(s.conn.ioctx, s.at.Name, s.info.Name)
	if err != nil {
		return s.conn.cluster.explain(err, s.at, "ask what "+s.at.String()+" has of its parent")
	}
	if was != is {
		return &volume.NoBaseError{Why: fmt.Sprintf("%s has %d bytes of the image that it was cloned from, and had %d at the last backup: it was flattened or resized", s.source.at, is, was)}
	}
	return nil
}

// hasValidMaps tells whether the object maps of all these snapshots can be believed.
func (s *Snapshot) hasValidMaps(names []string) (bool, error) {
	features, err := s.image.GetFeatures()
	if err != nil {
		return false, s.conn.cluster.explain(errnoOf(err), s.at, "ask for the features of "+s.at.String())
	}
	if features&rbd.FeatureFastDiff == 0 {
		return false, nil
	}
	for _, name := range names {
		invalid, err := mapIsInvalid(s.conn.ioctx, s.at.Name, name)
		if isMissing(err) {
			return false, nil // it went meanwhile, or is none of a person's, and cannot be asked
		}
		if err != nil {
			return false, s.conn.cluster.explain(err, s.at, "ask for the flags of "+s.at.String())
		}
		if invalid {
			return false, nil
		}
	}
	return true, nil
}

// Changed implements [volume.Changes].
func (c *changes) Changed(ctx context.Context, within volume.Extent) iter.Seq2[volume.Extent, error] {
	return c.extents(ctx, within, grain, nil)
}

// Blocks implements [volume.Precise]. It looks into each object, whatever object maps say.
func (c *changes) Blocks(ctx context.Context, within volume.Extent) iter.Seq2[volume.Extent, error] {
	return (&changes{snap: c.snap, base: c.base}).extents(ctx, within, block, nil)
}

// extents asks about portions, and joins what touches.
func (c *changes) extents(ctx context.Context, within volume.Extent, grain int64, err error) iter.Seq2[volume.Extent, error] {
	return func(yield func(volume.Extent, error) bool) {
		if err != nil {
			yield(volume.Extent{}, err)
			return
		}
		var last volume.Extent // not given yet
		for off := within.Offset; off < within.End(); off += portion {
			part := volume.Extent{Offset: off, Length: min(portion, within.End()-off)}
			got, err := inside(ctx, &c.snap.guard, func() ([]volume.Extent, error) { return c.ask(part, grain) })
			if err != nil {
				yield(volume.Extent{}, err)
				return
			}
			for _, e := range got {
				if last.Length > 0 && e.Offset <= last.End() {
					last.Length = max(last.End(), e.End()) - last.Offset
					continue
				}
				if last.Length > 0 && !yield(last, nil) {
					return
				}
				last = e
			}
		}
		if last.Length > 0 {
			yield(last, nil)
		}
	}
}

// ask asks the cluster about one portion, which may be each of its objects, and so takes as long as it has to. What it calls zeros is told of changes, and not of data.
func (c *changes) ask(part volume.Extent, grain int64) ([]volume.Extent, error) {
	var mu sync.Mutex // librbd may answer on threads of its own
	var got []volume.Extent
	config := rbd.DiffIterateConfig{
		SnapName: rbd.NoSnapshot, Offset: uint64(part.Offset), Length: uint64(part.Length), IncludeParent: rbd.IncludeParent,
		Callback: func(offset, length uint64, exists int, _ any) int {
			if exists == 0 && c.base == "" {
				return 0
			}
			mu.Lock()
			defer mu.Unlock()
			got = appendExtent(got, part, grain, int64(offset), int64(length))
			return 0
		},
	}
	if c.base != "" {
		config.SnapName = c.base
	}
	if c.fast {
		config.WholeObject = rbd.EnableWholeObject
	}
	if err := c.snap.image.DiffIterate(config); err != nil {
		return nil, c.snap.conn.cluster.explain(errnoOf(err), c.snap.at, "ask what changed in "+c.snap.at.String())
	}
	return sortedExtents(got), nil
}
