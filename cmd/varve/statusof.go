package main

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"varve/internal/human"
	"varve/repository"
	"varve/revision"
	"varve/status"
)

// latestTries is how many of the last tries are shown of a volume.
const latestTries = 5

// one is the result of status VOLUME.
type one struct {
	judgedEntry
	Cases     []judgedCase `json:"cases"`
	Revisions int          `json:"revision_count"`
	Newest    *entry       `json:"newest"`
	Running   []runningJob `json:"running"`
	Tries     []happened   `json:"tries"`    // of the last two days, the newest last
	Drill     *notedDrill  `json:"drill"`    // the last; null: there was none
	Schedule  string       `json:"schedule"` // empty: none
}

func statusOf(s *session, repo *repository.Repository, r *status.Report, in status.Input, volumeName string) (*one, error) {
	name, err := revision.ParseName(volumeName)
	if err != nil {
		return nil, &usageError{Text: err.Error(), Command: s.command}
	}
	i := slices.IndexFunc(r.Volumes, func(v status.Volume) bool { return v.Name == name })
	if k := slices.IndexFunc(in.Volumes, func(v repository.Summary) bool { return v.Volume.Name == name }); i < 0 && k >= 0 && in.Volumes[k].Retired {
		o := newOne(&status.Volume{Name: name, Summary: &in.Volumes[k]}, in)
		o.State = retiredState
		return o, nil
	}
	if i < 0 {
		if _, err := repo.Volume(name); err != nil {
			return nil, err
		}
		return nil, &usageError{Text: fmt.Sprintf("nothing is expected of volume %q: varve log %s lists what it has", name, name), Command: s.command}
	}
	return newOne(&r.Volumes[i], in), nil
}

// retiredState is the state of a volume that was retired, and of which nothing is wrong.
const retiredState = "retired"

func newOne(v *status.Volume, in status.Input) *one {
	o := &one{judgedEntry: newJudgedEntry(v), Cases: []judgedCase{}, Tries: []happened{}, Running: []runningJob{}}
	for _, c := range v.Cases {
		o.Cases = append(o.Cases, newJudgedCase(c))
	}
	if v.Summary != nil {
		o.Revisions = v.Summary.Revisions
		if v.Summary.Newest != nil {
			e := newEntry(*v.Summary.Newest)
			o.Newest = &e
		}
		if last := v.Summary.Drill; last != nil {
			o.Drill = newNotedDrill(last.Revision, &last.Drill)
		}
	}
	for _, job := range newRunning(in) {
		if job.Volume.is == v.Name {
			o.Running = append(o.Running, job)
		}
	}
	for _, e := range in.Events {
		if e.Volume == v.Name && e.Op == repository.OpBackup {
			o.Tries = append(o.Tries, newHappened(e))
		}
	}
	o.Tries = o.Tries[max(0, len(o.Tries)-latestTries):]
	if v.Expectation != nil && !v.Expectation.Plan.Schedule.IsZero() {
		o.Schedule = v.Expectation.Plan.Schedule.String()
	}
	return o
}

func (o *one) print(p *page) {
	state := status.Kind(o.State).Words()
	verdict := p.bold("SAFE: " + state)
	switch {
	case o.State == retiredState:
		verdict = p.bold("retired: it is not expected to be backed up")
	case o.State == "new":
		verdict = p.bold("no revision yet")
	case len(o.Cases) > 0 && o.Cases[0].Kind.Grade() == status.Critical:
		verdict = p.red("NOT SAFE: " + state)
	case len(o.Cases) > 0:
		verdict = p.bold("SAFE, with a warning: " + state)
	}
	p.line("%s   %s", p.bold(o.Volume.String()), verdict)
	for _, c := range o.Cases {
		p.facts(c.Kind.Words(), c.Why, "", c.Do)
	}
	promise, good := "", "never"
	if o.Promise.is > 0 {
		promise = "a good revision not older than " + formatLong(time.Duration(o.Promise.is*float64(time.Second)))
	}
	if o.LastGood != nil {
		good = formatMinute(*o.LastGood, p.now) + ", " + formatLong(p.now.Sub(*o.LastGood)) + " ago"
	}
	due := ""
	if o.Due != nil {
		due = formatMinute(*o.Due, p.now) + prefixed("  ", o.Schedule)
	}
	p.facts("last good", good, "promise", promise, "due", due, "set", o.Set.is)
	if o.Newest != nil {
		p.facts("newest", fmt.Sprintf("%s  %s  %s  %s", o.Newest.ID.Short(), o.Newest.Kind, human.Size(int64(o.Newest.Size)), o.Newest.state(p.now)),
			"source", o.Newest.Source, "revisions", fmt.Sprint(o.Revisions))
	}
	if o.Drill != nil {
		p.facts("drill", o.Drill.Revision.Short()+" "+o.Drill.words(p.now))
	}
	for _, job := range o.Running {
		p.facts("running", job.progress(p.now))
	}
	for _, try := range o.Tries {
		p.facts("tried", strings.TrimSpace(formatMinute(try.Ended, p.now)+"  "+try.Result+"  "+cmp.Or(try.Error, prefixed("revision ", try.Revision.is.Short()))))
	}
}
