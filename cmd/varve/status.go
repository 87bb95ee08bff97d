package main

import (
	"context"
	"time"

	"github.com/urfave/cli/v2"

	"varve/revision"
	"varve/status"
)

func statusCommand(s *session) *command {
	var f statusFlags
	return &command{
		name: "status", group: areWe, args: "[VOLUME]", asks: true,
		summary: "say whether the volumes are safe, and what to do about those that are not",
		about: `Says in its first line whether every volume is as safe as was promised; then
what is wrong, with the command that helps; then what is running, and what is
well. With VOLUME, all there is to know about one.

What is promised of a volume, the configuration says: a good revision that is
not older than "overdue" times the gap between two of its backups. A volume
without a schedule was promised nothing, and only damage and live sources are
told of it.

It asks the scheduler of this host, where one runs that goes by the same
configuration; else it reads the repository and its journal. It takes no lock,
and may run at any time.`,
		example: `varve status                                # are we safe?
varve status --all                          # every volume, those that are well too
varve status db1                            # one volume
varve status --json                         # for a program`,
		flags: []cli.Flag{
			&cli.BoolFlag{Name: "all", Destination: &f.all, Usage: "list the volumes that are well too"},
		},
		run: func(ctx context.Context, args []string) (result, error) {
			return runStatus(ctx, s, f, optional(args, 0))
		},
	}
}

type statusFlags struct{ all bool }

func runStatus(ctx context.Context, s *session, f statusFlags, volumeName string) (result, error) {
	s.useWhatIsInForce(ctx)
	repo, err := s.openRepository(toList)
	if err != nil {
		return nil, err
	}
	defer s.close("close the repository", repo)
	told := s.askReport(ctx, repo.ID(), volumeName)
	if told != nil {
		told.heard(s)
	} else if told, err = s.readReport(ctx, repo, volumeName); err != nil {
		return nil, err
	}
	if told.One != nil {
		return told.One, nil
	}
	told.All.all = f.all
	return told.All, nil
}

// judged is the result of status.
type judged struct {
	Verdict    string        `json:"verdict"` // "safe", "warning" or "not-safe"
	Volumes    []judgedEntry `json:"volumes"`
	Sets       []judgedSet   `json:"sets"`
	Trouble    []judgedCase  `json:"trouble"`
	Warnings   []judgedCase  `json:"warnings"`
	Running    []runningJob  `json:"running"`
	Good       int           `json:"good_count"`
	New        int           `json:"new_count"`      // without a revision yet
	Troubled   int           `json:"troubled_count"` // volumes with something in Trouble
	Retired    int           `json:"retired_count"`
	DueSoon    int           `json:"due_soon_count"` // within a day
	Oldest     *agedVolume   `json:"oldest"`         // of those that are well
	Next       *dueVolume    `json:"next"`
	Repository judgedPlace   `json:"repository"`
	Proof      judgedProof   `json:"proof"`
	Drills     *judgedDrills `json:"drills"`    // null: there was none
	Scheduler  *judgedDaemon `json:"scheduler"` // null: there never was one
	all        bool          // are printed
}

// judgedCase is one thing that is not as it should be. Its fields are API.
type judgedCase struct {
	Kind     status.Kind          `json:"kind"`
	Volume   known[revision.Name] `json:"volume"` // null: it is about the repository, or a set
	Set      known[string]        `json:"set"`    // that it is about
	Revision known[revision.ID]   `json:"revision"`
	LastGood *time.Time           `json:"last_good"`
	Promise  known[float64]       `json:"promise"` // seconds
	Why      string               `json:"why"`
	Do       string               `json:"do"`
}

// runningJob is an operation under way. Its fields are API.
type runningJob struct {
	Volume  known[revision.Name] `json:"volume"` // null: it is about the repository
	Command string               `json:"command"`
	Host    string               `json:"host"`
	PID     int                  `json:"pid"`
	User    string               `json:"user"`
	Begun   time.Time            `json:"begun"`
	Done    int64                `json:"done"`            // bytes
	Total   known[int64]         `json:"total"`           // bytes
	Usual   *float64             `json:"usually_seconds"` // that the last backup of the volume took; null: there is none
}

type agedVolume struct {
	Volume   revision.Name `json:"volume"`
	LastGood time.Time     `json:"last_good"`
}

type dueVolume struct {
	Volume revision.Name `json:"volume"`
	Due    time.Time     `json:"due"`
}

type judgedPlace struct {
	Directory string         `json:"directory"`
	Size      known[int64]   `json:"size"`    // bytes, of its file system
	Free      *int64         `json:"free"`    // bytes; null: it cannot be told
	Growth    known[int64]   `json:"growth"`  // bytes a day
	FullIn    known[float64] `json:"full_in"` // seconds
}

// judgedProof is how far what is stored was read again. Its fields are API.
type judgedProof struct {
	Oldest *time.Time `json:"oldest_unproven"` // since when a byte waits for it; null: nothing was ever scrubbed
	Never  int        `json:"never_scrubbed"`  // volumes
}

// judgedEntry is a volume in a few words. Its fields are API.
type judgedEntry struct {
	Volume   revision.Name  `json:"volume"`
	State    string         `json:"state"` // "good", or the kind of its worst case
	LastGood *time.Time     `json:"last_good"`
	Promise  known[float64] `json:"promise"` // seconds
	Due      *time.Time     `json:"due"`
	Set      known[string]  `json:"set"` // that it is backed up with
}

func newJudged(s *session, r *status.Report, in status.Input) *judged {
	j := &judged{
		Volumes: []judgedEntry{}, Sets: newJudgedSets(r), Good: r.Good(), New: r.New, Retired: r.Retired,
		Trouble: []judgedCase{}, Warnings: []judgedCase{}, Running: newRunning(in),
		Repository: newJudgedPlace(s.about.repo, r, in), Drills: newJudgedDrills(r, in.Now), Scheduler: s.scheduler.judged(),
		Troubled: r.Troubled(status.Critical), DueSoon: r.DueBy(in.Now.Add(24 * time.Hour)),
	}
	oldest, never := in.Unproven()
	j.Proof = judgedProof{timeOrNil(oldest), never}
	j.Verdict = map[status.Grade]string{status.Safe: "safe", status.Warning: "warning", status.Critical: "not-safe"}[r.Grade]
	for _, c := range r.Cases {
		if c.Kind.Grade() == status.Critical {
			j.Trouble = append(j.Trouble, newJudgedCase(c))
		} else {
			j.Warnings = append(j.Warnings, newJudgedCase(c))
		}
	}
	if v := r.Oldest(); v != nil {
		j.Oldest = &agedVolume{v.Name, v.LastGood().UTC()}
	}
	if v := r.Next(); v != nil {
		j.Next = &dueVolume{v.Name, v.Due.UTC()}
	}
	for i := range r.Volumes {
		j.Volumes = append(j.Volumes, newJudgedEntry(&r.Volumes[i]))
	}
	return j
}

func newJudgedPlace(dir string, r *status.Report, in status.Input) judgedPlace {
	p := judgedPlace{Directory: dir, Growth: known[int64]{r.Growth}, FullIn: known[float64]{r.FullIn.Seconds()}}
	if in.Total > 0 {
		p.Size, p.Free = known[int64]{in.Total}, &in.Available
	}
	return p
}

func newJudgedCase(c status.Case) judgedCase {
	return judgedCase{
		c.Kind, known[revision.Name]{c.Volume}, known[string]{c.Set}, known[revision.ID]{c.Revision}, timeOrNil(c.LastGood),
		known[float64]{c.Promise.Seconds()}, c.Why, c.Do,
	}
}

func newJudgedEntry(v *status.Volume) judgedEntry {
	e := judgedEntry{
		Volume: v.Name, State: "good", LastGood: timeOrNil(v.LastGood()), Promise: known[float64]{v.Promise.Seconds()}, Due: timeOrNil(v.Due),
	}
	if v.Expectation != nil {
		e.Set.is = v.Expectation.Set
	}
	for _, c := range v.Cases {
		if c.Kind.Grade() == v.Grade {
			e.State = string(c.Kind)
			break
		}
	}
	if e.LastGood == nil && len(v.Cases) == 0 {
		e.State = "new"
	}
	return e
}

// timeOrNil is nil for no time.
func timeOrNil(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = t.UTC()
	return &t
}

func newRunning(in status.Input) []runningJob {
	usual := map[revision.Name]*float64{}
	for _, v := range in.Volumes {
		if v.Newest != nil && v.Newest.Statement != nil {
			took := v.Newest.Statement.Statistics.Duration().Seconds()
			usual[v.Volume.Name] = &took
		}
	}
	jobs := []runningJob{}
	for _, r := range in.Running {
		if r.Volume == "" && r.Holder.Command != scrubName {
			continue // somebody reads: nothing that one waits for
		}
		jobs = append(jobs, runningJob{
			known[revision.Name]{r.Volume}, r.Holder.Command, r.Holder.Host, r.Holder.PID, r.Holder.User, r.Holder.Since.UTC(), r.Done, known[int64]{r.Total},
			usual[r.Volume],
		})
	}
	return jobs
}
