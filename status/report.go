package status

import (
	"math"
	"slices"
	"strings"
	"time"

	"varve/repository"
	"varve/revision"
	"varve/schedule"
)

// A Grade says how bad things are. The worse is the greater.
type Grade int

// The grades.
const (
	Safe     Grade = iota
	Warning        // somebody should look
	Critical       // a promise is broken, or bytes are lost
)

// A Kind is what a case is about.
type Kind string

// The kinds of case. The first are critical, the others warnings.
const (
	Damaged    Kind = "damaged"          // bytes of a revision are lost
	Unreadable Kind = "unreadable"       // what a volume has cannot be told
	Overdue    Kind = "overdue"          // the last good revision is older than was promised
	Failing    Kind = "failing"          // there is no good revision, and the last try failed
	SetOverdue Kind = "set-overdue"      // the last whole set is older than was promised, whatever its volumes have of their own
	Dead       Kind = "scheduler-dead"   // a scheduler ran, and was killed: nothing is backed up by itself
	Silent     Kind = "scheduler-silent" // it is there, and does not answer

	Failed      Kind = "failed"            // the last try failed, and the promise still holds
	DrillFailed Kind = "drill-failed"      // the last drill found something wrong
	Suspect     Kind = "suspect"           // the newest revision is not trusted
	Live        Kind = "live-source"       // the source was in use while it was read
	SetApart    Kind = "set-apart"         // the newest good revisions of a set's volumes were not made together
	Anomaly     Kind = "anomaly"           // a revision is unlike those before it, and nobody has said that this was meant
	Waiting     Kind = "waiting"           // a revision is of a set that was cut off
	Warned      Kind = "warned"            // the last backup, of the last days, warned of what somebody has to look at
	Gone        Kind = "source-gone"       // a pattern of the configuration names the volume, and its source is not there any more
	Forgotten   Kind = "forgotten"         // the configuration does not name the volume any more
	NotFound    Kind = "not-found"         // of an entry of the configuration nothing is found, or not all
	Filling     Kind = "filling-up"        // the repository will be full before long
	Stopped     Kind = "scheduler-stopped" // a scheduler ran, and was told to end
	Broken      Kind = "config-broken"     // the scheduler goes by a configuration that is not what the file says now
	Blind       Kind = "scheduler-blind"   // the scheduler cannot read what there is
)

// Words is the kind as people read it.
func (k Kind) Words() string { return strings.ReplaceAll(string(k), "-", " ") }

// Grade is how bad a case of that kind is.
func (k Kind) Grade() Grade {
	switch k {
	case Damaged, Unreadable, Overdue, Failing, SetOverdue, Dead, Silent:
		return Critical
	}
	return Warning
}

// A Case is one thing that is not as it should be.
type Case struct {
	Kind     Kind
	Volume   revision.Name // empty: the repository as a whole, or a set
	Set      string        // empty: it is about none
	Revision revision.ID   // empty: none in particular
	LastGood time.Time     // when the newest good revision was begun; zero: there is none
	Promise  time.Duration // how old that may be; zero: nothing was promised
	Why      string
	Do       string // a command that helps; empty: none is known
}

// Expectation is what was promised of a volume.
type Expectation struct {
	Name    revision.Name
	Plan    schedule.Plan
	Overdue float64   // how many gaps between due times the newest good revision may be old; zero: DefaultOverdue
	Since   time.Time // since when it is expected, at the latest; zero: nobody can tell
	Set     string    // that it is of, and is backed up with; empty: none
	Gone    string    // the source that its pattern gives it, and that is not there; empty: it is, or nobody can tell
}

// DefaultOverdue leaves half a gap for a backup that takes its time or is tried again.
const DefaultOverdue = 1.5

// promise is how old the newest good revision may be where due times are so far apart;
// zero: nothing is promised.
func (e Expectation) promise(gap time.Duration) time.Duration {
	factor := e.Overdue
	if factor == 0 {
		factor = DefaultOverdue
	}
	return time.Duration(min(factor*float64(gap), float64(longest)))
}

// longest is for times that are so long that it does not matter how long.
const longest = 100 * 365 * 24 * time.Hour

// Input is all that is known.
type Input struct {
	Now        time.Time // with the zone of what a person reads
	Configured bool      // there is a configuration, and Expected is what it names
	Expected   []Expectation
	Sets       []ExpectedSet
	NotFound   []error // entries of the configuration of which there is nothing, or not all
	Volumes    []repository.Summary
	Unread     []Unread
	Events     []repository.Event // of the last days, oldest first
	Journal    []repository.Event // all there are, oldest first, those of Volumes or not; needed where an expected volume has no revision
	Running    []repository.Running
	Proofs     map[revision.Name]Proof
	Scheduler  Scheduler
	Available  int64 // bytes of the repository's file system
	Total      int64 // zero: not known
}

// Proof is how far what is stored of a volume was read again.
type Proof struct {
	Oldest   time.Time // since when a byte of it waits for that
	Scrubbed bool      // a scrub came that far; else it is since the oldest revision was begun
}

// Unproven sums up proofs: since when the oldest byte waits, and how many volumes no scrub
// ever looked through. Zero: none was looked through, or there are none.
func (in *Input) Unproven() (oldest time.Time, never int) {
	scrubbed := false
	for _, p := range in.Proofs {
		if oldest.IsZero() || p.Oldest.Before(oldest) {
			oldest = p.Oldest
		}
		if scrubbed = scrubbed || p.Scrubbed; !p.Scrubbed {
			never++
		}
	}
	if !scrubbed {
		return time.Time{}, never
	}
	return oldest, never
}

// Scheduler is how the scheduler of this host is. The zero value: there never was one.
type Scheduler struct {
	Kind   Kind      // Dead, Silent or Stopped; empty: it runs, or never did
	PID    int       // of who runs, or ran
	Heard  time.Time // when it last showed that it lives, or when it ended
	Broken string    // what is wrong with the configuration as it is now; empty: nothing
	Blind  string    // why it cannot read what there is; empty: it can
}

// Unread is what could not be read of the repository.
type Unread struct {
	Volume revision.Name // empty: the repository as a whole
	Err    error
}

// Volume is what there is to say of one volume.
type Volume struct {
	Name        revision.Name
	Grade       Grade
	Expectation *Expectation        // nil: it is not configured
	Summary     *repository.Summary // nil: there is no revision
	Promise     time.Duration       // zero: none
	Due         time.Time           // the next time; zero: never
	Cases       []Case              // those of the worst grade first
	gap         time.Duration       // between due times; zero: it is never due
	isNew       bool                // it was never tried
	unread      []error             // of what it has
}

func (v *Volume) hasRevisions() bool { return v.Summary != nil && v.Summary.Newest != nil }

// LastGood is when the newest good revision was begun; zero: there is none.
func (v *Volume) LastGood() time.Time {
	if v.Summary == nil || v.Summary.Good == nil {
		return time.Time{}
	}
	return v.Summary.Good.Statement.Begun
}

// isAhead tells whether the newest good revision is dated in the future: some clock was wrong.
func (v *Volume) isAhead(now time.Time) bool { return v.LastGood().After(now.Add(schedule.Ahead)) }

// Age is how old the newest good revision is, for all that is known: endlessly if
// there is none, or if its date cannot be right.
func (v *Volume) Age(now time.Time) time.Duration {
	if v.LastGood().IsZero() || v.isAhead(now) {
		return math.MaxInt64
	}
	return now.Sub(v.LastGood())
}

// Report is the judgement.
type Report struct {
	Grade   Grade
	Volumes []Volume // by name, without those that are retired
	Sets    []Set    // as they were given
	Cases   []Case   // of all volumes, sets and the repository, the worst first
	New     int      // volumes that are configured and were never tried
	Retired int
	Growth  int64         // bytes that a day adds to the repository, as of late
	FullIn  time.Duration // until nothing is left, at that rate; zero: it cannot be told, or never
}

// Only is the report of some of the volumes, without what is wrong with the
// repository as a whole, and of the sets that they are of; but where one of them has no revision, that something of the
// repository cannot be read counts: those it has may be there.
func (r *Report) Only(wanted func(revision.Name) bool) *Report {
	some, missing := &Report{Retired: r.Retired, Growth: r.Growth, FullIn: r.FullIn}, false
	for _, v := range r.Volumes {
		if !wanted(v.Name) {
			continue
		}
		some.Volumes = append(some.Volumes, v)
		missing = missing || !v.hasRevisions()
		if v.isNew {
			some.New++
		}
	}
	for _, s := range r.Sets {
		if slices.ContainsFunc(s.Volumes, wanted) {
			some.Sets = append(some.Sets, s)
		}
	}
	for _, c := range r.Cases {
		ofSet := c.Set != "" && slices.ContainsFunc(some.Sets, func(s Set) bool { return s.Name == c.Set })
		if ofSet || c.Volume != "" && wanted(c.Volume) || c.Set == "" && c.Volume == "" && c.Kind == Unreadable && missing {
			some.Cases, some.Grade = append(some.Cases, c), max(some.Grade, c.Kind.Grade())
		}
	}
	return some
}

// Good counts the volumes without any case.
func (r *Report) Good() (n int) {
	for i := range r.Volumes {
		if r.Volumes[i].Grade == Safe && r.Volumes[i].hasRevisions() {
			n++
		}
	}
	return n
}

// Troubled counts the volumes of a grade.
func (r *Report) Troubled(g Grade) (n int) {
	for i := range r.Volumes {
		if r.Volumes[i].Grade == g {
			n++
		}
	}
	return n
}

// Oldest is the volume, of those without a case, whose newest good revision is the
// oldest; nil: there is none.
func (r *Report) Oldest() (oldest *Volume) {
	for i := range r.Volumes {
		v := &r.Volumes[i]
		if v.Grade != Safe || v.LastGood().IsZero() {
			continue
		}
		if oldest == nil || v.LastGood().Before(oldest.LastGood()) {
			oldest = v
		}
	}
	return oldest
}

// Next is the volume that is due first; nil: none is.
func (r *Report) Next() (next *Volume) {
	for i := range r.Volumes {
		v := &r.Volumes[i]
		if !v.Due.IsZero() && (next == nil || v.Due.Before(next.Due)) {
			next = v
		}
	}
	return next
}

// DueBy counts the volumes that are due before a time.
func (r *Report) DueBy(t time.Time) (n int) {
	for i := range r.Volumes {
		if due := r.Volumes[i].Due; !due.IsZero() && due.Before(t) {
			n++
		}
	}
	return n
}
