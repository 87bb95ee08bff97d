package repository

import (
	"context"
	"fmt"

	"varve/chunkstore"
	"varve/internal/durable"
)

// AdoptCopy makes this directory, a copy of another repository's, a repository of
// its own: it gets a new id and keeps the lineage, and with it the keys and all
// revisions. Two copies under one id would share one catalog on a host that sees
// both. The repository has to be opened again to be used under its new id.
func (r *Repository) AdoptCopy(ctx context.Context) (Descriptor, error) {
	temps := durable.NewTemps("adopt-" + randomHex())
	d := *r.desc
	err := r.atGate(ctx, func() error {
		current, _, err := descriptors(r.fsys)
		if err != nil {
			return err
		}
		d = *current
		d.Former = append(d.Former[:len(d.Former):len(d.Former)], d.Repository)
		d.Repository = newUUID()
		d.Serial++
		return writeDescriptors(r.fsys, temps, &d)
	})
	if err != nil {
		return Descriptor{}, fmt.Errorf("give the repository its own id: %w", wrapReadOnly(err))
	}
	return d, nil
}

// Rebuild makes the catalog of this host anew from the packs' own tables of
// contents. Nothing needs it but the finding of duplicates.
func (r *Repository) Rebuild(ctx context.Context, progress func(done, total int)) (chunkstore.RebuildResult, error) {
	return r.store.Rebuild(ctx, progress)
}

// mend writes, inside the gate, the descriptor copy that is missing or stale.
func (r *Repository) mend(temps *durable.Temps) error {
	d, agree, err := descriptors(r.fsys)
	if err != nil || agree {
		return err
	}
	return writeDescriptors(r.fsys, temps, d)
}
