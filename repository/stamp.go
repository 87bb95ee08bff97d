package repository

import (
	"io/fs"
	"syscall"
	"time"
)

// A Stamp is what a listing was made of: when its directories were last changed. As long as
// it is the same, and Settled, so is the listing. It is of use to who looks again and again,
// and to nobody who decides by what he sees: it goes by the clock of a file system.
type Stamp struct {
	listed, sets dirStamp
}

// dirStamp tells a directory as it is from what it was. The zero value is that of one that is not there.
type dirStamp struct {
	inode   uint64
	changed time.Time // an entry of it
	touched time.Time // that, or itself
}

func newDirStamp(info fs.FileInfo) dirStamp {
	d := dirStamp{changed: info.ModTime()}
	if st, known := info.Sys().(*syscall.Stat_t); known {
		d.inode, d.touched = st.Ino, time.Unix(st.Ctim.Unix())
	}
	return d
}

// settling is how long after a change of a directory another one could carry the same time: no
// clock of a file system ticks more slowly than that of FAT.
const settling = 2 * time.Second

// Settled tells whether what changed after the stamp was taken has another one.
func (s Stamp) Settled(taken time.Time) bool {
	for _, dir := range []dirStamp{s.listed, s.sets} {
		if dir.changed.IsZero() || taken.Sub(dir.changed) < settling {
			return false
		}
	}
	return true
}

// Changed is when what was listed was last changed.
func (s Stamp) Changed() time.Time { return s.listed.changed }

// VolumesStamp is the stamp of what [Repository.Volumes] lists.
func (r *Repository) VolumesStamp() (Stamp, error) { return r.stamp(volumesDir) }

// RevisionsStamp is the stamp of what [Repository.Revisions] lists of a volume.
func (r *Repository) RevisionsStamp(v Volume) (Stamp, error) { return r.stamp(volumeDir(v.Name)) }

// stamp looks at a directory, and at that of the sets, whose coming makes revisions visible.
func (r *Repository) stamp(dir string) (Stamp, error) {
	listed, err := r.fsys.Lstat(dir)
	if err != nil {
		return Stamp{}, err
	}
	sets, err := r.dirStamp(setsDir)
	s := Stamp{newDirStamp(listed), sets}
	if s.sets == (dirStamp{}) { // made before there were sets
		s.sets = s.listed
	}
	return s, err
}

func (r *Repository) dirStamp(dir string) (dirStamp, error) {
	info, err := r.fsys.Lstat(dir)
	switch {
	case notFound(err):
		return dirStamp{}, nil
	case err != nil:
		return dirStamp{}, err
	}
	return newDirStamp(info), nil
}
