package repository

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strings"
	"time"

	"varve/chunkstore"
	"varve/internal/durable"
)

// damageRecord is damage/<pack id>-<object id>.json: a hurt copy of an object.
type damageRecord struct {
	Pack   chunkstore.PackID `json:"pack"`
	Object chunkstore.ID     `json:"object"`
	Kind   string            `json:"kind"`
	Offset int64             `json:"offset"` // of its frame in the pack
	Cause  string            `json:"cause"`
	Found  time.Time         `json:"found"`
	By     Holder            `json:"by"`
	Spared time.Time         `json:"spared,omitzero"` // when it was found that nothing is lost by it: another copy is good, or none is needed; zero: it was not
}

// loadDamage reads which copies are known to be hurt; their names say it.
func (r *Repository) loadDamage() (map[chunkstore.Copy]bool, error) {
	r.damageMu.Lock() // so that nothing recorded meanwhile is forgotten again
	defer r.damageMu.Unlock()
	entries, err := r.fsys.ReadDir(damageDir)
	if err != nil && !notFound(err) {
		return nil, err
	}
	damaged := make(map[chunkstore.Copy]bool, len(entries))
	for _, e := range entries {
		base, isRecord := strings.CutSuffix(e.Name(), infoExt)
		pack, object, found := strings.Cut(base, "-")
		if !isRecord || !found {
			continue
		}
		p, packErr := chunkstore.ParsePackID(pack)
		id, idErr := chunkstore.ParseID(object)
		if packErr == nil && idErr == nil {
			damaged[chunkstore.Copy{Pack: p, ID: id}] = true
		}
	}
	r.damaged = damaged
	return damaged, nil
}

func (r *Repository) damageNow() map[chunkstore.Copy]bool {
	r.damageMu.Lock()
	defer r.damageMu.Unlock()
	return r.damaged
}

func compareCopies(a, b chunkstore.Copy) int {
	return cmp.Or(a.Pack.Compare(b.Pack), slices.Compare(a.ID[:], b.ID[:]))
}

// RecordSpared remembers, durably, of copies that are hurt, whether nothing is lost by them:
// another copy is good, or nothing needs one. Copies of which there is no record, or none that can be
// read, are passed over.
func (r *Repository) RecordSpared(ctx context.Context, spared map[chunkstore.Copy]bool) error {
	var changed []damageRecord
	for _, hurt := range slices.SortedFunc(maps.Keys(spared), compareCopies) {
		var record damageRecord
		err := readSmall(r.fsys, damageName(hurt), &record)
		if err == nil && record.Pack == hurt.Pack && record.Object == hurt.ID && record.Spared.IsZero() == spared[hurt] {
			changed = append(changed, record)
		}
	}
	if len(changed) == 0 {
		return nil
	}
	temps := durable.NewTemps("damage-" + randomHex())
	err := r.atGate(ctx, func() error {
		for _, record := range changed {
			hurt := chunkstore.Copy{Pack: record.Pack, ID: record.Object}
			if _, err := r.fsys.Lstat(damageName(hurt)); notFound(err) {
				continue // the pack went meanwhile
			}
			if record.Spared = (time.Time{}); spared[hurt] {
				record.Spared = r.opts.Now().UTC().Truncate(time.Second)
			}
			if err := replaceSmall(r.fsys, temps, damageName(hurt), record); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("record what damage takes away: %w", wrapReadOnly(err))
	}
	return nil
}

// RecordDamage remembers, durably, that a copy of an object is hurt, so that
// nothing is built on it any more. That it is known already is no error.
func (r *Repository) RecordDamage(ctx context.Context, c *chunkstore.CorruptError) error {
	hurt := chunkstore.Copy{Pack: c.Pack, ID: c.ID}
	if c.Pack.IsZero() || c.ID.IsZero() || r.damageNow()[hurt] {
		return nil // no copy in particular, or known
	}
	record := damageRecord{
		Pack: c.Pack, Object: c.ID, Kind: c.Kind.String(), Offset: c.Offset, Cause: fmt.Sprint(c.Cause),
		Found: r.opts.Now().UTC().Truncate(time.Second), By: r.me,
	}
	temps := durable.NewTemps("damage-" + randomHex())
	err := r.atGate(ctx, func() error { return writeNewSmall(r.fsys, temps, damageName(hurt), record) })
	if err != nil && !errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("record damage: %w", wrapReadOnly(err))
	}
	r.damageMu.Lock()
	defer r.damageMu.Unlock()
	damaged := maps.Clone(r.damaged)
	if damaged == nil {
		damaged = map[chunkstore.Copy]bool{}
	}
	damaged[hurt] = true
	r.damaged = damaged
	return nil
}
