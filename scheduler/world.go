package scheduler

import (
	"maps"
	"slices"
	"time"

	"varve/revision"
)

// A World is what is configured, and what the repository says, as of a moment.
type World struct {
	At      time.Time // when it was looked at, before anything was read
	Tasks   []Task    // maintenance behind backups, in the order in which it is to be done
	Slots   int       // how many backups may run at a time
	Volumes map[revision.Name]Known
	Others  map[revision.Name]bool // volumes that somebody else backs up
	Done    map[Kind]time.Time     // when maintenance was done last, as far as the journal tells
	// Unread is what could not be read; then Volumes may lack some, or their revisions, and nothing new is known of these.
	Unread []string
}

// Known is what the repository says of a volume.
type Known struct {
	Newest   time.Time     // when the newest revision was begun; zero: there is none
	Good     time.Time     // when the newest good one was
	Took     time.Duration // the newest one
	Size     int64         // bytes, of the newest one; without one, of the source; 0: nobody knows
	Failures int           // tries since that failed, as the journal tells
	Tried    time.Time     // the last of them
	Error    string        // of that
}

// learn brings the records up to what the world says. What somebody else did counts as if
// it had been done here, and what was taken away as if it had never been done. Tasks that
// are gone are forgotten, and so are volumes that a task is not about any more; unless
// something could not be read, by which they may only seem to be.
func (s *state) learn(w *World) {
	wanted := map[Key]*Task{}
	for i := range w.Tasks {
		wanted[w.Tasks[i].Key] = &w.Tasks[i]
	}
	isWhole := len(w.Unread) == 0
	maps.DeleteFunc(s.Records, func(k Key, _ *Record) bool { return wanted[k] == nil && isWhole })
	for k, t := range wanted {
		r := s.Records[k]
		isNew := r == nil
		if isNew {
			r = &Record{Seen: w.At}
			s.Records[k] = r
		}
		if r.Seen.IsZero() || r.Seen.After(w.At) { // the clock was set back
			r.Seen = w.At
		}
		switch {
		case k.Kind.IsBackup():
			r.learnBackup(t, w, isNew)
		case isNew:
			r.Success = w.Done[k.Kind]
		}
		if !k.Kind.IsBackup() && isWhole {
			r.Changed = slices.DeleteFunc(r.Changed, func(v revision.Name) bool { return !slices.Contains(t.Volumes, v) })
			maps.DeleteFunc(r.Turns, func(v revision.Name, _ time.Time) bool { return !slices.Contains(t.Volumes, v) })
		}
	}
}

// learnBackup takes what the world says of the volumes of a task: of a set, the oldest of
// it counts. What ended since it was looked at, or at that very moment, we know better.
func (r *Record) learnBackup(t *Task, w *World, isNew bool) {
	if !r.Ended.Before(w.At) && !isNew {
		return
	}
	var newest, good time.Time
	var took time.Duration
	var size int64
	for i, name := range t.Volumes {
		k := w.Volumes[name]
		if k.Newest.IsZero() && len(w.Unread) > 0 {
			return // nobody knows: that there is none may be what could not be read
		}
		if i == 0 || k.Newest.Before(newest) {
			newest = k.Newest
		}
		if i == 0 || k.Good.Before(good) {
			good = k.Good
		}
		took, size = took+k.Took, size+k.Size
		if isNew && k.Failures > r.Failures {
			r.Failures, r.Begun, r.Ended, r.Error = k.Failures, k.Tried, k.Tried, k.Error // and is tried at once: perhaps it was only cut off
		}
	}
	if newest.After(r.Begun) && newest.After(r.Success) {
		r.Failures, r.Error, r.NotBefore = 0, "", time.Time{} // somebody else did it
	}
	r.Success, r.Good, r.Size = newest, good, size
	if len(r.Took) == 0 && !newest.IsZero() {
		r.Took = []float64{took.Seconds()}
	}
}
