package interleave

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"

	"varve/chunkstore"
	"varve/internal/durable/durabletest"
	"varve/repository"
	"varve/revision"
)

// operation is what an actor does.
type operation struct {
	name    string
	do      func(ctx context.Context, p *process) error
	catalog bool // it looks for what is stored already
	// May are errors that it may end with, because of what others did meanwhile.
	may []error
}

// operations are all that is done to a repository, or read from it.
var operations = []operation{
	{"a backup", backUp("db", database(5), false), true, nil},
	{"a full backup", backUp("db", database(6), true), true, nil},
	{"a backup that finds garbage", backUp("again", garbage(), false), true, nil},
	{"a backup that finds what is dead in a pack", backUp("mail", half(0), false), true, nil},
	{"a backup that goes on with a dead run", backUp("dead", deadRun, false), true, nil},
	{"a merge", take("db", repository.OpMerge, 1, 2), false, taken},
	{"a prune", take("db", repository.OpPrune, 0, 1), false, taken},
	{"rm of the newest", take("db", repository.OpRemove, 4), false, taken},
	{"a synthetic full", flatten("db", 4), false, taken},
	{"an undelete of the last of a set", undelete("db", 3), false, []error{fs.ErrNotExist, repository.ErrLostGround}},
	{"gc", collect(true), false, nil},
	{"gc that keeps the trash", collect(false), false, nil},
	{"a repair", repair("db"), false, []error{fs.ErrNotExist, repository.ErrNoVolume, repository.ErrLostGround}},
	{"a restore", restore("db", 2), false, nil},
	{"a restore of the newest", restore("db", 4), false, nil},
	{"a restore from a pack that is compacted", restore("half", 0), false, nil},
	{"a set", backUpSet(member{"db", database(8)}, member{"root", garbage()}), true, nil},
	{"another set", backUpSet(member{"root", system(6)}, member{"db", database(9)}), true, nil},
	{"a backup of one of a set", backUp("root", system(8), false), true, nil},
	{"rm of one of a set", take("root", repository.OpRemove, 0), false, taken},
	{"a look at sets", look, false, nil},
	{"a rename", rename("db", renamed), false, []error{fs.ErrNotExist, repository.ErrVolumeExists, repository.ErrNoVolume}},
	{"a pin", pin("db", 1), false, []error{fs.ErrNotExist}},
}

// ofTraps are operations that only traps need.
var ofTraps = []operation{
	{"rm of all below", take("db", repository.OpRemove, 0, 1, 2), false, taken},
}

// taken is what taking away may end with: somebody else did so, or pinned it.
var taken = []error{fs.ErrNotExist, errPinned, errChildless}

// errPinned and errChildless stand for the errors that say so.
var (
	errPinned    = errors.New("it is pinned")
	errChildless = errors.New("nothing builds on it")
)

// renamed is what db is called after a rename.
const renamed revision.Name = "renamed"

// deadRun is what the run was to store that died.
var deadRun = sparse(1, map[int]string{0: "left by a run that died"})

func backUp(name revision.Name, content []byte, full bool) func(context.Context, *process) error {
	return func(ctx context.Context, p *process) error { return p.backup(ctx, name, content, full) }
}

func take(name revision.Name, op string, numbers ...int) func(context.Context, *process) error {
	return func(ctx context.Context, p *process) error { return p.remove(ctx, name, op, numbers...) }
}

func flatten(name revision.Name, number int) func(context.Context, *process) error {
	return func(ctx context.Context, p *process) error {
		v, n := p.w.volumes[name], p.w.history(name)[number]
		return p.with("flatten", func(r *repository.Repository) error {
			_, err := r.Flatten(ctx, v, []revision.ID{n.id}, wait)
			return err
		})
	}
}

func undelete(name revision.Name, number int) func(context.Context, *process) error {
	return func(ctx context.Context, p *process) error {
		n := p.w.history(name)[number]
		return p.with("undelete", func(r *repository.Repository) error { return p.undelete(ctx, r, n) })
	}
}

// undelete brings a revision back.
func (p *process) undelete(ctx context.Context, r *repository.Repository, n named) error {
	trash, err := r.TrashOf(repository.Volume{UUID: n.volume})
	if err != nil {
		return err
	}
	at := slices.IndexFunc(trash, func(t repository.Trashed) bool { return t.ID == n.id })
	if at < 0 {
		return fs.ErrNotExist
	}
	p.w.undoing[n]++
	back, err := r.Undelete(ctx, trash[at], wait)
	if errors.Is(err, durabletest.ErrKilled) { // it may be back
		return err
	}
	p.w.undoing[n]--
	switch {
	case back != nil: // whatever failed after it
		p.w.move(n, p.w.trashed, p.w.listed)
	case p.w.listed[n] || p.w.undoing[n] > 0: // somebody else was faster, perhaps, and that is what it says
		return fs.ErrNotExist
	}
	return err
}

// collect collects garbage, and compacts whatever can be.
func collect(emptyTrash bool) func(context.Context, *process) error {
	return func(ctx context.Context, p *process) error {
		p.w.purging = p.w.purging || emptyTrash
		return p.with("gc", func(r *repository.Repository) error {
			result, err := r.CollectGarbage(ctx, repository.GCOptions{Threshold: 1e-9, EmptyTrash: emptyTrash, Wait: wait})
			return errors.Join(append(result.Findings, err)...)
		})
	}
}

// repair stores again what the newest revision of a volume stands on, as if all of it were hurt,
// of what that reads as now: patches are made again, or chunks stored whole.
func repair(name revision.Name) func(context.Context, *process) error {
	return func(ctx context.Context, p *process) error {
		v := p.w.volumes[name]
		return p.with("scrub", func(r *repository.Repository) error {
			content, stacks, err := newestOf(ctx, r, v)
			if err != nil {
				return err
			}
			for _, s := range stacks {
				hurt := []*chunkstore.CorruptError{{Pack: s.Base.Pack, Kind: chunkstore.Chunk, ID: s.Base.ID}}
				for _, ref := range s.Patches {
					hurt = append(hurt, &chunkstore.CorruptError{Pack: ref.Pack, Kind: chunkstore.Patch, ID: ref.ID})
				}
				for _, c := range hurt {
					if err := r.RecordDamage(ctx, c); err != nil {
						return err
					}
				}
			}
			_, err = r.Repair(ctx, repository.RepairOptions{
				Wait: wait, Sources: []repository.RepairSource{{Name: "the source", Volume: v.UUID, Content: bytes.NewReader(content), Size: int64(len(content))}},
			})
			return err
		})
	}
}

// newestOf reads the newest revision of a volume, and tells what it stands on.
func newestOf(ctx context.Context, r *repository.Repository, v repository.Volume) (content []byte, stacks []chunkstore.Stack, err error) {
	revisions, err := r.Revisions(v)
	if err != nil {
		return nil, nil, err
	}
	if len(revisions) == 0 {
		return nil, nil, fs.ErrNotExist
	}
	rd, err := r.NewReader(ctx)
	if err != nil {
		return nil, nil, err
	}
	defer func() { err = errors.Join(err, rd.Close()) }()
	im, err := rd.Image(ctx, v, revisions[len(revisions)-1].ID)
	if err != nil {
		return nil, nil, err
	}
	defer func() { err = errors.Join(err, im.Close()) }()
	chunks, err := im.Chunks(0)
	if err != nil {
		return nil, nil, err
	}
	for _, c := range chunks {
		stacks = append(stacks, c.Stack)
	}
	content = make([]byte, im.Size())
	_, err = im.ReadAt(content, 0)
	return content, stacks, err
}

// restore reads all of a revision. If it was visible when that began, it is read right to
// its end, whatever becomes of it meanwhile.
func restore(name revision.Name, number int) func(context.Context, *process) error {
	return func(ctx context.Context, p *process) error {
		v, n := p.w.volumes[name], p.w.history(name)[number]
		return p.with("restore", func(r *repository.Repository) (err error) {
			rd, err := r.NewReader(ctx)
			if err != nil {
				return err
			}
			defer func() { err = errors.Join(err, rd.Close()) }()
			if err := rd.Unprotected(); err != nil {
				return fmt.Errorf("it goes on without a lease: %w", err)
			}
			im, err := rd.Image(ctx, v, n.id)
			if errors.Is(err, fs.ErrNotExist) && !errors.Is(err, durabletest.ErrKilled) && (!p.w.listed[n] || p.w.removing[n] > 0) {
				return nil
			}
			if err != nil {
				return err
			}
			defer func() { err = errors.Join(err, im.Close()) }()
			return read(ctx, im, p.w.contents[n])
		})
	}
}

// rename gives a volume another name.
func rename(from, to revision.Name) func(context.Context, *process) error {
	return func(ctx context.Context, p *process) error {
		return p.with("rename", func(r *repository.Repository) error {
			_, err := r.Rename(ctx, from, to, wait)
			return err
		})
	}
}

// pin protects a revision, which then nobody takes away any more.
func pin(name revision.Name, number int) func(context.Context, *process) error {
	return func(ctx context.Context, p *process) error {
		v, n := p.w.volumes[name], p.w.history(name)[number]
		return p.with("pin", func(r *repository.Repository) error {
			revisions, err := r.Revisions(v)
			if err != nil {
				return err
			}
			at := slices.IndexFunc(revisions, func(rev repository.Revision) bool { return rev.ID == n.id })
			if at < 0 {
				return fs.ErrNotExist
			}
			err = r.Mark(ctx, revisions[at], func(i *repository.Info) { i.Pin = &revision.Pin{Reason: "audit"} })
			if err == nil && p.w.listed[n] {
				p.w.pinned[n] = true
			}
			return err
		})
	}
}

// isOf tells whether an operation may end with that error.
func (o *operation) isOf(err error) bool {
	if err == nil {
		return true
	}
	pinned, childless := new(repository.PinnedError), new(repository.ChildlessError)
	for _, may := range o.may {
		switch {
		case may == errPinned && errors.As(err, &pinned), may == errChildless && errors.As(err, &childless), errors.Is(err, may):
			return true
		}
	}
	return false
}
