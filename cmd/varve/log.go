package main

import (
	"context"
	"encoding/json"
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
		about: `Lists the revisions of VOLUME, the newest last, and between them the due times
that went by without one. Without VOLUME, lists the volumes.

RM FREES is what only that revision uses: what would be free, once the trash is
empty, if it alone went. To find that out, the maps of the whole repository are
read, and so it is told only with --unique.

Damaged and suspect revisions are in capitals. Times are those of the
configuration's time zone, or this host's; with --json, UTC.`,
		example: `varve log                                   # which volumes are there?
varve log db1                               # the newest 20 revisions of db1
varve log db1 --since 30d --json            # those of a month, for a program
varve log db1 --unique                      # what would rm of each free?
varve log --deleted                         # what can varve undelete bring back?`,
		codes: "3  a volume is damaged; all others are listed",
		flags: []cli.Flag{
			&cli.GenericFlag{Name: "n", Value: &f.count, DefaultText: "20, with --since all",
				Usage: "list the newest `N` revisions"},
			&cli.BoolFlag{Name: "all", Destination: &f.all, Usage: "list all revisions"},
			&cli.BoolFlag{Name: "deleted", Destination: &f.deleted, Usage: "list what was taken away and can come back"},
			&cli.BoolFlag{Name: "unique", Destination: &f.unique, Usage: "tell what rm of each would free; reads all maps"},
			&cli.GenericFlag{Name: "since", Value: &f.since,
				Usage: "list what was begun since `TIME`: 7d, tuesday or 2026-11-19T02:00"},
		},
		run: func(ctx context.Context, args []string) (result, error) {
			if err := f.check(s.command, args); err != nil {
				return nil, err
			}
			if f.deleted {
				return runDeleted(s, optional(args, 0))
			}
			if len(args) == 0 {
				return runVolumes(ctx, s, volumesFlags{unique: f.unique})
			}
			return runLog(ctx, s, f, args[0])
		},
	}
}

type logFlags struct {
	count   count // 0: the default
	all     bool
	unique  bool
	deleted bool
	since   moment
}

// check refuses flags that do not go together.
func (f logFlags) check(command string, args []string) error {
	narrows := f.count > 0 || f.all || !f.since.IsZero()
	switch {
	case f.count > 0 && f.all:
		return &usageError{Text: "-n and --all exclude each other", Command: command}
	case f.deleted && (narrows || f.unique):
		return &usageError{Text: "--deleted lists all that can come back: no other flag goes with it", Command: command}
	case narrows && len(args) == 0:
		return &usageError{Text: "-n, --all and --since are for the revisions of one VOLUME: which?", Command: command}
	}
	return nil
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
	Volume    revision.Name         `json:"volume"`
	Retired   *time.Time            `json:"retired"` // since when it is not expected to be backed up; null: it is
	Total     int                   `json:"total"`   // revisions, those that are not listed too
	Unique    *int64                `json:"unique"`  // bytes in packs that no other volume uses; null: it was not asked for
	Frees     map[revision.ID]int64 `json:"-"`       // of these, what only that revision uses
	Revisions []entry               `json:"-"`
	Missed    []missed              `json:"missed"` // due times without a revision, since the first that is listed
	all       []entry
	since     time.Time // zero: from the first on
}

// MarshalJSON implements [json.Marshaler]. Of each revision, it also tells what only
// that one uses: null, if it was not asked for.
func (l *listed) MarshalJSON() ([]byte, error) {
	type own listed // without this method
	revisions := []json.RawMessage{}
	for _, e := range l.Revisions {
		var unique *int64
		if n, found := l.Frees[e.ID]; found || l.Frees != nil {
			unique = &n
		}
		data, err := marshalJoined(e, map[string]*int64{"unique": unique})
		if err != nil {
			return nil, err
		}
		revisions = append(revisions, data)
	}
	return marshalJoined((*own)(l), map[string]any{"revisions": revisions})
}

func runLog(ctx context.Context, s *session, f logFlags, volumeName string) (result, error) {
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
	if l.Retired, err = retiredSince(repo, v, revisions); err != nil {
		return nil, err
	}
	for _, rev := range revisions {
		l.all = append(l.all, newEntry(rev))
	}
	l.Revisions = f.keep(l.all)
	if f.unique {
		if err := l.addUnique(ctx, s, repo, v); err != nil {
			return nil, err
		}
	}
	l.Missed = []missed{}
	if len(l.Revisions) > 0 && l.Retired == nil {
		l.Missed = s.missedBy(repo, name, l.all, l.Revisions[0].Begun)
	}
	return l, nil
}

func (l *listed) print(p *page) {
	if len(l.all) == 0 {
		p.line("%s   no revisions yet", l.Volume)
		return
	}
	newest := l.all[len(l.all)-1]
	p.parts(cell{text: l.Volume.String(), paint: p.bold}, left(newest.Source), left(human.Size(int64(newest.Size))),
		left(formatCount(len(l.all), "revision")+" since "+formatDay(l.all[0].Begun, p.now)))
	if l.Unique != nil {
		p.line("%s that nobody else uses", human.Size(*l.Unique))
	}
	if l.Retired != nil {
		p.line("retired   since %s: it is not expected to be backed up", formatDay(*l.Retired, p.now))
	}
	if len(l.Revisions) == 0 {
		p.line("none since %s", inProse(l.since, p.now))
		return
	}
	rows := [][]cell{{
		left("ID"), left("BEGUN"), left("KIND"), right("READ"), right("CHANGED"), right("STORED"), left("STATE"), left("NOTES"),
	}}
	if l.Frees != nil {
		rows[0] = slices.Insert(rows[0], freesColumn, right("RM FREES"))
	}
	first := len(l.all) - len(l.Revisions)
	for i := range l.Revisions {
		var before *entry
		if first+i > 0 {
			before = &l.all[first+i-1]
		}
		row := l.Revisions[i].row(p, before)
		if l.Frees != nil {
			row = slices.Insert(row, freesColumn, right(human.Size(l.Frees[l.Revisions[i].ID])))
		}
		rows = append(rows, row)
	}
	missed := l.Missed
	for i, lines := range p.lay(rows, p.width) {
		for i > 0 && len(missed) > 0 && missed[0].Last.Before(l.Revisions[i-1].Begun) {
			p.line("%s", missed[0].line(p))
			missed = missed[1:]
		}
		for _, line := range lines {
			p.line("%s", line)
		}
	}
	for i := range missed {
		p.line("%s", missed[i].line(p))
	}
}

// freesColumn is where a row tells what rm would free.
const freesColumn = 6

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
		state, left(e.notes(p.now, before)),
	}
}
