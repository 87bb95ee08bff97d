package main

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/urfave/cli/v2"

	"varve/internal/human"
	"varve/repository"
	"varve/revision"
)

func logCommand(s *session) *command {
	f := logFlags{since: moment{now: s.begun.In(s.zone)}}
	return &command{
		name: "log", group: everyDay, args: "[VOLUME]", asks: true,
		summary: "list volumes, or the revisions of one",
		about: `Lists the revisions of VOLUME, the newest last. Without VOLUME, lists the
volumes.

Damaged and suspect revisions are in capitals. Times are those of this host's
time zone; with --json, UTC.`,
		example: `varve log                                   # which volumes are there?
varve log db1                               # the newest 20 revisions of db1
varve log db1 --since 30d --json            # those of a month, for a program`,
		codes: "3  a volume cannot be read; all others are listed",
		flags: []cli.Flag{
			&cli.GenericFlag{Name: "n", Value: &f.count, DefaultText: "20, with --since all",
				Usage: "list the newest `N` revisions"},
			&cli.BoolFlag{Name: "all", Destination: &f.all, Usage: "list all revisions"},
			&cli.GenericFlag{Name: "since", Value: &f.since,
				Usage: "list what was begun since `TIME`: 7d, tuesday, 2026-11-19 or 2026-11-19T02:00"},
		},
		run: func(_ context.Context, args []string) (result, error) {
			if len(args) == 0 {
				return runLogVolumes(s)
			}
			return runLog(s, f, args[0])
		},
	}
}

type logFlags struct {
	count count // 0: the default
	all   bool
	since moment
}

// defaultCount is how many revisions are listed unless flags say otherwise.
const defaultCount = 20

// keep cuts a list of revisions, the oldest first, to what was asked for.
func (f logFlags) keep(all []entry) []entry {
	if !f.since.IsZero() {
		all = slices.DeleteFunc(slices.Clone(all), func(e entry) bool { return e.Begun.Before(f.since.Time) })
	}
	count := int(f.count)
	switch {
	case f.all || count == 0 && !f.since.IsZero() || count < 0:
		return all
	case count == 0:
		count = defaultCount
	}
	return all[max(0, len(all)-count):]
}

// listed is the result of log VOLUME.
type listed struct {
	Volume    revision.Name `json:"volume"`
	Total     int           `json:"total"` // revisions, those that are not listed too
	Revisions []entry       `json:"revisions"`
	all       []entry
	since     time.Time // zero: from the first on
}

func runLog(s *session, f logFlags, volumeName string) (result, error) {
	name, err := revision.ParseName(volumeName)
	if err != nil {
		return nil, &usageError{Text: err.Error(), Command: s.command}
	}
	repo, err := s.openRepository(toList)
	if err != nil {
		return nil, err
	}
	defer s.close("close the repository", repo)
	v, err := repo.Volume(name)
	if err != nil {
		return nil, err
	}
	revisions, err := repo.Revisions(v)
	if err != nil {
		return nil, err
	}
	l := &listed{Volume: name, Total: len(revisions), since: f.since.Time}
	for _, rev := range revisions {
		l.all = append(l.all, newEntry(rev))
	}
	l.Revisions = f.keep(l.all)
	if l.Revisions == nil {
		l.Revisions = []entry{}
	}
	return l, nil
}

func (l *listed) print(p *page) {
	if len(l.all) == 0 {
		p.line("%s   no revisions yet", l.Volume)
		return
	}
	newest := l.all[len(l.all)-1]
	p.line("%s   %s   %s   %s since %s", p.bold(l.Volume.String()), newest.Source, human.Size(int64(newest.Size)),
		formatCount(len(l.all), "revision"), formatDay(l.all[0].Begun, p.now))
	if len(l.Revisions) == 0 {
		p.line("none since %s", formatTime(l.since, p.now))
		return
	}
	rows := [][]cell{{
		left("ID"), left("BEGUN"), left("KIND"), right("READ"), right("CHANGED"), right("STORED"), left("STATE"), left("NOTES"),
	}}
	first := len(l.all) - len(l.Revisions)
	for i := range l.Revisions {
		var before *entry
		if first+i > 0 {
			before = &l.all[first+i-1]
		}
		rows = append(rows, l.Revisions[i].row(p, before))
	}
	p.table(rows)
}

func (e *entry) row(p *page, before *entry) []cell {
	state := left(e.state(p.now))
	switch e.State {
	case repository.Damaged:
		state.paint = p.red
	case repository.Suspect:
		state.paint = p.yellow
	}
	kind, read, changed, stored := "?", "?", "?", "?"
	if e.Kind != "" {
		kind, read = string(e.Kind), human.Size(int64(e.Read))
		changed, stored = human.Size(int64(e.Changed)), human.Size(int64(e.Stored))
	}
	return []cell{
		left(e.ID.Short()), left(formatTime(e.Begun, p.now)), left(kind), right(read), right(changed), right(stored),
		state, left(e.notes(before)),
	}
}

// volumes is the result of log without a volume.
type volumes struct {
	Volumes []volumeEntry `json:"volumes"`
}

// volumeEntry is a volume as listed. Its fields are API.
type volumeEntry struct {
	Name      revision.Name    `json:"volume"`
	UUID      revision.UUID    `json:"uuid"`
	Source    string           `json:"source"`
	Size      uint64           `json:"size"`
	Revisions int              `json:"revisions"`
	Newest    *revision.ID     `json:"newest"`
	Begun     *time.Time       `json:"begun"` // of the newest
	State     repository.State `json:"state"` // of the newest
	state     string
}

func runLogVolumes(s *session) (result, error) {
	repo, err := s.openRepository(toList)
	if err != nil {
		return nil, err
	}
	defer s.close("close the repository", repo)
	list, unread := repo.Volumes() // unread comes with all that can be read
	out := &volumes{Volumes: []volumeEntry{}}
	for _, v := range list {
		revisions, err := repo.Revisions(v)
		if err != nil {
			return nil, fmt.Errorf("volume %q: %w", v.Name, err)
		}
		e := volumeEntry{Name: v.Name, UUID: v.UUID, Revisions: len(revisions)}
		if len(revisions) > 0 {
			newest := newEntry(revisions[len(revisions)-1])
			e.Source, e.Size, e.Newest, e.Begun = newest.Source, newest.Size, &newest.ID, &newest.Begun
			e.State, e.state = newest.State, newest.state(s.begun)
		}
		out.Volumes = append(out.Volumes, e)
	}
	return out, unread
}

func (v *volumes) print(p *page) {
	if len(v.Volumes) == 0 {
		p.line("no volumes yet")
		p.line("%s varve backup NAME /dev/VOLUME", p.arrow())
		return
	}
	rows := [][]cell{{
		left("VOLUME"), left("SOURCE"), right("SIZE"), right("REVISIONS"), left("NEWEST"), left("BEGUN"), left("STATE"),
	}}
	for _, e := range v.Volumes {
		row := []cell{left(e.Name.String()), left(e.Source), right(human.Size(int64(e.Size))), right(fmt.Sprint(e.Revisions))}
		if e.Newest == nil {
			row[2] = right("?")
			rows = append(rows, append(row, left("none"), left(""), left("")))
			continue
		}
		state := left(e.state)
		if e.State == repository.Damaged || e.State == repository.Suspect {
			state.paint = p.red
		}
		rows = append(rows, append(row, left(e.Newest.Short()), left(formatTime(*e.Begun, p.now)), state))
	}
	p.table(rows)
}
