package repository

import (
	"errors"
	"maps"
	"slices"
	"sort"
	"sync"

	"varve/chunkstore"
)

// presence tells which packs there are, for a backup that would leave chunks to
// its parent: what lay in a pack that is gone, or is no pack any more, is not to be
// handed on. That one is there by its name says nothing: it may have been cut short.
type presence struct {
	packs map[chunkstore.PackID]bool // when the backup began; nil: not known

	mu     sync.Mutex
	gone   map[chunkstore.PackID]bool // verdicts on those that the parent's chunks lie in
	missed map[chunkstore.PackID]bool // those that are gone and had something that is nowhere else
}

// surveyPacks lists the packs. Those that gc takes away after this were condemned
// after the lease was taken, and stay.
func (b *Backup) surveyPacks() {
	packs, err := b.repo.store.PackIDs()
	if err != nil {
		b.repo.opts.Log.Warn("packs that are gone will not be noticed", "error", err)
		return
	}
	b.presence.packs = make(map[chunkstore.PackID]bool, len(packs))
	for _, pack := range packs {
		b.presence.packs[pack] = true
	}
}

// Hurt tells whether a stack of the parent is known not to be whole: an object of it lies in
// a copy that is damaged, or in a pack that is gone or no pack any more, and no other copy
// is found that the backup may rely on. It is safe for many goroutines.
func (b *Backup) Hurt(s chunkstore.Stack) bool {
	return b.isHurt(chunkstore.Chunk, s.Base) ||
		slices.ContainsFunc(s.Patches, func(ref chunkstore.Ref) bool { return b.isHurt(chunkstore.Patch, ref) })
}

func (b *Backup) isHurt(kind chunkstore.Kind, ref chunkstore.Ref) bool {
	gone := b.isGone(ref)
	if !gone && !b.parent.isHurtCopy(ref) || b.chunks.Finds(kind, ref.ID) {
		return false
	}
	if gone {
		b.presence.miss(ref.Pack)
	}
	return true
}

// IsLost tells whether a chunk lies in a range of the parent that was found lost.
// Which copy is to blame is not known, nor whether it still is so.
func (b *Backup) IsLost(index uint64) bool {
	chunkSize := int64(b.repo.desc.ChunkSize)
	off := int64(index) * chunkSize
	lost := b.parentInfo.Lost // ascending
	i := sort.Search(len(lost), func(i int) bool { return lost[i].End() > off })
	return i < len(lost) && lost[i].Offset < off+chunkSize
}

// isGone tells whether the pack of a reference is gone, or damaged as a whole, and
// none that stands took its frames. Each pack is looked at once in a backup, or by
// workers that need it at the same moment.
func (b *Backup) isGone(ref chunkstore.Ref) bool {
	p := &b.presence
	if p.packs == nil || ref.Pack.IsZero() {
		return false
	}
	p.mu.Lock()
	gone, known := p.gone[ref.Pack]
	p.mu.Unlock()
	if known {
		return gone
	}
	gone = !slices.ContainsFunc(chunkstore.FollowMoved(ref.Pack, b.repo.moved), b.packStands)
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.gone == nil {
		p.gone = map[chunkstore.PackID]bool{}
	}
	p.gone[ref.Pack] = gone
	return gone
}

// packStands tells whether a pack is there and was not cut short. Trouble with
// looking at it says nothing against it.
func (b *Backup) packStands(pack chunkstore.PackID) bool {
	if !b.presence.packs[pack] {
		return false
	}
	corrupt := new(chunkstore.CorruptError)
	return !errors.As(b.repo.store.CheckPack(pack), &corrupt)
}

// miss notes that something lay in a pack that is gone, and lies nowhere else.
func (p *presence) miss(pack chunkstore.PackID) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.missed == nil {
		p.missed = map[chunkstore.PackID]bool{}
	}
	p.missed[pack] = true
}

// GonePacks lists the packs that Hurt found gone, or damaged as a whole, and missed something of, ascending.
func (b *Backup) GonePacks() []chunkstore.PackID {
	b.presence.mu.Lock()
	defer b.presence.mu.Unlock()
	return slices.SortedFunc(maps.Keys(b.presence.missed), chunkstore.PackID.Compare)
}
