package main

import (
	"fmt"
	"strings"
	"time"

	"varve/backup"
	"varve/internal/human"
	"varve/job"
	"varve/revision"
)

// restoredSeveral is the result of a restore of several volumes.
type restoredSeveral struct {
	Set     string          `json:"set"` // the id; empty: it is none
	SetName string          `json:"set_name"`
	DryRun  bool            `json:"dry_run"`
	Volumes []restoredEntry `json:"volumes"`
	whole   int             // how many went well, or could
}

// restoredEntry is how one of them ended. Its fields are API.
type restoredEntry struct {
	Volume revision.Name `json:"volume"`
	Target string        `json:"target"`
	OK     bool          `json:"ok"`
	Exit   int           `json:"exit"`
	Error  *jsonError    `json:"error"`
	Result *restored     `json:"result"`
	begun  time.Time     // of the revision
}

func newRestoredEntry(r *restoring) restoredEntry {
	e := restoredEntry{Volume: r.name, Target: targetName(r.target), Exit: exitCode(r.err), OK: r.err == nil, Result: r.done}
	if r.err != nil {
		e.Error = &jsonError{Message: r.err.Error(), Hint: hint(r.err, r.about)}
	}
	if r.done != nil {
		e.begun = r.done.Revision.Begun()
	}
	return e
}

// newRestored sums up, with an error unless all went well.
func (s *session) newRestored(all []*restoring, dryRun bool) (*restoredSeveral, error) {
	out := &restoredSeveral{DryRun: dryRun, Volumes: []restoredEntry{}}
	var gravities []job.Gravity
	var failed []string
	done := false
	for _, r := range all {
		out.Volumes = append(out.Volumes, newRestoredEntry(r))
		gravities, done = append(gravities, gravityOf(r.err)), done || r.done != nil
		if r.err == nil {
			out.whole++
		} else {
			failed = append(failed, r.name.String())
		}
	}
	if len(failed) == 0 {
		return out, nil
	}
	return out, &severalError{
		Code: exitOf(job.Worst(gravities, done)),
		Text: fmt.Sprintf("%d of %s did not go well: %s", len(failed), formatCount(len(all), "volume"), strings.Join(failed, ", ")),
	}
}

// tellRestored says how one of several volumes ended, as soon as it has.
func (s *session) tellRestored(r *restoring) {
	if s.json || s.globals.quiet && r.err == nil {
		return
	}
	p := s.page(s.stderr.w)
	p.terse = true
	if r.done != nil {
		r.done.print(p)
	}
	if r.err != nil {
		e := newRestoredEntry(r)
		how := "was not restored"
		if r.done != nil {
			how = "was not restored whole"
		}
		p.line("%s %s: %s", p.red(r.name.String()), how, strings.ReplaceAll(e.Error.Message, "\n", "; "))
		if r.bad != "" {
			p.line("  bad    %s", r.bad)
		}
		if e.Error.Hint != "" {
			p.line("  next   %s", e.Error.Hint)
		}
	}
	s.tell(p)
}

func (r *restoredSeveral) lasting() string {
	if r.DryRun {
		return "nothing was written"
	}
	return fmt.Sprintf("%d of %s restored", r.whole, isAre(len(r.Volumes), r.whole))
}

func (r *restoredSeveral) print(p *page) {
	var size int64
	for _, e := range r.Volumes {
		if e.OK {
			size += e.Result.Size
		}
	}
	verdict := fmt.Sprintf("%s: %s", r.lasting(), human.Size(size))
	if r.DryRun {
		verdict = fmt.Sprintf("%d of %s could be restored: %s. Nothing was written.", r.whole, formatCount(len(r.Volumes), "volume"), human.Size(size))
	}
	p.line("%s", p.bold(verdict))
	rows := [][]cell{{left("VOLUME"), left("ID"), left("BEGUN"), right("SIZE"), left("RESULT"), left("TARGET")}}
	for i := range r.Volumes {
		rows = append(rows, r.row(p, &r.Volumes[i]))
	}
	p.table(rows)
}

func (r *restoredSeveral) row(p *page, e *restoredEntry) []cell {
	row := []cell{left(e.Volume.String()), left("-"), left("-"), right("-"), left("not restored"), left(e.Target)}
	if e.Error != nil {
		row[4].paint = p.red
	}
	if e.Result == nil {
		return row
	}
	row[1], row[2], row[3] = left(e.Result.Revision.Short()), left(formatTime(e.begun, p.now)), right(human.Size(e.Result.Size))
	switch {
	case len(e.Result.Lost) > 0:
		row[4].text = human.Size(backup.Total(e.Result.Lost)) + " LOST"
	case e.Error != nil:
	case r.DryRun:
		row[4].text = "could be"
	default:
		row[4].text = "restored"
	}
	return row
}
