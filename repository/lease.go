package repository

import (
	"context"
	"errors"
	"fmt"
	"path"
	"strings"
	"time"

	"varve/internal/durable"
)

// leaseRecord is locks/leases/<id>.json. It is not synced: it dies with the power.
type leaseRecord struct {
	Generation uint64 `json:"gen"`
	Kind       string `json:"kind"`
	Holder     Holder `json:"holder"`
	Boot       string `json:"boot"`
	Volume     string `json:"volume"`
	Run        string `json:"run"`
}

// lease keeps the collector from unlinking what its holder may read. It lives as
// long as the process holds its file's lock.
type lease struct {
	repo       *Repository
	id         string
	file       durable.File
	generation generation // the current one at birth
	temps      *durable.Temps
}

// readerGateWait is how long a reader waits for a lease before it goes on without.
const readerGateWait = 10 * time.Second

// bear makes a lease, inside the gate, and buries those whose process is gone.
// sweep also removes temporary files that belong to no living lease.
func (r *Repository) bear(ctx context.Context, wait time.Duration, volume, run string, sweep bool) (*lease, error) {
	l := &lease{repo: r, id: randomHex()}
	l.temps = durable.NewTemps(l.id)
	err := r.atGateWithin(ctx, wait, func() error {
		living, buried, err := r.buryDead()
		if err != nil {
			return err
		}
		if buried > 0 || sweep {
			if err := r.sweepTemps(living); err != nil {
				return err
			}
		}
		return l.create(volume, run)
	})
	if err != nil {
		return nil, errors.Join(fmt.Errorf("take a lease: %w", err), l.discard())
	}
	return l, nil
}

func (l *lease) create(volume, run string) (err error) {
	l.file, err = l.repo.fsys.Create(leaseName(l.id))
	if err != nil {
		return err
	}
	if got, err := l.file.TryLock(); err != nil || !got {
		return errors.Join(err, errors.New("the lock of a new lease was not to be had"))
	}
	l.generation, err = l.repo.currentGeneration()
	if err != nil {
		return err
	}
	record, err := seal(leaseRecord{
		Generation: l.generation.Number, Kind: l.repo.me.Command, Holder: l.repo.me, Boot: l.repo.boot, Volume: volume, Run: run,
	})
	if err != nil {
		return err
	}
	_, err = l.file.WriteAt(record, 0)
	return err
}

// discard undoes a birth that failed.
func (l *lease) discard() error {
	if l.file == nil {
		return nil
	}
	return errors.Join(l.repo.fsys.Remove(leaseName(l.id)), l.file.Close())
}

// holds makes sure, inside the gate, that the lease is still ours: nobody buried
// it, and its file system still takes writes from us.
func (l *lease) holds() error {
	if ours, err := l.file.Is(leaseName(l.id)); err != nil || !ours {
		return errors.Join(fmt.Errorf("%w: the lease of this run is gone", ErrLostGround), err)
	}
	if _, err := l.file.WriteAt([]byte("{"), 0); err != nil { // the byte that is there already
		return fmt.Errorf("%w: the lease of this run cannot be written: %w", ErrLostGround, err)
	}
	return nil
}

// bury ends the lease. It also works after the caller's context has ended.
func (l *lease) bury() error {
	err := l.repo.atGate(context.Background(), func() error { return l.repo.fsys.Remove(leaseName(l.id)) })
	return errors.Join(err, l.file.Close())
}

// buryDead removes, inside the gate, the leases whose process is gone, and
// returns the ids of the living.
func (r *Repository) buryDead() (living map[string]bool, buried int, err error) {
	entries, err := r.fsys.ReadDir(leasesDir)
	if err != nil {
		return nil, 0, err
	}
	living = map[string]bool{}
	for _, e := range entries {
		name := path.Join(leasesDir, e.Name())
		dead, err := r.isDead(name)
		if err != nil {
			return nil, buried, err
		}
		if !dead {
			living[strings.TrimSuffix(e.Name(), infoExt)] = true
			continue
		}
		if err := r.fsys.Remove(name); err != nil && !notFound(err) {
			return nil, buried, err
		}
		buried++
	}
	return living, buried, nil
}

// isDead tells whether nobody holds the lock of a lease, through a handle of its own.
func (r *Repository) isDead(name string) (bool, error) {
	f, err := r.fsys.OpenWrite(name)
	if err != nil {
		return false, err
	}
	got, err := f.TryLock()
	return got, errors.Join(err, f.Close())
}

// sweepTemps removes, inside the gate, the temporary files of those who no
// longer live. Leases are born in the gate, so no newborn is missed.
func (r *Repository) sweepTemps(living map[string]bool) error {
	return r.sweepDir(".", living, 0)
}

// sweepDepth is how deep directories lie in a repository.
const sweepDepth = 2

func (r *Repository) sweepDir(dir string, living map[string]bool, depth int) error {
	entries, err := r.fsys.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		name := path.Join(dir, e.Name())
		switch {
		case e.IsDir() && depth < sweepDepth:
			err = r.sweepDir(name, living, depth+1)
		case isTemp(e.Name()) && !living[tempOwner(e.Name())]:
			err = r.fsys.Remove(name)
		}
		if err != nil && !notFound(err) {
			return err
		}
	}
	return nil
}

// tempOwner returns the lease in ".tmp-<lease>-<n>".
func tempOwner(base string) string {
	owner := strings.TrimPrefix(base, durable.TempPrefix)
	if i := strings.LastIndexByte(owner, '-'); i >= 0 {
		owner = owner[:i]
	}
	return owner
}
