package scheduler

import (
	"cmp"
	"slices"
	"time"

	"varve/revision"
)

// A Situation is all that a decision is made of.
type Situation struct {
	Now      time.Time
	From     time.Time // when the scheduler began
	Tasks    []Task    // maintenance in the order in which it is to be done
	Records  map[Key]*Record
	Running  []Run
	Others   map[revision.Name]bool // volumes that somebody else backs up
	Asked    []Key                  // what somebody wants now, whatever is due, in order
	Pause    Pause
	Slots    int // how many backups at a time; at least one
	Calendar *Calendar
}

// A Run is a task under way.
type Run struct {
	Key
	Volumes []revision.Name // that it is about
	Begun   time.Time
}

// A Decision is what is to be done at a moment.
type Decision struct {
	Start   []Key     // in order
	Waiting []Key     // what is due, and cannot begin yet, in order
	Wake    time.Time // when it may be otherwise, if nothing happens meanwhile; zero: never
}

// Bounds of what is decided.
const (
	// slow is what usually takes so long, or has already.
	slow = time.Hour
	// assumedRate is what a run reads that never ended yet, in bytes a second.
	assumedRate = 100 << 20
	// patience is how long maintenance gives way to backups.
	patience = 6 * time.Hour
)

// Decide says what is to be started now. It is pure but for what the calendar remembers.
func Decide(s Situation) Decision {
	d := decider{Situation: s, taken: map[revision.Name]bool{}}
	for _, r := range s.Running {
		d.occupy(&r)
	}
	backups, maintenance := d.candidates()
	for _, c := range backups {
		d.consider(c)
	}
	d.maintain(maintenance)
	return d.Decision
}

type decider struct {
	Situation
	Decision
	taken       map[revision.Name]bool // volumes that we back up
	busy, slow  int                    // runs of backups, and the slow ones of them
	maintaining bool
}

// candidate is a task that is due.
type candidate struct {
	task  *Task
	since time.Time
	asked bool
	late  bool    // a due time went by while it waited
	tie   float64 // between equals
}

// occupy counts what is under way.
func (d *decider) occupy(r *Run) {
	if !r.Kind.IsBackup() {
		d.maintaining = true
		return
	}
	d.busy++
	if d.isSlow(r.Key) || d.Now.Sub(r.Begun) > slow {
		d.slow++
	}
	for _, v := range r.Volumes {
		d.taken[v] = true
	}
}

// candidates lists what is due, backups in the order in which they are to be begun.
func (d *decider) candidates() (backups, maintenance []candidate) {
	paused := d.Pause.Holds(d.Now)
	if paused {
		d.wake(d.Pause.Until)
	}
	for i := range d.Tasks {
		t := &d.Tasks[i]
		r := d.record(t.Key)
		c := candidate{task: t, asked: slices.Contains(d.Asked, t.Key)}
		d.wake(d.Calendar.next(t, d.Now))
		if d.Now.Before(r.NotBefore) {
			d.wake(r.NotBefore)
		}
		var is bool
		if t.About.Changed {
			c.since = r.Since
			is = len(r.Changed) > 0 && !isOff(r, r.Since, d.Now) && (!d.Now.Before(r.NotBefore) || r.NotBefore.Sub(d.Now) > 2*longestRetry)
		} else {
			c.since, is = d.Calendar.due(t, r, d.Now)
		}
		if d.isRunning(t.Key) || t.isEmpty() || !c.asked && (!is || paused) {
			continue
		}
		if gap := d.Calendar.gap(t, d.Now); gap > 0 && r.Failures == 0 {
			done := r.Success
			if done.IsZero() {
				done = r.Seen
			}
			c.late = !done.IsZero() && d.Now.Sub(done) > 2*gap
		}
		if t.Kind.IsBackup() {
			c.tie = fraction(t.Key, "")
			backups = append(backups, c)
		} else {
			maintenance = append(maintenance, c)
		}
	}
	slices.SortStableFunc(backups, func(a, b candidate) int {
		return cmp.Or(before(a.asked, b.asked), before(a.late, b.late), cmp.Compare(b.task.Priority, a.task.Priority),
			a.since.Compare(b.since), cmp.Compare(a.tie, b.tie))
	})
	return backups, maintenance
}

// before orders those of which something holds before the others.
func before(a, b bool) int {
	switch {
	case a == b:
		return 0
	case a:
		return -1
	}
	return 1
}

// consider starts a backup, or lets it wait. Of several slots, one is kept for those that
// are fast, as long as there are any.
func (d *decider) consider(c candidate) {
	t, isSlow := c.task, d.isSlow(c.task.Key)
	isOthers := slices.ContainsFunc(t.Volumes, func(v revision.Name) bool { return d.taken[v] || d.Others[v] })
	slots := max(1, d.Slots)
	keptFree := slots > 1 && isSlow && d.slow >= slots-1 && d.hasFast()
	if isOthers || d.busy >= slots || keptFree {
		d.Waiting = append(d.Waiting, t.Key)
		return
	}
	d.Start = append(d.Start, t.Key)
	d.busy++
	if isSlow {
		d.slow++
	}
	for _, v := range t.Volumes {
		d.taken[v] = true
	}
}

// maintain starts one task of maintenance, when no backup is under way or waits for its
// turn; or when it has waited for long.
func (d *decider) maintain(due []candidate) {
	for _, c := range due {
		since := c.since
		for _, t := range []time.Time{d.record(c.task.Key).Seen, d.From} { // what it could have waited for, it has not
			if t.After(since) && !t.After(d.Now) {
				since = t
			}
		}
		isQuiet := d.busy == 0 && len(d.Waiting) == 0
		if d.maintaining || !isQuiet && !c.asked && d.Now.Sub(since) < patience {
			d.Waiting = append(d.Waiting, c.task.Key)
			d.wakeIfLater(since.Add(patience))
			continue
		}
		d.maintaining = true
		d.Start = append(d.Start, c.task.Key)
	}
}

// isSlow tells whether a task usually takes long. What nobody knows anything of counts as
// fast, until it has run for long.
func (d *decider) isSlow(k Key) bool {
	r := d.record(k)
	if usual, known := r.Usual(); known {
		return usual > slow
	}
	return r.Size > int64(slow.Seconds())*assumedRate
}

// hasFast tells whether there is a backup that is not slow.
func (d *decider) hasFast() bool {
	return slices.ContainsFunc(d.Tasks, func(t Task) bool { return t.Kind.IsBackup() && !d.isSlow(t.Key) })
}

func (d *decider) isRunning(k Key) bool {
	return slices.ContainsFunc(d.Running, func(r Run) bool { return r.Key == k })
}

func (d *decider) record(k Key) *Record {
	if r := d.Records[k]; r != nil {
		return r
	}
	return new(Record)
}

// wake is asked to look again at a time.
func (d *decider) wake(t time.Time) {
	if !t.IsZero() && (d.Wake.IsZero() || t.Before(d.Wake)) {
		d.Wake = t
	}
}

func (d *decider) wakeIfLater(t time.Time) {
	if t.After(d.Now) {
		d.wake(t)
	}
}
