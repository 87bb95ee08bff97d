package scrub

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"varve/chunkstore"
	"varve/repository"
	"varve/revision"
)

// conclude finds out what the findings take away, and writes down what has to be known.
func (s *scrub) conclude(ctx context.Context) error {
	s.opts.Step("losses")
	if err := s.known(); err != nil {
		return err
	}
	causes, of, err := s.causes(ctx)
	if err != nil {
		return err
	}
	found, err := s.in.Losses(ctx, causes)
	if err != nil {
		return err
	}
	s.attach(found, of)
	if err := s.note(ctx); err != nil {
		return err
	}
	if !s.opts.Light {
		if err := s.prove(ctx, causes); err != nil {
			return err
		}
	}
	s.finish()
	return nil
}

// told notes which copies were found hurt before this scrub was begun.
func (s *scrub) told() error {
	known, err := s.repo.KnownDamage()
	if err != nil {
		return err
	}
	s.before = make(map[chunkstore.Copy]bool, len(known))
	for _, k := range known {
		if !s.resumed || k.Found.Before(s.begun) {
			s.before[k.Copy] = true
		}
	}
	return nil
}

// known adds the copies that were found hurt before, in packs that were not read now. One
// that came out right now is no damage, and no proof either: what was wrong may be again.
// What this scrub found, or the part of it that was cut off, was not told before.
func (s *scrub) known() error {
	known, err := s.repo.KnownDamage()
	if err != nil {
		return err
	}
	there := map[chunkstore.PackID]bool{}
	for _, p := range s.in.Packs {
		there[p.ID] = true
	}
	found := make(map[chunkstore.Copy]*Finding, len(s.hurt))
	for _, h := range s.hurt {
		found[chunkstore.Copy{Pack: h.pack, ID: h.object.ID}] = h.finding
	}
	for _, k := range known {
		if f := found[k.Copy]; f != nil {
			f.known = s.before[k.Copy]
		}
		if s.damaged[k.Copy] || !there[k.Pack] {
			continue
		}
		f := Finding{
			Grade: Damage, Kind: Frame, Path: chunkstore.PackName(k.Pack), Pack: k.Pack, Offset: k.Offset, Found: k.Found, Cause: k.Cause,
			Objects: []Object{{ID: k.ID, Kind: k.Kind, Offset: k.Offset}}, known: s.before[k.Copy],
		}
		if s.read[k.Pack] {
			f.Grade, f.Cause = Note, fmt.Sprintf("it was found hurt before (%s), and came out right now", k.Cause)
			s.find(f)
			continue
		}
		if f.Cause == "" {
			f.Cause = "it was found hurt before"
		}
		s.hurt = append(s.hurt, hurtCopy{object: f.Objects[0], pack: k.Pack, finding: s.find(f)})
		s.damaged[k.Copy] = true
	}
	return nil
}

// causes tells which objects are lost, and by which findings: of the number n, those in of[n].
func (s *scrub) causes(ctx context.Context) (causes repository.Causes, of [][]*Finding, err error) {
	causes = repository.Causes{Objects: map[chunkstore.ID]int{}, Chunks: map[repository.ChunkOf]int{}}
	by, asked := map[chunkstore.ID][]*Finding{}, map[chunkstore.ID]chunkstore.Kind{}
	for _, f := range s.findings {
		if f.Grade == Damage && (f.Kind == Missing || f.Kind == Pack) && !s.unseen {
			for _, o := range f.Objects {
				by[o.ID] = append(by[o.ID], f)
				asked[o.ID] = o.Kind // it may have been stored again since
			}
		}
	}
	for _, h := range s.hurt {
		if h.object.Kind != 0 {
			asked[h.object.ID] = h.object.Kind
		}
		by[h.object.ID] = append(by[h.object.ID], h.finding)
	}
	good, trouble := map[chunkstore.ID][]chunkstore.PackID{}, map[chunkstore.ID]error{}
	if len(asked) > 0 {
		good, trouble, err = s.reader.GoodCopies(ctx, asked, func(c chunkstore.Copy) bool { return s.damaged[c] })
		if err != nil {
			return causes, nil, err
		}
	}
	numbers := map[*Finding]int{} // of objects that one finding alone takes away
	for id, findings := range by {
		for _, f := range findings {
			for i := range f.Objects {
				if f.Objects[i].ID == id {
					f.Objects[i].Elsewhere = good[id]
				}
			}
		}
		if len(good[id]) > 0 || trouble[id] != nil {
			s.doubted[id] = len(good[id]) == 0
			continue
		}
		n, shared := numbers[findings[0]]
		if !shared || len(findings) > 1 {
			n = len(of)
			of = append(of, findings)
			if len(findings) == 1 {
				numbers[findings[0]] = n
			}
		}
		causes.Objects[id] = n
	}
	for _, b := range s.wrong {
		f := s.find(Finding{
			Grade: Damage, Kind: Content, Volume: b.Revision.Volume, Revision: b.Revision.ID, Cause: fmt.Sprintf("chunk %d: %s", b.Chunk.Index, causeOf(b.Err)),
		})
		for _, ref := range append([]chunkstore.Ref{b.Chunk.Stack.Base}, b.Chunk.Stack.Patches...) {
			if !ref.ID.IsZero() {
				f.Objects = append(f.Objects, Object{ID: ref.ID, Elsewhere: []chunkstore.PackID{ref.Pack}})
			}
		}
		causes.Chunks[repository.ChunkOf{Volume: b.Revision.Volume.UUID, Revision: b.Revision.ID, Index: b.Chunk.Index}] = len(of)
		of = append(of, []*Finding{f})
	}
	return causes, of, nil
}

// attach gives each finding what it takes away.
func (s *scrub) attach(found []repository.Loss, of [][]*Finding) {
	sums := map[*Finding]*losses{}
	add := func(f *Finding, l repository.Loss) {
		if sums[f] == nil {
			sums[f] = new(losses)
		}
		sums[f].add(lossOf(l))
	}
	maps := map[lossKey]*Finding{}
	for _, f := range s.findings {
		key := lossKey{f.Volume.UUID, f.Revision}
		if f.Kind == Map && maps[key] == nil {
			maps[key] = f
		}
	}
	for _, l := range found {
		if l.Cause >= 0 {
			for _, f := range of[l.Cause] {
				add(f, l)
			}
			continue
		}
		if f := maps[lossKey{l.Revision.Volume.UUID, l.Map}]; f != nil {
			add(f, l)
		}
	}
	for f, sum := range sums {
		f.Lost = sum.sorted()
	}
	for _, f := range s.findings {
		if f.Kind == Frame && f.Grade == Damage && f.known && len(f.Lost) == 0 {
			f.Grade = Note // it was told before, and takes nothing away any more
		}
	}
}

// note remembers hurt copies, and marks the revisions that have lost something.
func (s *scrub) note(ctx context.Context) error {
	if err := s.recordHurt(ctx); err != nil {
		return err
	}
	if err := s.recordSpared(ctx); err != nil {
		return err
	}
	var sum losses
	why := map[lossKey]string{}
	for _, f := range s.findings {
		for _, l := range f.Lost {
			sum.add(l)
			if key := (lossKey{l.Volume.UUID, l.Revision}); why[key] == "" {
				why[key] = reasonOf(f)
			}
		}
	}
	for _, l := range sum.sorted() {
		rev, err := s.in.Visible(l.Volume.UUID, l.Revision)
		if err != nil || rev.Statement == nil {
			continue // nothing can be noted of it, and it is listed as damaged
		}
		lost := l.Extents
		if l.Whole {
			lost = []repository.Extent{{Length: l.Size}}
		}
		reason := why[lossKey{l.Volume.UUID, l.Revision}]
		if err := s.mark(ctx, rev, func(info *repository.Info) {
			info.Damage(reason, lost)
		}); err != nil {
			return err
		}
	}
	return nil
}

// recordSpared remembers which of the copies that are hurt take nothing away: those of which
// another is good, and, if all maps were followed, those that none needs.
func (s *scrub) recordSpared(ctx context.Context) error {
	spared := map[chunkstore.Copy]bool{}
	for _, h := range s.hurt {
		at := chunkstore.Copy{Pack: h.pack, ID: h.object.ID}
		isElsewhere := slices.ContainsFunc(h.finding.Objects, func(o Object) bool { return o.ID == h.object.ID && len(o.Elsewhere) > 0 })
		switch {
		case len(h.finding.Lost) > 0:
			spared[at] = false
		case isElsewhere, s.opts.Volumes == nil && !s.in.Partial && !s.doubted[h.object.ID]:
			spared[at] = true
		}
	}
	return s.remember(s.repo.RecordSpared(ctx, spared))
}

// recordHurt remembers, durably, the hurt copies that are not yet.
func (s *scrub) recordHurt(ctx context.Context) error {
	for ; s.recorded < len(s.hurt); s.recorded++ {
		h := s.hurt[s.recorded]
		err := s.repo.RecordDamage(ctx, &chunkstore.CorruptError{
			Pack: h.pack, Kind: h.object.Kind, ID: h.object.ID, Offset: h.object.Offset, Cause: errors.New(h.finding.Cause),
		})
		if err := s.remember(err); err != nil {
			return err
		}
	}
	return nil
}

// reasonOf says in a line what takes something from a revision.
func reasonOf(f *Finding) string {
	if f.Path == "" {
		return f.Cause
	}
	return f.Path + ": " + f.Cause
}

// mark changes what is noted of a revision, unless it went meanwhile, or what is noted cannot
// be read: that would be lost for good then, and a repair may find it elsewhere.
func (s *scrub) mark(ctx context.Context, rev repository.Revision, change func(*repository.Info)) error {
	for _, f := range s.findings {
		if f.Kind == Info && f.Volume.Name == rev.Volume.Name && f.Revision == rev.ID {
			return nil
		}
	}
	err := s.repo.Mark(ctx, rev, change)
	if isGone(err) {
		return nil
	}
	return s.remember(err)
}

// refreshed is by how much a proof must be newer than the noted one to be noted.
const refreshed = 24 * time.Hour

// prove marks the revisions of which all is proven, and remembers how old the rest is.
func (s *scrub) prove(ctx context.Context, causes repository.Causes) error {
	s.opts.Step("states")
	standings, oldest, err := s.in.Standings(ctx, s.proofs, causes)
	if err != nil {
		return err
	}
	lost := map[lossKey]bool{}
	for _, f := range s.findings {
		for _, l := range f.Lost {
			lost[lossKey{l.Volume.UUID, l.Revision}] = true
		}
	}
	for _, st := range standings {
		info := st.Revision.Info
		switch {
		case st.At.IsZero(), lost[lossKey{st.Revision.Volume.UUID, st.Revision.ID}]:
			continue
		case info.State == repository.Damaged && st.At.Before(s.begun): // what was repaired is to be read again
			continue
		case info.State == repository.Proven && st.At.Sub(info.Proven) < refreshed,
			info.State == repository.Suspect && st.At.Sub(info.Proven) < refreshed:
			continue
		}
		s.report.Proven++
		seen := info
		if err := s.mark(ctx, st.Revision, func(info *repository.Info) { info.Prove(seen, st.At) }); err != nil {
			return err
		}
	}
	return s.age(ctx, oldest)
}

// age remembers since when bytes wait to be proven again.
func (s *scrub) age(ctx context.Context, oldest map[revision.UUID]time.Time) error {
	for volume, at := range oldest {
		if s.report.Oldest.IsZero() || at.Before(s.report.Oldest) {
			s.report.Oldest = at
		}
		if err := s.remember(s.repo.RecordOldest(ctx, volume, at)); err != nil {
			return err
		}
	}
	return s.remember(s.repo.ForgetProofs(ctx))
}
