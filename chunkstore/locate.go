package chunkstore

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
)

// maxMissing bounds how many objects a Reader remembers not to have found.
const maxMissing = 4096

// search is one look for a readable copy of an object.
type search struct {
	r    *Reader
	ref  Ref
	key  objectKey
	view View
	try  func(*packFile, Entry) error

	tried  map[PackID]bool
	poor   []PackID // proposed, but condemned or hurt: for later
	absent bool     // a pack proposed, or listed, was gone when it was opened

	damage  error // the first copy that was hurt
	trouble error // the first failure that says nothing about a copy
}

// withCopies calls try with one copy of an object after another until it succeeds:
// first where the reference, compaction and the catalog propose, then what is
// condemned there, then what any pack lists, then copies known to be hurt.
//
// Packs vanish while gc compacts them. So a failure counts only if the packs are
// the same after it as they were at the look before.
func (r *Reader) withCopies(ctx context.Context, ref Ref, kind Kind, try func(*packFile, Entry) error) error {
	var before uint64
	for attempt := 0; ; attempt++ {
		s := search{r: r, ref: ref, key: objectKey{ref.ID, kind}, view: r.view(), try: try, tried: map[PackID]bool{}}
		done, listed, err := s.run(ctx)
		if done || err != nil {
			return err
		}
		if !s.absent || attempt > 0 && listed == before || attempt == maxAttempts {
			return s.verdict()
		}
		before = listed
	}
}

// maxAttempts ends a search in a repository that never comes to rest.
const maxAttempts = 10

// run tells whether a copy was read, or else which packs there were.
func (s *search) run(ctx context.Context) (done bool, listed uint64, err error) {
	if s.tryAll(ctx, s.named()) || s.tryAll(ctx, s.movedTo()) || s.tryAll(ctx, s.r.store.catalog.lookup(s.key)) {
		return true, 0, nil
	}
	var hurt []PackID
	for _, pack := range s.poor {
		if s.hurt(pack) {
			hurt = append(hurt, pack)
		} else if s.tryPack(pack) {
			return true, 0, nil
		}
	}
	packs, listed, err := s.everywhere(ctx)
	if err != nil {
		return false, 0, err
	}
	s.poor = nil
	if s.tryAll(ctx, packs) {
		return true, 0, nil
	}
	for _, pack := range append(hurt, s.poor...) {
		if s.tryPack(pack) {
			return true, 0, nil
		}
	}
	return false, listed, ctx.Err()
}

// named is the reference's own pack, which is nearly always enough.
func (s *search) named() []PackID {
	if s.ref.Pack.IsZero() {
		return nil
	}
	return []PackID{s.ref.Pack}
}

// movedTo is where compaction took the frames of the reference's pack, and on from there.
func (s *search) movedTo() []PackID {
	if s.ref.Pack.IsZero() || s.view.Moved == nil {
		return nil
	}
	return FollowMoved(s.ref.Pack, s.view.Moved)[1:]
}

// FollowMoved gives a pack, then those that compaction took its frames to, and on
// from there, each once: notes that lead in a circle do no harm.
func FollowMoved(pack PackID, moved func(PackID) []PackID) []PackID {
	const enough = 64 // compaction makes one or two of one; what those lack is looked for everywhere
	packs := []PackID{pack}
	for i := 0; i < len(packs); i++ {
		for _, next := range moved(packs[i]) {
			if len(packs) == enough {
				return packs
			}
			if !slices.Contains(packs, next) {
				packs = append(packs, next)
			}
		}
	}
	return packs
}

func (s *search) hurt(pack PackID) bool {
	return s.view.Damaged[Copy{pack, s.key.id}]
}

// tryAll tries the good ones among packs, and puts the others off.
func (s *search) tryAll(ctx context.Context, packs []PackID) bool {
	for _, pack := range packs {
		if ctx.Err() != nil {
			return false
		}
		if s.tried[pack] || slices.Contains(s.poor, pack) {
			continue
		}
		if s.view.Condemned[pack] || s.hurt(pack) {
			s.poor = append(s.poor, pack)
		} else if s.tryPack(pack) {
			return true
		}
	}
	return false
}

func (s *search) tryPack(pack PackID) bool {
	if s.tried[pack] {
		return false
	}
	s.tried[pack] = true
	p, err := s.r.packs.acquire(pack)
	if err != nil {
		s.note(err)
		return false
	}
	defer s.r.packs.release(p)
	e, ok := p.file.contents.find(s.key)
	if !ok {
		return false
	}
	if !s.r.store.possible(e) {
		s.note(p.file.corruptObject(e, errTableRow))
		return false
	}
	if err := s.try(p.file, e); err != nil {
		s.note(err)
		return false
	}
	return true
}

// note keeps the first failure of each sort.
func (s *search) note(err error) {
	var corrupt *CorruptError
	switch {
	case errors.Is(err, fs.ErrNotExist):
		s.absent = true
	case errors.As(err, &corrupt):
		if s.damage == nil {
			s.damage = err
		}
	case s.trouble == nil:
		s.trouble = err
	}
}

// everywhere finds the packs that list the object, by the tables of contents of all
// packs there are, and tells which packs those were.
func (s *search) everywhere(ctx context.Context) (holders []PackID, listed uint64, err error) {
	all, err := s.r.store.PackIDs()
	if err != nil {
		return nil, 0, err
	}
	var names []byte
	for _, id := range all {
		names = append(names, id[:]...)
	}
	listed = checksum(names)
	if m, ok := s.r.recall(s.key); ok && m.listed == listed {
		if m.err != nil {
			s.note(m.err)
		}
		return nil, listed, nil
	}
	var hidden error // the first failure to look into a pack
	for _, id := range all {
		if err := ctx.Err(); err != nil {
			return nil, 0, err
		}
		if s.tried[id] {
			continue
		}
		found, err := s.lists(id)
		if err != nil {
			s.note(err)
			if hidden == nil {
				hidden = err
			}
		}
		if found {
			holders = append(holders, id)
		}
	}
	if len(holders) == 0 && s.trouble == nil {
		s.r.remember(s.key, miss{listed, hidden})
	}
	return holders, listed, nil
}

// lists looks into a pack's table of contents without making the cache give up
// packs that are in use.
func (s *search) lists(id PackID) (bool, error) {
	p, err := openPack(s.r.store.cfg.FS, id)
	if err != nil {
		return false, err
	}
	_, found := p.contents.find(s.key)
	return found, p.close()
}

// miss is a search of all packs that found nothing.
type miss struct {
	listed uint64 // the packs there were
	err    error  // damage that may have hidden the object
}

func (r *Reader) recall(key objectKey) (miss, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	m, ok := r.missing[key]
	return m, ok
}

func (r *Reader) remember(key objectKey, m miss) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.missing) >= maxMissing {
		clear(r.missing)
	}
	r.missing[key] = m
}

// verdict is what a search without success comes to. Trouble goes first: as long as
// a copy may be good, nothing is lost. A pack that the reference names and that is
// gone took the object with it; that is damage, and not a wrong reference.
func (s *search) verdict() error {
	switch {
	case s.trouble != nil:
		return s.trouble
	case s.damage != nil:
		return s.damage
	case s.absent && !s.ref.Pack.IsZero():
		return &CorruptError{
			Pack: s.ref.Pack, Kind: s.key.kind, ID: s.key.id, Path: PackName(s.ref.Pack),
			Cause: fmt.Errorf("the pack is gone, and no other has the object: %w", ErrNotFound),
		}
	}
	return ErrNotFound
}
