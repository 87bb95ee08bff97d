package main

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"syscall"

	"varve/backup"
	"varve/internal/durable"
	"varve/volume"
	"varve/volume/filevolume"
)

// longer is the size of a file that will be cut where the image ends; 0: none will.
func (r *restoration) longer() int64 {
	if r.target.Scheme != volume.SchemeFile {
		return 0
	}
	info, err := os.Stat(r.target.Path)
	if err != nil || !r.f.inPlace || r.part != nil || !info.Mode().IsRegular() || info.Size() <= r.image.Size() {
		return 0 // what cannot be looked at is refused by who opens it
	}
	return info.Size()
}

// destination is a target that is not open yet.
type destination struct {
	opts  backup.RestoreOptions
	check func(context.Context) (surplus int64, err error) // as opening it would, and changes nothing
	open  func(context.Context) (volume.Target, error)
}

// settled is what any target is written by: how large it is to be, the part of the volume
// that is written into what is there, and how it is restored to.
func (r *restoration) settled() (size int64, part volume.Extent, opts backup.RestoreOptions) {
	size = r.image.Size()
	opts = backup.RestoreOptions{Range: r.part, KeepGoing: r.f.keepGoing, Meter: r.meter}
	switch {
	case r.part != nil && r.f.inPlace:
		part = volume.Extent{Offset: r.part.Offset, Length: r.part.Length}
	case r.part != nil: // an extract: its first byte is that of the range
		size, opts.Shift = r.part.Length, -r.part.Offset
	}
	return size, part, opts
}

// destination says how the target may be written.
func (r *restoration) destination(ctx context.Context) (d destination, err error) {
	if r.target.Scheme == volume.SchemeRBD {
		return r.imageDestination()
	}
	size, part, opts := r.settled()
	to := filevolume.TargetOptions{
		Force: r.f.force, InPlace: r.f.inPlace, EvenInUse: r.f.evenInUse, Range: part, Repository: r.dir, Content: r.image,
	}
	if r.part != nil && !r.f.inPlace { // what is a part takes the place of nothing
		to.Content, to.Force = nil, false
	}
	if !r.f.inPlace {
		to.Needed, err = r.needed(ctx)
	}
	return destination{
		opts:  opts,
		check: func(context.Context) (int64, error) { return filevolume.CheckTarget(r.target.Path, size, to) },
		open:  func(context.Context) (volume.Target, error) { return filevolume.OpenTarget(r.target.Path, size, to) },
	}, err
}

// refused gives the refusal of a target the words of this command.
func (r *restoration) refused(err error) error {
	if r.part != nil && errors.Is(err, volume.ErrExists) {
		return &partError{Target: targetName(r.target), Forced: r.f.force}
	}
	return err
}

// needed is how many bytes a new file will take up, as far as the maps tell.
// Reading all maps takes a while: where there is room for everything, it is 0.
func (r *restoration) needed(ctx context.Context) (int64, error) {
	if r.part != nil || r.image.Size() <= freeIn(dirOf(r.target.Path)) {
		return 0, nil
	}
	return r.data(ctx)
}

// data is how many bytes the image holds that are no zeros, as far as the maps tell.
func (r *restoration) data(ctx context.Context) (total int64, err error) {
	for e, err := range r.image.Extents(ctx) {
		if err != nil && (!r.f.keepGoing || ctx.Err() != nil) {
			return 0, err
		}
		total += e.Length
	}
	return total, nil
}

// freeIn is how many bytes a file system has to spare; -1: it does not say so.
func freeIn(dir string) int64 {
	tree, err := durable.OpenTree(dir)
	if err != nil {
		return -1
	}
	available, _, err := tree.Free()
	if errors.Join(err, tree.Close()) != nil {
		return -1
	}
	return available
}

// dirOf is the directory that a target is in, or will be.
func dirOf(path string) string {
	if real, err := filepath.EvalSymlinks(path); err == nil {
		path = real
	}
	return filepath.Dir(path)
}

// makesFile tells whether a new file will be made, and in which file system.
func (r *restoration) makesFile() (system uint64, makes bool) {
	if r.target.Scheme != volume.SchemeFile || r.f.inPlace {
		return 0, false
	}
	if info, err := os.Stat(r.target.Path); err == nil && !info.Mode().IsRegular() {
		return 0, false
	}
	info, err := os.Stat(dirOf(r.target.Path))
	if err != nil {
		return 0, false
	}
	st, known := info.Sys().(*syscall.Stat_t)
	return uint64(st.Dev), known
}

// replaces is how many bytes become free when a new file takes the place of one that is there.
func (r *restoration) replaces() int64 {
	info, err := os.Stat(r.target.Path)
	if err != nil {
		return 0
	}
	if st, known := info.Sys().(*syscall.Stat_t); known && st.Nlink == 1 {
		return st.Blocks * 512
	}
	return 0
}
