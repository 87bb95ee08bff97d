package repository

import (
	"context"
	"math"
	"time"

	"varve/chunkstore"
	"varve/revision"
)

// Standing is how far what a visible revision needs was proven.
type Standing struct {
	Revision Revision
	At       time.Time // when the last of it was that was not proven since; zero: some never was
}

// Standings tells of each visible revision when all that it needs was proven: every object,
// and what its own map makes of them. Of objects that have no good copy nothing is said:
// [Inspection.Losses] tells what is lost with them. Oldest is, by volume, since when a byte
// waits to be proven again: when it last was, or, if it never was, when the revision was
// begun that brought it.
func (in *Inspection) Standings(ctx context.Context, proofs Proofs, lost Causes) (standings []Standing, oldest map[revision.UUID]time.Time, err error) {
	dates, err := in.dates(ctx, proofs)
	if err != nil {
		return nil, nil, err
	}
	oldest = map[revision.UUID]time.Time{}
	for i := range in.forests {
		var found []Standing
		var since int64
		err := in.onForest(ctx, i, func(f *forest) error {
			found, since = nil, math.MaxInt64
			return climb(f, func(n *node, below int64, _ bool) (int64, error) {
				if err := ctx.Err(); err != nil || n.use == "" {
					return 0, err
				}
				at, from, err := in.standing(f, n, proofs, dates, lost)
				if err != nil {
					return 0, err
				}
				if n.rev.Statement.Parent != nil {
					at = min(at, below)
				}
				if n.kind == nodeVisible && !n.broken {
					s := Standing{Revision: n.rev}
					switch {
					case at == math.MaxInt64: // it is all zeros
						s.At = in.rd.repo.opts.Now().UTC().Truncate(time.Second)
					case at > 0:
						s.At = time.Unix(at, 0).UTC()
					}
					found, since = append(found, s), min(since, from)
				}
				return at, nil
			})
		})
		if err != nil {
			return nil, nil, err
		}
		standings = append(standings, found...)
		if v := in.forests[i].volume; v.Name != "" && since != math.MaxInt64 {
			oldest[v.UUID] = time.Unix(since, 0).UTC()
		}
	}
	return standings, oldest, nil
}

// dates gives each object the time, in seconds, when the pack of one of its copies was
// proven last, by its place in the live set; 0: never.
func (in *Inspection) dates(ctx context.Context, proofs Proofs) ([]uint32, error) {
	dates := make([]uint32, in.live.places())
	hurt := in.rd.repo.damageNow()
	for _, p := range in.Packs {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		at, proven := proofs.Packs[p.ID]
		if !p.Needed || !proven {
			continue
		}
		pack, err := in.rd.repo.store.Pack(p.ID)
		if err != nil {
			continue // it is gone, or was told: what it holds counts as never proven
		}
		date := uint32(min(max(at.Unix(), 0), math.MaxUint32))
		for e := range pack.Entries() {
			if place, lives := in.live.find(keyOf(e.ID)); lives && !hurt[chunkstore.Copy{Pack: p.ID, ID: e.ID}] {
				dates[place] = max(dates[place], date)
			}
		}
	}
	return dates, nil
}

// standing tells, in seconds, when the last of what a map names by itself was proven, 0 if
// some never was, and since when the first of it waits.
func (in *Inspection) standing(f *forest, n *node, proofs Proofs, dates []uint32, lost Causes) (at, since int64, err error) {
	m, err := f.open(in.rd.repo, n)
	if err != nil {
		return 0, 0, err
	}
	defer func() { _ = m.Close() }() // it is only read
	begun := n.rev.Statement.Begun.Unix()
	at, since = math.MaxInt64, math.MaxInt64
	count := func(date int64) {
		at = min(at, date)
		if date == 0 {
			date = begun
		}
		since = min(since, date)
	}
	patched := false
	for record, err := range m.Records(0, revision.MaxChunks) {
		if err != nil {
			return 0, 0, damagedMap(m.name, err)
		}
		patched = patched || len(record.Entry.Patches) > 0
		eachObject(record.Entry, func(ref chunkstore.Ref, _ chunkstore.Kind) {
			if _, is := lost.Objects[ref.ID]; is {
				return
			}
			if place, lives := in.live.find(keyOf(ref.ID)); lives {
				count(int64(dates[place]))
			} else {
				count(0) // it came since
			}
		})
	}
	if patched {
		count(max(proofs.Maps[n.rev.Statement.Nonce].Unix(), 0))
	}
	return at, since, nil
}
