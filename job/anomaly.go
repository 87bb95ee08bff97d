package job

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"varve/backup"
	"varve/config"
	"varve/repository"
	"varve/revision"
	"varve/status"
)

// judge looks whether a new revision is unlike those before it. Then it says so in the
// warnings, gives the revision a tag that status tells of until somebody takes it off, and
// pins the last normal one for a while: if what stood in the source was overwritten, that is
// where it is. All of this comes after the commit, so what fails of it is told, and that is all.
func (a *attempt) judge(ctx context.Context, created *backup.Result) {
	rules := anomalyRules(a.opts.Anomaly)
	why := rules.Judge(statements(a.history), created.Statement)
	if why == "" {
		return
	}
	ctx = context.WithoutCancel(ctx) // who interrupts now has a revision all the same
	text := why
	normal := lastNormal(a.history, rules)
	if normal != nil && a.opts.Anomaly.Pin > 0 {
		until := time.Now().Add(a.opts.Anomaly.Pin).UTC().Truncate(time.Second)
		again := normal.ID != a.history[len(a.history)-1].ID
		if err := a.pinNormal(ctx, *normal, until, created.Statement.ID.Short()+" after it is unlike those before: "+why, again); err != nil {
			a.warn(fmt.Errorf("the last normal revision of %s is not pinned: %w", a.Volume, err))
		} else {
			text += "; " + normal.ID.Short() + " before it is pinned"
		}
	}
	created.Warnings = append(created.Warnings, created.Statement.ID.Short()+" is unlike those before it: "+text)
	if err := a.flag(ctx, created.Statement, text); err != nil {
		a.warn(fmt.Errorf("%s is not tagged as an anomaly: %w", a.Volume, err))
	}
}

func anomalyRules(c config.Anomaly) status.AnomalyRules {
	return status.AnomalyRules{Stored: c.Stored, AtLeast: c.AtLeast, Ratio: c.Ratio, History: c.History}
}

// statements are those that can be read.
func statements(revisions []repository.Revision) (all []*revision.Statement) {
	for _, rev := range revisions {
		if rev.Statement != nil {
			all = append(all, rev.Statement)
		}
	}
	return all
}

// lastNormal is the newest revision that is to be trusted and like those before it; nil: there is none.
func lastNormal(history []repository.Revision, rules status.AnomalyRules) *repository.Revision {
	for i := range slices.Backward(history) {
		rev := &history[i]
		if rev.Candidate().Trusted && !slices.Contains(rev.Info.Tags, repository.AnomalyTag) && rules.Judge(statements(history[:i]), rev.Statement) == "" {
			return rev
		}
	}
	return nil
}

// pinNormal pins a revision until then, unless it is pinned for as long already. Again says
// that it was pinned for another one.
func (a *attempt) pinNormal(ctx context.Context, rev repository.Revision, until time.Time, reason string, again bool) error {
	changed := false
	err := a.repo.Mark(ctx, rev, func(info *repository.Info) {
		was := info.Pin
		if was != nil && (was.Until.IsZero() || !was.Until.Before(until)) {
			return
		}
		switch {
		case !was.Holds(time.Now()) || was.Reason == "":
		case again: // for the night after this one; it says why
			reason = was.Reason
		default:
			reason += "; before that: " + was.Reason
		}
		info.Pin, changed = &revision.Pin{Until: until, Reason: reason}, true
	})
	if err != nil || !changed {
		return err
	}
	return a.note(ctx, repository.OpPin, rev.Statement, "until "+until.Format(time.RFC3339)+": "+reason)
}

// flag gives a revision the tag, and a note that says why.
func (a *attempt) flag(ctx context.Context, st *revision.Statement, why string) error {
	rev := repository.Revision{Volume: repository.Volume{Name: st.Volume.Name, UUID: st.Volume.UUID}, ID: st.ID, Statement: st}
	err := a.repo.Mark(ctx, rev, func(info *repository.Info) {
		if !slices.Contains(info.Tags, repository.AnomalyTag) {
			info.Tags = append(slices.Clone(info.Tags), repository.AnomalyTag)
		}
		info.Note = strings.TrimPrefix(info.Note+"; "+why, "; ")
	})
	if err != nil {
		return err
	}
	return a.note(ctx, repository.OpTag, st, "added "+repository.AnomalyTag+": "+why)
}

// note writes into the journal what was noted of a revision.
func (a *attempt) note(ctx context.Context, op string, st *revision.Statement, detail string) error {
	return a.repo.RecordEnd(ctx, repository.Event{
		Op: op, Volume: st.Volume.Name, UUID: &st.Volume.UUID, Revision: st.ID, Sequence: st.Sequence, Detail: detail,
	}, nil, false)
}
