package scheduler

import (
	"slices"
	"time"

	"varve/revision"
)

// A Record is what is known of a task. The zero value: it was never run.
type Record struct {
	Seen     time.Time `json:"seen,omitzero"`    // since when it is a task
	Success  time.Time `json:"success,omitzero"` // when the last run was begun that did what it was to do
	Good     time.Time `json:"good,omitzero"`    // of a backup: when the newest good revision was begun; of a set, the oldest of those
	Begun    time.Time `json:"begun,omitzero"`   // the last try
	Ended    time.Time `json:"ended,omitzero"`
	Failures int       `json:"failures,omitzero"` // tries since the last success
	Error    string    `json:"error,omitempty"`   // of the last try
	// NotBefore is when it may be tried again; a due time that comes before counts for more.
	NotBefore time.Time `json:"not_before,omitzero"`
	Off       time.Time `json:"off,omitzero"`  // when somebody called it off: due times up to then do not count
	Late      bool      `json:"late,omitzero"` // that it is overdue was told
	// Took is how many seconds the last runs took that did well, the newest last.
	Took []float64 `json:"took,omitempty"`
	Size int64     `json:"size,omitzero"` // bytes of the sources, as far as they are known
	// Changed are the volumes that were backed up since, of a task that is about those, and
	// Turns when each of the others had its turn.
	Changed []revision.Name             `json:"changed,omitempty"`
	Since   time.Time                   `json:"since,omitzero"` // there are any
	Turns   map[revision.Name]time.Time `json:"turns,omitempty"`
}

// keep is how many runs are remembered.
const keep = 7

// Usual is how long a run usually takes; unknown without one that did well.
func (r *Record) Usual() (usual time.Duration, known bool) {
	if len(r.Took) == 0 {
		return 0, false
	}
	sorted := slices.Sorted(slices.Values(r.Took))
	return time.Duration(sorted[len(sorted)/2] * float64(time.Second)), true
}

// note adds how a run ended, at the time at which it is noted. What is kept of times is
// what clocks on walls showed, for so are due times: what a clock that was ahead has shown
// is then seen to lie in the future once it is set right.
func (r *Record) note(k Key, res Result) {
	took := res.Ended.Sub(res.Begun)
	res.Begun, res.Ended = res.Begun.Round(0), res.Ended.Round(0)
	r.Begun, r.Ended, r.Error, r.NotBefore = res.Begun, res.Ended, res.Error, time.Time{}
	switch res.Outcome {
	case OK, Findings:
		r.Success, r.Failures = res.Begun, 0
		if k.Kind.IsBackup() {
			r.Good = res.Begun
		}
		r.Took = append(r.Took, took.Seconds())
		r.Took = r.Took[max(0, len(r.Took)-keep):]
	case Failure:
		r.Failures++
		r.NotBefore = res.Ended.Add(retryDelay(k, r.Failures))
	case Busy:
		r.NotBefore = res.Ended.Add(busyDelay(k, res.Ended))
	case Interrupt:
		r.Off = res.Ended
	case Cut: // it goes on when there is a scheduler again
	}
}

// changedBy notes that volumes were backed up, for a task that is about those.
func (r *Record) changedBy(t *Task, volumes []revision.Name, at time.Time) {
	if !t.About.Changed {
		return
	}
	if len(r.Changed) == 0 || isOff(r, r.Since, at) {
		r.Since = at
	}
	for _, v := range volumes {
		if slices.Contains(t.Volumes, v) && !slices.Contains(r.Changed, v) {
			r.Changed = append(r.Changed, v)
		}
	}
}

// tookTurns notes which volumes a run was about.
func (r *Record) tookTurns(t *Task, given []revision.Name, res Result) {
	switch {
	case res.Outcome == Busy || res.Outcome == Cut:
		return
	case t.About.Changed:
		was := slices.Clone(r.Changed)
		r.Changed = slices.DeleteFunc(r.Changed, func(v revision.Name) bool { return slices.Contains(given, v) })
		if !res.Outcome.Done() { // they are tried again, behind the others, which must not wait for them
			r.Changed = append(r.Changed, slices.DeleteFunc(was, func(v revision.Name) bool { return !slices.Contains(given, v) })...)
		}
		return
	}
	// One that failed had its turn, too: the others must not wait for it.
	if len(given) > 0 && r.Turns == nil {
		r.Turns = map[revision.Name]time.Time{}
	}
	for _, v := range given {
		r.Turns[v] = res.Begun
	}
}

// about gives the volumes that the next run is about; none: its words say it all.
func (t *Task) about(r *Record) []revision.Name {
	switch {
	case t.About.Most == 0:
		return nil
	case t.About.Changed:
		return slices.Clone(r.Changed[:min(t.About.Most, len(r.Changed))])
	}
	turn := slices.Clone(t.Volumes)
	slices.SortStableFunc(turn, func(a, b revision.Name) int { return r.Turns[a].Compare(r.Turns[b]) })
	return turn[:min(t.About.Most, len(turn))]
}
