package repository

import (
	"context"
	"fmt"
	"path"
	"time"

	"varve/revision"
)

// Unfinished is proofs/scrub.json: a deep scrub that has not come to its end. What is
// proven since it was begun need not be read again by who goes on with it.
type Unfinished struct {
	Begun     time.Time       `json:"begun"`
	Volumes   []revision.UUID `json:"volumes"`    // empty: all
	OlderThan int64           `json:"older_than"` // seconds; 0: whatever its age
	Sample    float64         `json:"sample"`     // a part of 1; 0: all
	Seed      uint64          `json:"seed"`       // of the sample
	By        Holder          `json:"by"`
}

func unfinishedName() string { return path.Join(proofsDir, "scrub"+infoExt) }

// UnfinishedScrub reads what a scrub left that was cut off; nil: none was. One that
// cannot be read is damaged, and no scrub can be gone on with.
func (r *Repository) UnfinishedScrub() (*Unfinished, error) {
	u := new(Unfinished)
	err := readSmall(r.fsys, unfinishedName(), u)
	switch {
	case notFound(err):
		return nil, nil
	case err != nil:
		return nil, err
	}
	return u, nil
}

// BeginScrub remembers, durably, that a scrub is under way, in the place of any other.
func (r *Repository) BeginScrub(ctx context.Context, u Unfinished) error {
	u.By = r.me
	if u.Volumes == nil {
		u.Volumes = []revision.UUID{}
	}
	return r.replaceProofs(ctx, unfinishedName(), func() ([]byte, error) { return seal(u) })
}

// EndScrub forgets the scrub that was begun then, for it came to its end. Another one,
// begun since, stays.
func (r *Repository) EndScrub(ctx context.Context, begun time.Time) error {
	err := r.atGate(ctx, func() error {
		u, err := r.UnfinishedScrub()
		if err != nil && !isDamaged(err) {
			return err
		}
		if u != nil && !u.Begun.Equal(begun) {
			return nil
		}
		if err := r.fsys.Remove(unfinishedName()); notFound(err) {
			return nil
		} else if err != nil {
			return err
		}
		return r.fsys.SyncDir(proofsDir)
	})
	if err != nil {
		return fmt.Errorf("note that the scrub has ended: %w", wrapReadOnly(err))
	}
	return nil
}
