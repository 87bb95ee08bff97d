package repository

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"varve/chunkstore"
	"varve/revision"
)

// rewriteMaps gives revisions maps that name whole chunks where objects of a stack are lost
// and cannot be had, and the content of the chunk can. It is done as a merge is: nobody sees
// a moment in which a revision is not what it was.
func (p *repairer) rewriteMaps(ctx context.Context) error {
	byVolume := map[revision.UUID][]*hurtEntry{}
	for _, h := range p.losses.hurt() {
		if h.from != nil {
			byVolume[h.place.Volume.UUID] = append(byVolume[h.place.Volume.UUID], h)
		}
	}
	for _, entries := range slices.SortedFunc(maps.Values(byVolume), func(a, b []*hurtEntry) int {
		return slices.Compare(a[0].place.Volume.UUID[:], b[0].place.Volume.UUID[:])
	}) {
		v := entries[0].place.Volume
		p.opts.Step(fmt.Sprintf("storing chunks of volume %q anew", v.Name))
		if err := p.rewriteVolume(ctx, v, entries); err != nil {
			err = fmt.Errorf("store chunks of volume %q anew: %w", v.Name, err)
			if ends(ctx, err) {
				return err
			}
			p.trouble(err)
		}
	}
	return nil
}

// rewriteVolume rewrites the maps of a volume that entries are of, the oldest first.
func (p *repairer) rewriteVolume(ctx context.Context, v Volume, entries []*hurtEntry) (err error) {
	m := p.repo.newRemoval(v, nil, RemoveOptions{Op: kindRepair, Wait: p.opts.Wait})
	defer func() { err = errors.Join(err, m.close()) }()
	if err := m.open(ctx); err != nil {
		return err
	}
	for _, rev := range m.visible {
		var own []*hurtEntry
		for _, h := range entries {
			if h.place.Revision == rev.ID {
				own = append(own, h)
			}
		}
		if len(own) == 0 {
			continue
		}
		if err := p.storeWhole(ctx, m, rev.ID, own); err != nil {
			return err
		}
		if len(m.anew) == 0 {
			continue
		}
		if err := m.foldInto(ctx, rev.ID, func(revision.ID) bool { return false }); err != nil {
			return err
		}
		p.touched[revisionKey{v.UUID, rev.ID}] = true
	}
	m.succeeded()
	return nil
}

// storeWhole stores chunks of a revision whole, and notes in anew what its map is to say of
// them. What became another one meanwhile stays as it is.
func (p *repairer) storeWhole(ctx context.Context, m *removal, id revision.ID, entries []*hurtEntry) (err error) {
	m.anew, m.had = map[uint64]revision.Entry{}, map[uint64]int{}
	f, err := m.openNoted(id)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	for _, h := range entries {
		for record, err := range f.Records(h.entry.Index, h.entry.Index+1) {
			if err != nil {
				return damagedMap(f.name, err)
			}
			e := record.Entry
			if record.Zeros != nil || e.Content != h.entry.Content {
				continue
			}
			plain, err := p.contentOf(ctx, h, h.from)
			if err != nil {
				return err
			}
			if plain == nil { // it was there before
				continue
			}
			if err := m.openWriter(); err != nil {
				return err
			}
			put, err := m.chunks.PutChunk(ctx, e.Content, plain)
			if err != nil {
				return err
			}
			p.result.Stored += put.Stored
			m.stored = append(m.stored, placed{put.Ref.Pack, chunkstore.Entry{ID: put.Ref.ID, Kind: chunkstore.Chunk}})
			m.had[e.Index] = len(e.Patches)
			e.Base, e.BaseRef, e.Patches = revision.BaseContent, put.Ref, nil
			m.anew[e.Index] = e
		}
	}
	return nil
}
