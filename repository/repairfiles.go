package repository

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"varve/internal/durable"
	"varve/revision"
)

// hurtFile is a file that is damaged, missing, or not what it should be.
type hurtFile struct {
	path  string
	cause error
	mend  func(ctx context.Context) (from Origin, err error)
}

// mendFiles makes good the files of the repository that are not packs. What was made good may
// bring others into sight: a volume of which nothing told whose it is has revisions then.
func (p *repairer) mendFiles(ctx context.Context) (err error) {
	tried := map[string]bool{}
	for {
		p.opts.Step("looking at files")
		hurt, err := p.hurtFiles(ctx)
		if err != nil {
			return err
		}
		if p.losses, err = p.survey(ctx); err != nil {
			return err
		}
		if len(tried) == 0 {
			p.tellPlan(hurt)
		}
		hurt = slices.DeleteFunc(hurt, func(f hurtFile) bool { return tried[f.path] })
		if len(hurt) == 0 {
			return nil
		}
		for _, f := range hurt {
			tried[f.path] = true
			if err := p.mendFile(ctx, f); err != nil {
				return err
			}
		}
	}
}

// mendFile makes one file good, and notes what came of it.
func (p *repairer) mendFile(ctx context.Context, f hurtFile) error {
	p.opts.Step("repairing " + f.path)
	from, err := f.mend(ctx)
	if errors.Is(err, errGone) {
		return nil // others put it in order meanwhile, or took it away
	}
	if err != nil && ends(ctx, err) {
		return fmt.Errorf("%s: %w", f.path, err)
	}
	done := Mending{Path: f.path, Cause: f.cause.Error(), From: from}
	if err != nil {
		done.From, done.Why = Origin{}, err
	}
	p.result.Mendings = append(p.result.Mendings, done)
	return nil
}

func (p *repairer) tellPlan(hurt []hurtFile) {
	if p.opts.Plan == nil {
		return
	}
	plan := RepairPlan{Objects: len(p.losses.wanted())}
	for _, f := range hurt {
		plan.Files = append(plan.Files, f.path)
	}
	for _, pack := range p.losses.packs {
		plan.Packs = append(plan.Packs, pack.name)
	}
	for _, h := range p.losses.entries {
		plan.Places = append(plan.Places, h.place)
	}
	p.opts.Plan(plan)
}

// hurtFiles lists what is hurt, in the order in which it is to be repaired: which volumes
// there are comes before their revisions.
func (p *repairer) hurtFiles(ctx context.Context) ([]hurtFile, error) {
	hurt := p.hurtDescriptors()
	more, err := p.hurtVolumes()
	if err != nil {
		return nil, err
	}
	hurt = append(hurt, more...)
	volumes := p.volumesNow()
	for _, v := range volumes {
		if !p.covers(v.UUID) {
			continue
		}
		more, err := p.hurtRevisions(ctx, v)
		if err != nil {
			return nil, err
		}
		hurt = append(hurt, more...)
	}
	more, err = p.hurtSets(volumes)
	if err != nil {
		return nil, err
	}
	return append(hurt, more...), ctx.Err()
}

// volumesNow lists the volumes that can be told apart. What is damaged of the others, hurtVolumes
// tells; trouble with looking is noted.
func (p *repairer) volumesNow() []Volume {
	volumes, err := p.repo.Volumes()
	all := []error{err}
	if several, is := err.(interface{ Unwrap() []error }); is {
		all = several.Unwrap()
	}
	for _, err := range all {
		if err != nil && !isDamaged(err) {
			p.trouble(err)
		}
	}
	return volumes
}

// hurtDescriptors looks at the two copies of the descriptor, and at what explains the
// repository to people.
func (p *repairer) hurtDescriptors() (hurt []hurtFile) {
	r := p.repo
	main, mainErr := readDescriptor(r.fsys, descriptorName)
	second, secondErr := readDescriptor(r.fsys, descriptorCopyName)
	for _, c := range []struct {
		name, other string
		d, of       *Descriptor
		err         error
	}{{descriptorName, descriptorCopyName, main, second, mainErr}, {descriptorCopyName, descriptorName, second, main, secondErr}} {
		cause := c.err
		if cause == nil && c.of != nil && c.d.Serial < c.of.Serial {
			cause = errors.New("it is older than the other copy")
		}
		if cause == nil || !isDamaged(cause) && !notFound(cause) && c.err != nil {
			continue // or it cannot be read this time
		}
		hurt = append(hurt, hurtFile{c.name, cause, func(ctx context.Context) (Origin, error) {
			return Origin{OriginFile, c.other}, r.atGate(ctx, func() error {
				if err := p.keep(c.name, cause); err != nil {
					return err
				}
				return r.mend(p.lease.temps)
			})
		}})
	}
	if _, err := r.fsys.Lstat(readmeName); notFound(err) {
		hurt = append(hurt, hurtFile{readmeName, err, func(ctx context.Context) (Origin, error) {
			return Origin{Kind: OriginProgram}, r.atGate(ctx, func() error {
				return durable.Replace(r.fsys, p.lease.temps, readmeName, []byte(readme))
			})
		}})
	}
	return hurt
}

// keep puts a damaged file aside, inside the gate, before another takes its place.
func (p *repairer) keep(name string, cause error) error {
	if err := p.lease.holds(); err != nil {
		return err
	}
	if _, err := p.repo.fsys.Lstat(name); notFound(err) {
		return nil
	}
	if err := p.repo.keepEvidence(p.lease.temps, name, cause); err != nil {
		return err
	}
	p.result.PutAside++
	return nil
}

// hurtVolumes looks at volumes' own files.
func (p *repairer) hurtVolumes() (hurt []hurtFile, err error) {
	r := p.repo
	entries, err := r.fsys.ReadDir(volumesDir)
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		name, err := revision.DecodeName(e.Name())
		if err != nil || !e.IsDir() {
			continue
		}
		_, cause := r.readVolume(name)
		if cause == nil || !isDamaged(cause) && !errors.Is(cause, ErrNoVolume) {
			continue
		}
		v, from, known := p.identify(name)
		if !known && errors.Is(cause, ErrNoVolume) {
			continue // a directory alone is one that is being made
		}
		hurt = append(hurt, hurtFile{volumeRecordName(name), cause, func(ctx context.Context) (Origin, error) {
			if !known {
				return Origin{}, errNoCopy
			}
			return from, r.atGate(ctx, func() error {
				if !p.stillHurt(name, v.UUID) {
					return errGone
				}
				if err := p.keep(volumeRecordName(name), cause); err != nil {
					return err
				}
				return r.writeVolume(p.lease.temps, v)
			})
		}})
	}
	return append(hurt, p.hurtByLoss()...), nil
}

// hurtByLoss looks for volumes of which the directory is gone: their own file is mended first, and
// what has copies comes into sight by it.
func (p *repairer) hurtByLoss() (hurt []hurtFile) {
	lost, err := p.repo.lostNow()
	if err != nil {
		p.trouble(err)
	}
	for _, l := range lost {
		hurt = append(hurt, hurtFile{volumeRecordName(l.Volume.Name), l.asFile(), func(ctx context.Context) (Origin, error) {
			return Origin{Kind: OriginRevisions}, p.repo.atGate(ctx, func() error { return p.makeLost(l) })
		}})
	}
	return hurt
}

// stillHurt tells, inside the gate, whether a volume's directory is there under its name, and its
// own file still says nothing: it may have been renamed meanwhile, or removed, or written anew.
func (p *repairer) stillHurt(name revision.Name, uuid revision.UUID) bool {
	if _, err := p.repo.fsys.Lstat(volumeDir(name)); err != nil {
		return false
	}
	_, err := p.repo.readVolume(name)
	if !isDamaged(err) && !errors.Is(err, ErrNoVolume) {
		return false
	}
	v, _, known := p.identify(name)
	return known && v.UUID == uuid
}

// identify tells which volume a directory is of whose own file says nothing: by its
// revisions, or by a copy of the repository. There, the name may be another volume's by now, see
// isOurs.
func (p *repairer) identify(name revision.Name) (v Volume, from Origin, known bool) {
	if uuid, ok := p.repo.uuidFromRevisions(name, revision.UUID{}); ok {
		v, from, known = Volume{Name: name, UUID: uuid}, Origin{Kind: OriginRevisions}, true
		if ids, err := p.repo.revisionIDs(name); err == nil && len(ids) > 0 {
			v.Created = slices.Min(ids).Begun()
		}
	}
	for _, other := range p.others {
		theirs, err := other.repo.readVolume(name)
		if !other.kin || err != nil || known && theirs.UUID != v.UUID || !known && !p.isOurs(name, other, theirs) {
			continue
		}
		if v.Created = theirs.Created; !known {
			v.Name, v.UUID, from, known = name, theirs.UUID, other.from(), true
		}
	}
	return v, from, known
}

// isOurs tells whether a volume of another repository is the one that a directory here was: no
// other directory says its uuid, and it has a revision, under that uuid, of an id that the directory
// has, or the copies that there are here of that uuid. Ids are given once.
func (p *repairer) isOurs(name revision.Name, other *otherRepository, theirs Volume) bool {
	volumes, _ := p.repo.Volumes() // one that cannot be told apart says no uuid
	if slices.ContainsFunc(volumes, func(v Volume) bool { return v.UUID == theirs.UUID }) {
		return false
	}
	ids, err := p.repo.revisionIDs(name)
	copied, copyErr := p.repo.idsIn(copyDir(theirs.UUID))
	if err != nil || copyErr != nil && !notFound(copyErr) {
		return false
	}
	return slices.ContainsFunc(append(ids, copied...), func(id revision.ID) bool {
		m, err := openIdentified(other.repo.fsys, revisionName(theirs.Name, id), theirs, id)
		return err == nil && m.Close() == nil
	})
}

// hurtSets looks at the files of sets: those that there are, and those that revisions name.
func (p *repairer) hurtSets(volumes []Volume) (hurt []hurtFile, err error) {
	r := p.repo
	ids, err := r.setIDs()
	if err != nil {
		return nil, err
	}
	for _, v := range volumes {
		l, err := r.list(v)
		if err != nil {
			return nil, err
		}
		for _, rev := range l.visible {
			if rev.Statement != nil && rev.Statement.Set != "" && !slices.Contains(ids, rev.Statement.Set) {
				ids = append(ids, rev.Statement.Set)
			}
		}
	}
	for _, id := range ids {
		set, err := r.readSet(setName(id), id)
		second, secondErr := r.readSet(setCopyName(id), id)
		good, from := &set, Origin{OriginFile, setName(id)}
		switch {
		case err == nil && secondErr == nil:
			continue
		case err != nil && secondErr == nil:
			good, from = &second, Origin{OriginFile, setCopyName(id)}
		case err != nil:
			good, from = p.setOf(id)
		}
		for name, cause := range map[string]error{setName(id): err, setCopyName(id): secondErr} {
			if cause == nil || !isDamaged(cause) && !notFound(cause) {
				continue
			}
			hurt = append(hurt, hurtFile{name, cause, func(ctx context.Context) (Origin, error) {
				if good == nil {
					return Origin{}, errNoCopy
				}
				return from, r.atGate(ctx, func() error {
					if _, err := r.readSet(name, id); !isDamaged(err) && !notFound(err) {
						return errGone
					}
					if from.Kind == OriginFile {
						if _, err := r.readSet(from.Name, id); err != nil {
							return errGone // it was taken back, or collected
						}
					}
					if err := p.keep(name, cause); err != nil {
						return err
					}
					if err := durable.MkdirAll(r.fsys, setsDir); err != nil {
						return err
					}
					return replaceSmall(r.fsys, p.lease.temps, name, *good)
				})
			}})
		}
	}
	slices.SortFunc(hurt, func(a, b hurtFile) int { return cmp.Compare(a.path, b.path) })
	return hurt, nil
}

// setOf finds a set in a copy of the repository.
func (p *repairer) setOf(id string) (*Set, Origin) {
	for _, other := range p.others {
		if !other.kin {
			continue
		}
		if set, err := other.repo.Set(id); err == nil {
			return &set, other.from()
		}
	}
	return nil, Origin{}
}
