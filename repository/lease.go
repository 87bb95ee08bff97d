package repository

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strings"
	"time"

	"varve/internal/durable"
)

// leaseRecord is the first line of locks/leases/<id>.json; [Backup.Progress] writes a
// second. It is not synced: it dies with the power.
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
	length     int64      // of its record
	generation generation // the current one at birth
	temps      *durable.Temps
}

// readerGateWait is how long a reader waits for a lease before it goes on without.
const readerGateWait = 10 * time.Second

// bear makes a lease, inside the gate. If it comes upon leases whose process is
// gone, it buries them afterwards; sweep makes it look for what the dead left even
// if no lease of theirs is there: one that died with the power is not.
func (r *Repository) bear(ctx context.Context, wait time.Duration, volume, run string, sweep bool) (*lease, error) {
	l := &lease{repo: r, id: randomHex()}
	l.temps = durable.NewTemps(l.id)
	birth := func() error {
		if err := l.create(volume, run); err != nil {
			return errors.Join(err, l.discard())
		}
		_, dead, err := r.leases()
		if err != nil {
			return errors.Join(err, l.discard())
		}
		sweep = sweep || len(dead) > 0
		return nil
	}
	err := r.atGateWithin(ctx, wait, birth)
	if durable.IsFull(err) { // of what the dead left, perhaps
		if berr := r.buryDead(ctx, wait); berr != nil {
			return nil, fmt.Errorf("take a lease: %w", errors.Join(err, berr))
		}
		err = r.atGateWithin(ctx, wait, birth)
	}
	if err != nil {
		return nil, fmt.Errorf("take a lease: %w", err)
	}
	if sweep {
		if err := r.buryDead(ctx, wait); err != nil { // the next one tries again
			r.opts.Log.Warn("what dead processes left could not be removed", "error", err)
		}
	}
	return l, nil
}

func (l *lease) create(volume, run string) (err error) {
	l.file, err = l.repo.fsys.Create(leaseName(l.id))
	if err != nil {
		return err
	}
	got, err := l.file.TryLock()
	if err != nil {
		return err
	}
	if !got {
		return errors.New("the lock of a new lease was not to be had")
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
	l.length = int64(len(record))
	_, err = l.file.WriteAt(record, 0)
	return err
}

// discard undoes, inside the gate, a birth that failed.
func (l *lease) discard() error {
	if l.file == nil {
		return nil
	}
	return errors.Join(l.repo.fsys.Remove(leaseName(l.id)), l.file.Close())
}

// holds makes sure, inside the gate, that the lease is still ours: nobody buried
// it, and its file system still takes writes from us.
func (l *lease) holds() error {
	ours, err := l.file.Is(leaseName(l.id))
	if err != nil {
		return fmt.Errorf("look for the lease of this run: %w", err)
	}
	if !ours {
		return fmt.Errorf("%w: the lease of this run is gone", ErrLostGround)
	}
	if _, err := l.file.WriteAt([]byte("{"), 0); err != nil { // the byte that is there already
		return fmt.Errorf("%w: the lease of this run cannot be written: %w", ErrLostGround, err)
	}
	return nil
}

// bury ends the lease. It also works after the caller's context has ended. A lease
// that somebody took away needs no burial, and one in its place is not ours.
func (l *lease) bury() error {
	err := l.repo.atGate(context.Background(), func() error {
		ours, err := l.file.Is(leaseName(l.id))
		if err != nil || !ours {
			return err
		}
		return l.repo.fsys.Remove(leaseName(l.id))
	})
	if err != nil {
		err = fmt.Errorf("end the lease: %w", err)
	}
	return errors.Join(err, l.file.Close())
}

// leases tells, inside the gate, the ids of the leases that live and of those
// whose process is gone. Outside of it, looking could take the lock of one that is
// being born.
func (r *Repository) leases() (living map[string]bool, dead []string, err error) {
	entries, err := r.fsys.ReadDir(leasesDir)
	if err != nil {
		return nil, nil, err
	}
	living = map[string]bool{}
	for _, e := range entries {
		id, isLease := strings.CutSuffix(e.Name(), infoExt)
		if _, err := hex.DecodeString(id); !isLease || err != nil || !e.Type().IsRegular() {
			continue
		}
		isDead, err := r.isDead(leaseName(id))
		switch {
		case err != nil:
			return nil, nil, err
		case isDead:
			dead = append(dead, id)
		default:
			living[id] = true
		}
	}
	return living, dead, nil
}

// isDead tells whether nobody holds the lock of a lease, through a handle of its
// own. One that may not be opened, because it is another user's, counts as living.
func (r *Repository) isDead(name string) (bool, error) {
	f, err := r.fsys.OpenWrite(name)
	others := errors.Is(err, fs.ErrPermission)
	if others {
		f, err = r.fsys.Open(name)
	}
	switch {
	case errors.Is(err, fs.ErrPermission), notFound(err):
		return false, nil
	case err != nil:
		return false, err
	}
	got, err := f.TryLock()
	if others && err != nil { // NFS locks nothing through a handle that cannot write
		got, err = false, nil
	}
	return got, errors.Join(err, f.Close())
}

// buryDead removes the leases whose process is gone, and before them all
// temporary files that belong to no living lease.
//
// The tree is searched before the gate is taken, for that may take a while. What
// is removed is safe to remove all the same: a file that was seen then, and whose
// owner is not alive now, belongs to somebody who ended in between or before; who
// works on temporary files without a lease does so inside the gate.
func (r *Repository) buryDead(ctx context.Context, wait time.Duration) error {
	temps, err := r.findTemps()
	if err != nil {
		return err
	}
	return r.atGateWithin(ctx, wait, func() error {
		living, dead, err := r.leases()
		if err != nil {
			return err
		}
		for _, name := range temps {
			if living[durable.TempOwner(path.Base(name))] {
				continue
			}
			if err := r.fsys.Remove(name); err != nil && !notFound(err) {
				return err
			}
		}
		for _, id := range dead {
			if err := r.fsys.Remove(leaseName(id)); err != nil && !notFound(err) {
				return err
			}
		}
		return nil
	})
}

// findTemps lists the temporary files of the whole repository.
func (r *Repository) findTemps() ([]string, error) {
	entries, err := r.fsys.ReadDir(".")
	if err != nil {
		return nil, err
	}
	var temps []string
	for _, e := range entries {
		if durable.IsTemp(e.Name()) {
			temps = append(temps, e.Name())
		}
	}
	for _, dir := range topLevel {
		if temps, err = r.tempsBelow(temps, dir, 1); err != nil {
			return nil, err
		}
	}
	return temps, nil
}

// treeDepth is how deep directories lie in a repository.
const treeDepth = 2

func (r *Repository) tempsBelow(temps []string, dir string, depth int) ([]string, error) {
	entries, err := r.fsys.ReadDir(dir)
	if notFound(err) {
		return temps, nil
	}
	if err != nil {
		return temps, err
	}
	for _, e := range entries {
		name := path.Join(dir, e.Name())
		switch {
		case e.IsDir() && depth < treeDepth:
			if temps, err = r.tempsBelow(temps, name, depth+1); err != nil {
				return temps, err
			}
		case durable.IsTemp(e.Name()) && !e.IsDir():
			temps = append(temps, name)
		}
	}
	return temps, nil
}
