package repository

import (
	"context"
	"errors"
	"fmt"
	"time"

	"varve/revision"
)

// Flatten makes fulls of revisions of a volume, so that a chain is no longer than it
// should be: each gets a map that says all of its image by itself. Its image, its
// data and what builds on it stay as they are, and nothing but maps is read. One that
// went since it was listed is passed over.
//
// It is as safe as [Repository.Remove]: after an error, a revision has either map. It
// tells which became fulls; those that were stay as they are. Errors are those of
// [Repository.Remove].
func (r *Repository) Flatten(ctx context.Context, v Volume, ids []revision.ID, wait time.Duration) (done []revision.ID, err error) {
	m := r.newRemoval(v, nil, RemoveOptions{Op: OpMerge, Wait: wait})
	defer func() { err = errors.Join(err, m.close()) }()
	if err := m.open(ctx); err != nil {
		return nil, fmt.Errorf("shorten the chains of volume %q: %w", v.Name, wrapReadOnly(err))
	}
	for _, id := range ids {
		if !m.known[id] || m.parents[id] == "" {
			continue
		}
		if err := m.foldInto(ctx, id, func(revision.ID) bool { return true }); err != nil {
			return done, fmt.Errorf("shorten the chain of %s@%s: %w", v.Name, id.Short(), wrapReadOnly(err))
		}
		done = append(done, id)
	}
	m.succeeded()
	return done, nil
}
