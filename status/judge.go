package status

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"varve/internal/human"
	"varve/repository"
	"varve/revision"
)

// Judge says how safe things are.
func Judge(in Input) *Report {
	r := new(Report)
	late, record := newLate(in.Events), newRecord(in)
	for _, v := range together(in) {
		if v.Summary != nil && v.Summary.Retired {
			r.Retired++
			v.Expectation = nil
			for _, err := range v.unread { // as of another volume, which had its name
				v.add(Unreadable, "", err.Error(), repairUnread(err))
			}
			if v.damages(); len(v.Cases) > 0 { // what it has may be all there is
				v.Grade = Critical
				r.Cases, r.Volumes = append(r.Cases, v.Cases...), append(r.Volumes, v)
			}
			continue
		}
		tries := late[v.Name]
		if v.Expectation != nil {
			v.gap = v.Expectation.Plan.Gap(in.Now)
			v.Promise = v.Expectation.promise(v.gap)
			if v.Expectation.Gone == "" {
				v.Due = v.Expectation.Plan.Next(in.Now)
			}
		}
		if !v.hasRevisions() && v.Expectation == nil && tries == nil && len(v.unread) == 0 {
			continue // a first backup that came to nothing, long ago
		}
		for _, err := range v.unread {
			v.add(Unreadable, "", err.Error(), repairUnread(err))
		}
		if v.IsAwaited() && len(v.unread) == 0 {
			if tries == nil {
				tries = record.tries[v.Name]
			}
			v.missing(record.vanished[v.Name])
		}
		v.judge(in, tries)
		if v.IsAwaited() && len(v.Cases) == 0 {
			v.untried(in)
		}
		if v.IsAwaited() && len(v.Cases) == 0 {
			v.Due, v.isNew = in.Now, true // what has no revision is due at once
			r.New++
		}
		slices.SortStableFunc(v.Cases, func(a, b Case) int { return cmp.Compare(b.Kind.Grade(), a.Kind.Grade()) })
		if len(v.Cases) > 0 {
			v.Grade = v.Cases[0].Kind.Grade()
		}
		r.Cases = append(r.Cases, v.Cases...)
		r.Volumes = append(r.Volumes, v)
	}
	for _, u := range in.Unread {
		if u.Volume == "" {
			r.Cases = append(r.Cases, Case{Kind: Unreadable, Why: u.Err.Error()})
		}
	}
	for _, err := range in.NotFound {
		r.Cases = append(r.Cases, Case{Kind: NotFound, Why: err.Error(), Do: "varve check-config"})
	}
	r.judgeSets(in)
	r.judgeScheduler(in)
	r.space(in)
	slices.SortStableFunc(r.Cases, func(a, b Case) int {
		return cmp.Or(cmp.Compare(b.Kind.Grade(), a.Kind.Grade()), compareFirst(a.Kind, b.Kind), a.LastGood.Compare(b.LastGood))
	})
	for _, c := range r.Cases {
		r.Grade = max(r.Grade, c.Kind.Grade())
	}
	return r
}

// together joins what is expected with what there is, by name.
func together(in Input) []Volume {
	byName := map[revision.Name]*Volume{}
	at := func(name revision.Name) *Volume {
		if byName[name] == nil {
			byName[name] = &Volume{Name: name}
		}
		return byName[name]
	}
	for i := range in.Expected {
		at(in.Expected[i].Name).Expectation = &in.Expected[i]
	}
	for i := range in.Volumes {
		at(in.Volumes[i].Volume.Name).Summary = &in.Volumes[i]
	}
	for _, u := range in.Unread {
		if u.Volume != "" {
			at(u.Volume).unread = append(at(u.Volume).unread, u.Err)
		}
	}
	var all []Volume
	for _, v := range byName {
		all = append(all, *v)
	}
	slices.SortFunc(all, func(a, b Volume) int { return cmp.Compare(a.Name, b.Name) })
	return all
}

// judge finds the cases of one volume.
func (v *Volume) judge(in Input, tries *late) {
	failed, again := tries.failuresSince(v.LastGood()), v.Again()
	gone := v.gone()
	if gone != "" {
		again = "look for it; was it deleted on purpose: varve retire " + v.typed("")
	}
	switch {
	case v.LastGood().IsZero() && failed > 0 && v.Expectation == nil && !v.hasRevisions():
		v.add(Failed, "", "a first backup failed; "+tries.say(failed), "varve backup "+v.typed("")+" SOURCE")
	case v.LastGood().IsZero() && failed > 0:
		v.add(Failing, "", fmt.Sprintf("no good revision; %s", tries.say(failed)), again)
	case v.isOverdue(in.Now):
		why := "nobody tried"
		if gone != "" {
			why = gone
		} else if failed > 0 {
			why = tries.say(failed)
		} else if v.isAhead(in.Now) {
			why = "the newest good revision is dated in the future, so that its age is not known"
		} else if v.LastGood().IsZero() {
			why = "no revision is to be trusted"
		}
		v.add(Overdue, "", why, again)
	case gone != "":
		v.add(Gone, "", gone, again)
	case failed > 0:
		v.add(Failed, "", tries.say(failed), again)
	}
	for _, text := range tries.warnings() {
		v.add(Warned, "", text, "varve history --volume "+v.typed(""))
	}
	v.waiting(in)
	if !v.hasRevisions() {
		return
	}
	v.damages()
	for _, rev := range v.Summary.Anomalous {
		why := rev.ID.Short() + " is unlike those before it" // its note says how, unless somebody wrote another
		if rev.Info.Note != "" {
			why += ": " + rev.Info.Note
		}
		v.add(Anomaly, rev.ID, why, "varve tag "+v.typed("@"+rev.ID.Short())+" --remove "+repository.AnomalyTag+", if it was meant")
	}
	newest := v.Summary.Newest
	switch {
	case newest == nil || newest.Statement == nil:
	case newest.Info.State == repository.Suspect:
		v.add(Suspect, newest.ID, newest.Info.Reason, "varve verify "+v.typed("@"+newest.ID.Short())+" --against SOURCE")
	case newest.Statement.Consistency == revision.Live:
		v.add(Live, newest.ID, newest.Statement.Reason+": back up a snapshot of it", "")
	}
	v.drilled(in)
	if in.Configured && v.Expectation == nil {
		v.add(Forgotten, "", "the configuration does not name it", "varve retire "+v.typed(""))
	}
}

// gone says that the source is; empty: it is not, for all that is known.
func (v *Volume) gone() string {
	if v.Expectation == nil || v.Expectation.Gone == "" {
		return ""
	}
	return "its source is gone: " + v.Expectation.Gone
}

// damages finds the revisions that have lost bytes.
func (v *Volume) damages() {
	for _, rev := range v.Summary.Troubled {
		if rev.Info.State == repository.Damaged {
			v.add(Damaged, rev.ID, lost(rev), v.repair(rev))
		}
	}
}

func (v *Volume) isOverdue(now time.Time) bool {
	return v.Promise > 0 && v.hasRevisions() && v.Age(now) > v.Promise
}

func (v *Volume) add(kind Kind, id revision.ID, why, do string) {
	v.Cases = append(v.Cases, Case{
		Kind: kind, Volume: v.Name, Revision: id, LastGood: v.LastGood(), Promise: v.Promise, Why: why, Do: do,
	})
}

// typed is the name, and what goes behind, for a shell.
func (v *Volume) typed(behind string) string { return human.ShellWord(v.Name.String() + behind) }

// late is what was tried of late with one volume.
type late struct {
	failures []repository.Event // in order
	alarms   []string           // of the last one
}

// newLate sorts the backups among events by volume.
func newLate(events []repository.Event) map[revision.Name]*late {
	byVolume := map[revision.Name]*late{}
	for _, e := range events {
		if e.Op != repository.OpBackup || e.Volume == "" {
			continue
		}
		l := byVolume[e.Volume]
		if l == nil {
			l = new(late)
			byVolume[e.Volume] = l
		}
		l.alarms = e.Alarms
		if e.Result == repository.ResultFailed {
			l.failures = append(l.failures, e)
		} else {
			l.failures = nil // what came before it does not matter any more
		}
	}
	return byVolume
}

// failuresSince counts the tries that failed after a time, and after the last that did not.
func (l *late) failuresSince(t time.Time) (n int) {
	if l == nil {
		return 0
	}
	for _, e := range l.failures {
		if e.Time.After(t) {
			n++
		}
	}
	return n
}

// warnings are those of the last try that somebody has to look at.
func (l *late) warnings() []string {
	if l == nil {
		return nil
	}
	return l.alarms
}

// say tells of so many failures, and of the last one why.
func (l *late) say(failed int) string {
	last := l.failures[len(l.failures)-1].Error
	if failed == 1 {
		return last
	}
	return fmt.Sprintf("%d tries: %s", failed, last)
}

// space says for how long the repository will last.
func (r *Report) space(in Input) {
	const lately = 48 * time.Hour
	for _, v := range r.Volumes {
		if v.Summary == nil || v.Summary.Newest == nil || v.Summary.Newest.Statement == nil {
			continue
		}
		st, gap := v.Summary.Newest.Statement, cmp.Or(v.gap, 24*time.Hour)
		if st.Kind == revision.Delta && in.Now.Sub(st.Begun) < max(lately, 2*gap) {
			r.Growth += int64(float64(st.Statistics.Stored) * float64(24*time.Hour) / float64(gap))
		}
	}
	if r.Growth <= 0 || in.Total <= 0 {
		return
	}
	days := float64(in.Available) / float64(r.Growth)
	r.FullIn = longest
	if days < longest.Hours()/24 {
		r.FullIn = time.Duration(days * float64(24*time.Hour))
	}
	if r.FullIn < fullSoon {
		r.Cases = append(r.Cases, Case{Kind: Filling, Why: fmt.Sprintf("full in %d days at the present rate", int(days))})
	}
}

// fullSoon is how long before it is full somebody has to know.
const fullSoon = 14 * 24 * time.Hour
