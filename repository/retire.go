package repository

import (
	"context"
	"fmt"
	"maps"
	"time"

	"varve/internal/durable"
	"varve/revision"
)

// Retirement says that a volume is not expected to be backed up any more. Its file,
// volumes/<volume>/retired.json, is there as long as it is retired.
type Retirement struct {
	At     time.Time `json:"at"`
	Number uint64    `json:"number"` // no revision that was there has a higher one
	By     Holder    `json:"by"`
}

// InForce tells, given the newest revision of the volume, or nil, whether the
// retirement has not ended: a backup that came after it ends it.
func (t *Retirement) InForce(newest *Revision) bool {
	if t == nil {
		return false
	}
	return newest == nil || newest.Statement == nil || newest.Statement.Sequence <= t.Number
}

// Retirement reads whether a volume was retired; nil if it was not.
func (r *Repository) Retirement(v Volume) (*Retirement, error) {
	t := new(Retirement)
	err := readSmall(r.fsys, retiredName(v.Name), t)
	switch {
	case notFound(err):
		return nil, nil
	case isDamaged(err): // so it counts as expected, and somebody will look
		r.opts.Log.Warn("whether a volume is retired cannot be read", "error", err)
		return nil, nil
	case err != nil:
		return nil, err
	}
	return t, nil
}

func (r *Repository) retiredAt(v Volume) (time.Time, error) {
	t, err := r.Retirement(v)
	if t == nil || err != nil {
		return time.Time{}, err
	}
	return t.At, nil
}

// retireTries is how often a volume is looked at again that is backed up meanwhile.
const retireTries = 5

// Retire notes, durably, that a volume is not expected to be backed up any more.
// Its revisions stay. The next backup of it ends that.
func (r *Repository) Retire(ctx context.Context, v Volume) (*Retirement, error) {
	temps := durable.NewTemps("retire-" + randomHex())
	for range retireTries {
		v, _ = r.movedTo(v)
		highest, seen, err := r.highest(v)
		if err != nil {
			return nil, err
		}
		t := &Retirement{At: r.opts.Now().UTC().Truncate(time.Second), Number: highest, By: r.me}
		same := false
		err = r.atGate(ctx, func() error {
			if _, moved := r.movedTo(v); moved {
				return nil
			}
			now, err := r.idSet(v)
			if same = maps.Equal(now, seen); err != nil || !same {
				return err
			}
			return replaceSmall(r.fsys, temps, retiredName(v.Name), t)
		})
		if err != nil {
			return nil, fmt.Errorf("retire volume %q: %w", v.Name, wrapReadOnly(err))
		}
		if same {
			return t, nil
		}
	}
	return nil, fmt.Errorf("retire volume %q: %w: revisions come and go", v.Name, ErrLostGround)
}

// Unretire ends a retirement, durably. That there is none is no error.
func (r *Repository) Unretire(ctx context.Context, v Volume) error {
	err := r.atGate(ctx, func() error {
		v, _ := r.movedTo(v)
		_, err := r.endRetirement(v)
		return err
	})
	if err != nil {
		return fmt.Errorf("end the retirement of volume %q: %w", v.Name, wrapReadOnly(err))
	}
	return nil
}

// endRetirement removes, inside the gate, the volume's file that says it is retired.
func (r *Repository) endRetirement(v Volume) (ended bool, err error) {
	name := retiredName(v.Name)
	if _, err := r.fsys.Lstat(name); err != nil {
		if notFound(err) {
			err = nil
		}
		return false, err
	}
	if err := r.fsys.Remove(name); err != nil {
		return false, err
	}
	return true, r.fsys.SyncDir(volumeDir(v.Name))
}

// highest gives the highest number that a visible revision of the volume may have:
// one that cannot be read was made when it was the highest. It tells which it saw.
func (r *Repository) highest(v Volume) (number uint64, seen map[revision.ID]bool, err error) {
	if seen, err = r.idSet(v); err != nil {
		return 0, nil, err
	}
	revisions, err := r.Revisions(v)
	if err != nil {
		return 0, nil, err
	}
	unread := uint64(0)
	for _, rev := range revisions {
		if rev.Statement == nil {
			unread++
			continue
		}
		number = max(number, rev.Statement.Sequence)
	}
	return number + unread, seen, nil
}

func (r *Repository) idSet(v Volume) (map[revision.ID]bool, error) {
	ids, err := r.revisionIDs(v.Name)
	if notFound(err) {
		return nil, fmt.Errorf("%w: %q", ErrNoVolume, v.Name)
	}
	set := make(map[revision.ID]bool, len(ids))
	for _, id := range ids {
		set[id] = true
	}
	return set, err
}
