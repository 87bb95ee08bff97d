package repository

import "time"

// A Stamp is what a listing was made of: when its directories were last changed. As long as
// it is the same, and Settled, so is the listing. It is of use to who looks again and again,
// and to nobody who decides by what he sees: it goes by the clock of a file system.
type Stamp struct {
	listed, sets time.Time
}

// settling is how long after a change of a directory another one could carry the same time.
const settling = 2 * time.Second

// Settled tells whether what changed after the stamp was taken has another one.
func (s Stamp) Settled(taken time.Time) bool {
	for _, changed := range []time.Time{s.listed, s.sets} {
		if changed.IsZero() || taken.Sub(changed) < settling {
			return false
		}
	}
	return true
}

// Changed is when what was listed was last changed.
func (s Stamp) Changed() time.Time { return s.listed }

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
	s := Stamp{listed: listed.ModTime()}
	sets, err := r.fsys.Lstat(setsDir)
	switch {
	case notFound(err): // made before there were sets
		s.sets = s.listed
	case err != nil:
		return Stamp{}, err
	default:
		s.sets = sets.ModTime()
	}
	return s, nil
}
