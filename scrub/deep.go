package scrub

import (
	"context"
	"encoding/binary"
	"errors"
	"io/fs"
	"maps"
	"math/rand/v2"
	"slices"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"

	"varve/chunkstore"
	"varve/repository"
	"varve/revision"
)

// renewal is how long a lease is held: what gc condemned since then waits for its end.
const renewal = 10 * time.Minute

// readAhead is the most that is read at once, beside a single frame that is longer.
const readAhead = 2 << 20

// deep reads the packs that are due, and puts together what maps make of objects.
func (s *scrub) deep(ctx context.Context) error {
	begun := s.opts.Now()
	var err error
	if s.proofs, err = s.repo.Proofs(ctx); err != nil && ctx.Err() != nil {
		return err // what cannot be read counts as none, and was told
	}
	maps.DeleteFunc(s.proofs.Packs, func(_ chunkstore.PackID, at time.Time) bool { return repository.FromAhead(at, begun) })
	maps.DeleteFunc(s.proofs.Maps, func(_ revision.Nonce, at time.Time) bool { return repository.FromAhead(at, begun) })
	if s.opts.MaxDuration > 0 {
		s.end = begun.Add(s.opts.MaxDuration)
	}
	if n := s.opts.BytesPerSecond; n > 0 {
		s.limit = rate.NewLimiter(rate.Limit(n), max(int(min(n/10, 1<<30)), readAhead, 2*s.repo.ChunkSize()))
	}
	if !s.resumed {
		s.seed = rand.Uint64()
	}
	due := s.due()
	s.tell()
	if !s.resumed {
		if err := s.remember(s.repo.BeginScrub(ctx, s.unfinished())); err != nil {
			return err
		}
	}
	s.read = map[chunkstore.PackID]bool{}
	s.opts.Step("packs")
	cut, err := s.readPacks(ctx, due)
	if err = errors.Join(err, s.flush(context.WithoutCancel(ctx))); err != nil {
		return err
	}
	if !cut {
		s.opts.Step("stacks")
		if cut, err = s.stacks(ctx); err != nil {
			return err
		}
	}
	s.report.DeepTook = s.opts.Now().Sub(begun)
	s.report.Finished = !cut && !s.troubled
	if s.report.Finished {
		return s.remember(s.repo.EndScrub(ctx, s.begun))
	}
	return nil
}

// remember lets a repository take no writes. What was found is true all the same.
func (s *scrub) remember(err error) error {
	if errors.Is(err, repository.ErrReadOnly) {
		s.report.Unrecorded = true
		return nil
	}
	return err
}

// unfinished is what a scrub leaves for who goes on with it.
func (s *scrub) unfinished() repository.Unfinished {
	u := repository.Unfinished{Begun: s.begun, OlderThan: int64(s.opts.OlderThan / time.Second), Sample: s.opts.Sample, Seed: s.seed}
	for _, v := range s.opts.Volumes {
		u.Volumes = append(u.Volumes, v.UUID)
	}
	return u
}

// resume takes over what the scrub that was cut off was asked for.
func (s *scrub) resume() error {
	u, err := s.repo.UnfinishedScrub()
	if err != nil {
		return err
	}
	if u == nil {
		return ErrNothingToResume
	}
	s.resumed, s.begun, s.seed = true, u.Begun, u.Seed
	s.opts.OlderThan, s.opts.Sample, s.opts.Volumes = time.Duration(u.OlderThan)*time.Second, u.Sample, nil
	if len(u.Volumes) == 0 {
		return nil
	}
	volumes, err := s.repo.Volumes()
	if err != nil {
		return err
	}
	s.opts.Volumes = []repository.Volume{}
	for _, v := range volumes {
		if slices.Contains(u.Volumes, v.UUID) {
			s.opts.Volumes = append(s.opts.Volumes, v)
		}
	}
	return nil
}

// isDue tells whether what was proven then is to be read.
func (s *scrub) isDue(proven time.Time, sample uint64) bool {
	switch {
	case s.resumed && !proven.Before(s.begun):
		return false
	case s.opts.OlderThan > 0 && s.begun.Sub(proven) < s.opts.OlderThan:
		return false
	case s.opts.Sample > 0 && s.opts.Sample < 1:
		return float64(mix(sample^s.seed)>>11)/(1<<53) < s.opts.Sample
	}
	return true
}

// mix spreads the bits of a number (splitmix64).
func mix(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// due lists the packs to be read: what was never proven first, then what was not for the
// longest time, so that a scrub that never comes to its end leaves nothing out for ever.
func (s *scrub) due() (packs []repository.InspectedPack) {
	for _, p := range s.in.Packs {
		if s.isDue(s.proofs.Packs[p.ID], binary.LittleEndian.Uint64(p.ID[:])) {
			packs = append(packs, p)
			s.opts.Meter.Total.Add(p.Size)
		}
	}
	slices.SortStableFunc(packs, func(a, b repository.InspectedPack) int {
		return s.proofs.Packs[a.ID].Compare(s.proofs.Packs[b.ID])
	})
	s.report.Due = len(packs)
	return packs
}

// isOver tells whether nothing more is to be begun.
func (s *scrub) isOver() bool { return !s.end.IsZero() && !s.opts.Now().Before(s.end) }

// wait keeps to the rate.
func (s *scrub) wait(ctx context.Context, n int) error {
	if s.limit == nil {
		return nil
	}
	return s.limit.WaitN(ctx, min(n, s.limit.Burst()))
}

// renew takes another lease if this one has become old.
func (s *scrub) renew(ctx context.Context) error {
	if s.opts.Now().Sub(s.born) < renewal {
		return nil
	}
	rd, err := s.repo.NewReader(ctx)
	if err != nil {
		return err
	}
	old := s.reader
	s.reader, s.born = rd, s.opts.Now()
	s.in.Renew(rd)
	s.tell()
	return old.Close()
}

// tell tells those who ask what is running how far this scrub is. That they cannot be told is no
// reason to stop.
func (s *scrub) tell() {
	if err := s.reader.Progress(s.opts.Meter.Done.Load(), s.opts.Meter.Total.Load()); err != nil {
		s.opts.Log.Info("how far this is cannot be told", "error", err)
	}
}

// readPacks proves packs, and tells whether it left some.
func (s *scrub) readPacks(ctx context.Context, packs []repository.InspectedPack) (cut bool, err error) {
	for _, p := range packs {
		if err := ctx.Err(); err != nil {
			return true, err
		}
		if s.isOver() {
			return true, nil
		}
		if err := s.renew(ctx); err != nil {
			return true, err
		}
		if err := s.readPack(ctx, p); err != nil {
			return true, err
		}
		s.opts.Meter.Done.Add(p.Size)
		s.tell()
		if s.fresh.isFull(s.opts.Now()) {
			if err := s.flush(ctx); err != nil {
				return true, err
			}
		}
	}
	return false, nil
}

func (s *scrub) readPack(ctx context.Context, p repository.InspectedPack) error {
	var plain atomic.Int64
	trouble := false
	at := s.opts.Now()
	err := s.reader.ProvePack(ctx, p.ID, chunkstore.ProveOptions{
		Workers: s.opts.Workers, Wait: s.wait,
		Done: func(_, n int) { plain.Add(int64(n)) },
		Bad: func(b chunkstore.BadFrame) {
			if s.badFrame(p.ID, b) {
				trouble = true
			}
		},
	})
	s.report.Plain += plain.Load()
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case errors.Is(err, fs.ErrNotExist): // gc took it: what was alive in it is elsewhere
		return nil
	case err != nil:
		s.packs[p.ID] = s.find(packFinding(p.ID, err))
		return nil
	}
	s.report.Read++
	s.report.ReadBytes += p.Size
	s.read[p.ID] = true
	if !trouble {
		s.fresh.add(p.ID, at)
		s.proofs.Packs[p.ID] = at
	}
	return nil
}

func packFinding(pack chunkstore.PackID, err error) Finding {
	f := Finding{Grade: gradeOf(err), Kind: Pack, Path: chunkstore.PackName(pack), Pack: pack, Cause: causeOf(err)}
	if corrupt := new(chunkstore.CorruptError); errors.As(err, &corrupt) {
		f.Offset = corrupt.Offset
	}
	return f
}

// badFrame notes a frame, and tells whether it could not be read: then the pack is not proven.
func (s *scrub) badFrame(pack chunkstore.PackID, b chunkstore.BadFrame) (trouble bool) {
	f := Finding{
		Grade: gradeOf(b.Err), Kind: Frame, Path: chunkstore.PackName(pack), Pack: pack, Offset: b.Offset, Length: int64(b.Stored),
		Cause: causeOf(b.Err), Twice: b.Twice,
	}
	o := Object{ID: b.ID, Kind: b.Kind, Offset: b.Offset, Stored: b.Stored}
	f.Objects = []Object{o}
	if flicker := new(chunkstore.FlickerError); errors.As(b.Err, &flicker) {
		f.Grade, f.Cause = Trouble, flicker.Error()
		s.find(f)
		return false // it was read, and is right
	}
	made := s.find(f)
	if made.Grade != Damage {
		return true
	}
	s.hurt = append(s.hurt, hurtCopy{object: o, pack: pack, finding: made})
	s.damaged[chunkstore.Copy{Pack: pack, ID: b.ID}] = true
	return false
}

// proofBatch is proofs that are not recorded yet.
type proofBatch struct {
	packs map[chunkstore.PackID]time.Time
	since time.Time
}

// A batch is recorded when it has so many packs, or is so old: so much is read again by who
// goes on with a scrub that was killed.
const (
	batchPacks = 512
	batchAge   = time.Minute
)

func (b *proofBatch) add(pack chunkstore.PackID, at time.Time) {
	if b.packs == nil {
		b.packs, b.since = map[chunkstore.PackID]time.Time{}, at
	}
	b.packs[pack] = at
}

func (b *proofBatch) isFull(now time.Time) bool {
	return len(b.packs) >= batchPacks || b.packs != nil && now.Sub(b.since) >= batchAge
}

// flush records what was proven, and before that which copies in it are hurt: who goes on with
// a scrub that is cut off now does not read them again.
func (s *scrub) flush(ctx context.Context) error {
	if err := s.recordHurt(ctx); err != nil {
		return err
	}
	if s.fresh.packs == nil {
		return nil
	}
	err := s.remember(s.repo.RecordProofs(ctx, s.fresh.packs))
	s.fresh = proofBatch{}
	return err
}

// stacks proves what maps make of objects, and tells whether it left some.
func (s *scrub) stacks(ctx context.Context) (cut bool, err error) {
	var plain atomic.Int64
	at := s.opts.Now()
	err = s.in.ProveStacks(ctx, repository.StackOptions{
		Workers: s.opts.Workers, Wait: s.wait,
		Due: func(rev repository.Revision) bool {
			nonce := rev.Statement.Nonce
			return s.isDue(s.proofs.Maps[nonce], binary.LittleEndian.Uint64(nonce[:]))
		},
		Done: func(n int) { plain.Add(int64(n)) },
		Bad:  s.badStack,
		Stop: func() bool {
			cut = s.isOver()
			return cut
		},
		Proven: func(v repository.Volume, proven []repository.Revision, there []revision.ID) error {
			for _, rev := range proven {
				s.proofs.Maps[rev.Statement.Nonce] = at
			}
			if err := s.remember(s.repo.RecordMapProofs(ctx, v, proven, at, there)); err != nil {
				return err
			}
			return s.renew(ctx)
		},
	})
	s.report.Plain += plain.Load()
	return cut, err
}

// badStack notes a chunk that does not come out right. That of an object by itself was
// found in its pack, or will be when that is read.
func (s *scrub) badStack(b repository.BadStack) {
	corrupt := new(chunkstore.CorruptError)
	switch isCorrupt := errors.As(b.Err, &corrupt); {
	case errors.Is(b.Err, chunkstore.ErrNotFound): // it was missed before
	case isCorrupt && corrupt.Path != "":
		s.hurtObject(corrupt)
	case gradeOf(b.Err) != Damage:
		s.find(Finding{Grade: Trouble, Kind: Content, Volume: b.Revision.Volume, Revision: b.Revision.ID, Cause: causeOf(b.Err)})
	default:
		s.wrong = append(s.wrong, b)
	}
}

// hurtObject notes a copy that came out hurt where it was needed.
func (s *scrub) hurtObject(c *chunkstore.CorruptError) {
	at := chunkstore.Copy{Pack: c.Pack, ID: c.ID}
	if c.Kind == 0 || s.damaged[at] || s.packs[c.Pack] != nil || errors.Is(c, chunkstore.ErrNotFound) {
		return
	}
	o := Object{ID: c.ID, Kind: c.Kind, Offset: c.Offset}
	made := s.find(Finding{Grade: Damage, Kind: Frame, Path: c.Path, Pack: c.Pack, Offset: c.Offset, Objects: []Object{o}, Cause: causeOf(c)})
	s.hurt = append(s.hurt, hurtCopy{object: o, pack: c.Pack, finding: made})
	s.damaged[at] = true
}
