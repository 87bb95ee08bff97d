package repository

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"path"
	"slices"

	"varve/chunkstore"
	"varve/revision"
)

// unlinkBatch is how many packs go while the gate is held once: milliseconds.
const unlinkBatch = 16

// otherLease is a living lease but our own.
type otherLease struct {
	gen uint64 // 0: it cannot be read
	Blocker
}

// otherLeases reads, inside the gate, the living leases but our own.
func (g *collector) otherLeases() (map[string]otherLease, error) {
	living, _, err := g.repo.leases()
	if err != nil {
		return nil, err
	}
	delete(living, g.lease.id)
	others := make(map[string]otherLease, len(living))
	for _, id := range slices.Sorted(maps.Keys(living)) {
		record, _, _, _ := g.repo.leaseAt(leaseName(id)) // unreadable: zero
		others[id] = otherLease{record.Generation, Blocker{record.Holder, revision.Name(record.Volume)}}
	}
	return others, nil
}

// unlink is step 6: it removes the packs that are condemned and that nobody can be
// reading, a few at a time. Those that wait for somebody are told in the result.
func (g *collector) unlink(ctx context.Context) error {
	if err := g.look(); err != nil {
		return err
	}
	queue := slices.SortedFunc(maps.Keys(g.current.Condemned), chunkstore.PackID.Compare)
	var waiting []chunkstore.PackID
	blocking := map[string]bool{}
	g.result.Blockers = nil
	for len(queue) > 0 {
		if err := ctx.Err(); err != nil {
			return err
		}
		b := unlinking{collector: g, queue: queue}
		err := g.pass(ctx, b.some)
		g.repo.store.ForgetPacks(b.removed)
		if err != nil {
			return fmt.Errorf("remove packs: %w", err)
		}
		queue, waiting = b.queue, append(waiting, b.waiting...)
		for id, blocker := range b.blockers {
			if !blocking[id] {
				blocking[id] = true
				g.result.Blockers = append(g.result.Blockers, blocker)
			}
		}
	}
	g.result.WaitingPacks, g.result.WaitingBytes = 0, 0
	for _, pack := range waiting {
		info, err := g.repo.fsys.Lstat(chunkstore.PackName(pack))
		switch {
		case notFound(err):
			g.gone[pack] = true
		case err != nil:
			return err
		default:
			g.result.WaitingPacks++
			g.result.WaitingBytes += info.Size()
		}
	}
	return nil
}

// unlinking is one batch.
type unlinking struct {
	*collector
	queue    []chunkstore.PackID // condemned ones that were not looked at
	removed  []chunkstore.PackID
	waiting  []chunkstore.PackID
	blockers map[string]Blocker // by lease, those for whom these wait
}

// some removes a batch, inside the gate. That the gate and the lease take a byte shows
// that this process was not cut off from the file system meanwhile.
func (b *unlinking) some() error {
	if err := b.lease.holds(); err != nil {
		return err
	}
	if err := b.look(); err != nil {
		return err
	}
	others, err := b.otherLeases()
	if err != nil {
		return err
	}
	b.blockers = map[string]Blocker{}
	for looked := 0; len(b.queue) > 0 && looked < unlinkBatch; b.queue = b.queue[1:] {
		pack := b.queue[0]
		since, condemned := b.current.Condemned[pack]
		if !condemned || b.gone[pack] { // somebody relies on it by now
			continue
		}
		if b.waits(pack, since, others) {
			continue
		}
		looked++
		if err := b.remove(pack); err != nil {
			return errors.Join(err, b.syncPacks(b.removed))
		}
	}
	return b.syncPacks(b.removed)
}

// waits notes a pack that stays, because somebody was there before it was condemned.
func (b *unlinking) waits(pack chunkstore.PackID, since uint64, others map[string]otherLease) bool {
	waits := false
	for id, l := range others {
		if l.gen < since {
			waits, b.blockers[id] = true, l.Blocker
		}
	}
	if waits {
		b.waiting = append(b.waiting, pack)
	}
	return waits
}

func (b *unlinking) remove(pack chunkstore.PackID) error {
	name := chunkstore.PackName(pack)
	info, err := b.repo.fsys.Lstat(name)
	if err == nil {
		err = b.repo.fsys.Remove(name)
	}
	if err != nil && !notFound(err) {
		return err
	}
	b.gone[pack] = true
	if err == nil {
		b.removed = append(b.removed, pack)
		b.result.FreedPacks++
		b.result.FreedBytes += info.Size()
	}
	return nil
}

// look reads the current generation, unless it is the one that was read last: none is
// ever replaced. It is the current one only inside the gate.
func (g *collector) look() error {
	numbers, err := g.repo.generations()
	if err != nil {
		return err
	}
	if len(numbers) > 0 && slices.Max(numbers) == g.current.Number && !g.current.Opaque {
		return nil
	}
	if g.current, err = g.repo.currentGeneration(); err == nil && g.current.Opaque {
		err = opaqueGeneration(g.current)
	}
	return err
}

func (g *collector) syncPacks(packs []chunkstore.PackID) error {
	var dirs []string
	for _, pack := range packs {
		dirs = append(dirs, path.Dir(chunkstore.PackName(pack)))
	}
	slices.Sort(dirs)
	for _, dir := range slices.Compact(dirs) {
		if err := g.repo.fsys.SyncDir(dir); err != nil {
			return err
		}
	}
	return nil
}
