package repository

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"varve/chunkstore"
	"varve/internal/durable"
)

// putPacksAside moves packs that cannot be opened, and that nothing needs any more, to where
// evidence is, and notes where what they had is now. A pack stays where a map cannot be read,
// which may name anything, or where something is lost that may still come out of it.
func (p *repairer) putPacksAside(ctx context.Context, before, now *losses) error {
	needed, asked := map[chunkstore.PackID]bool{}, map[chunkstore.PackID]bool{}
	for _, o := range now.left() {
		for _, hint := range o.packs {
			for _, pack := range chunkstore.FollowMoved(hint, p.repo.moved) {
				needed[pack], asked[pack] = true, asked[pack] || o.asked
			}
		}
	}
	if err := p.noteWhere(ctx, before, needed); err != nil {
		return err
	}
	for _, pack := range now.packs {
		done := Mending{Path: pack.name, Pack: pack.id, Cause: pack.cause.Error()}
		switch {
		case now.hidden:
			done.Why = errMayNeed
		case needed[pack.id] && !asked[pack.id]:
			continue // by others, which are not repaired
		case needed[pack.id]:
			done.Why = errNeeded
		default:
			err := p.putPackAside(ctx, pack)
			switch {
			case err == nil:
				done.From, done.Aside = Origin{Kind: OriginPacks}, true
			case ends(ctx, err):
				return err
			default:
				done.Why = err
			}
		}
		p.result.Mendings = append(p.result.Mendings, done)
	}
	return nil
}

func (p *repairer) putPackAside(ctx context.Context, pack hurtPack) error {
	err := p.repo.atGate(ctx, func() error {
		if err := p.lease.holds(); err != nil {
			return err
		}
		corrupt := new(chunkstore.CorruptError)
		switch _, err := p.repo.store.Pack(pack.id); {
		case err == nil:
			return fmt.Errorf("%w: pack %s can be opened by now", ErrLostGround, pack.id)
		case !errors.As(err, &corrupt):
			return fmt.Errorf("look at pack %s again: %w", pack.id, err)
		}
		return p.repo.moveToEvidence(p.lease.temps, pack.name, corrupt)
	})
	if err != nil {
		return err
	}
	p.result.PutAside++
	p.repo.store.ForgetPacks([]chunkstore.PackID{pack.id})
	return p.forgetDamage(pack.id)
}

// forgetDamage removes the records of hurt copies in a pack that is not there any more: no
// reference leads to them.
func (p *repairer) forgetDamage(pack chunkstore.PackID) error {
	damaged, err := p.repo.loadDamage()
	if err != nil {
		return err
	}
	var names []string
	for c := range damaged {
		if c.Pack == pack {
			names = append(names, damageName(c))
		}
	}
	slices.Sort(names)
	for _, name := range names {
		if err := p.repo.fsys.Remove(name); err != nil && !notFound(err) {
			return err
		}
	}
	_, err = p.repo.loadDamage()
	return err
}

// noteWhere notes, of packs that are gone or cannot be opened and of which all that maps name
// is in other packs again, in which: readers then need not look through all, and no backup
// takes what they had for lost.
func (p *repairer) noteWhere(ctx context.Context, before *losses, needed map[chunkstore.PackID]bool) error {
	if p.chunks == nil {
		return nil
	}
	to := p.chunks.Relied()
	if len(to) == 0 || len(to) > maxMovedTo {
		return nil
	}
	var gone []chunkstore.PackID
	for _, o := range before.objects {
		for _, pack := range o.packs {
			if pack.IsZero() || needed[pack] || slices.Contains(gone, pack) {
				continue
			}
			gone = append(gone, pack)
		}
	}
	slices.SortFunc(gone, chunkstore.PackID.Compare)
	for _, pack := range gone {
		if _, err := p.repo.store.Pack(pack); err == nil || len(p.repo.moved(pack)) > 0 {
			continue // only some of it was hurt, or it was compacted
		}
		err := p.repo.atGate(ctx, func() error {
			if err := p.lease.holds(); err != nil {
				return err
			}
			if err := durable.MkdirAll(p.repo.fsys, movedDir); err != nil {
				return err
			}
			return replaceSmall(p.repo.fsys, p.lease.temps, movedName(pack), movedRecord{To: to})
		})
		if err != nil {
			return fmt.Errorf("note where the objects of pack %s are: %w", pack, err)
		}
	}
	return nil
}
