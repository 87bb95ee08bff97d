package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/urfave/cli/v2"

	"varve/internal/human"
	"varve/repository"
	"varve/revision"
)

func volumesCommand(s *session) *command {
	f := volumesFlags{sort: choice{value: "name", of: []string{"name", "age", "unique"}}}
	return &command{
		name: "volumes", group: everyDay, args: "['GLOB']", asks: true,
		summary: "list volumes, and what each takes",
		about: `Lists the volumes, or those whose names have the form GLOB: in it, * stands for
any characters but /, ** for any characters, ? for one, [a-f] for one of these.
Quote it, or your shell reads it.

UNIQUE is what only that volume uses: what would be free, once the trash is
empty, if all of its revisions went. To find that out, the maps of the whole
repository are read, and so it is told only with --unique or --sort unique.`,
		example: `varve volumes
varve volumes 'vms/*' --sort age            # the one longest without a backup first
varve volumes --sort unique                 # what takes the most first`,
		codes: "3  a volume is damaged; all others are listed",
		flags: []cli.Flag{
			&cli.GenericFlag{Name: "sort", Value: &f.sort, Usage: "by `WHAT`: name, age or unique"},
			&cli.BoolFlag{Name: "unique", Destination: &f.unique, Usage: "tell what only each volume uses; reads all maps"},
		},
		run: func(ctx context.Context, args []string) (result, error) {
			f.ages = true
			f.given, f.glob = len(args) > 0, optional(args, 0)
			return runVolumes(ctx, s, f)
		},
	}
}

type volumesFlags struct {
	given  bool // a pattern is; otherwise all
	glob   string
	sort   choice
	unique bool
	ages   bool // how old the newest is, not when it was begun
}

// volumes is the result of volumes, and of log without a volume.
type volumes struct {
	Volumes []volumeEntry `json:"volumes"`
	unique  bool
	ages    bool
}

// volumeEntry is a volume as listed. Its fields are API.
type volumeEntry struct {
	Name      revision.Name           `json:"volume"`
	UUID      revision.UUID           `json:"uuid"`
	Source    string                  `json:"source"`
	Size      known[uint64]           `json:"size"`
	Revisions int                     `json:"revision_count"`
	Newest    *revision.ID            `json:"revision"` // the newest
	Begun     *time.Time              `json:"begun"`    // of the newest
	State     known[repository.State] `json:"state"`    // of the newest
	Retired   *time.Time              `json:"retired"`  // since when it is not expected to be backed up; null: it is
	Unique    *int64                  `json:"unique"`   // bytes in packs that no other volume uses; null: it was not asked for
	state     string
}

func runVolumes(ctx context.Context, s *session, f volumesFlags) (result, error) {
	wanted := func(revision.Name) bool { return true }
	if f.given {
		g, err := revision.ParseGlob(f.glob)
		if err != nil {
			return nil, &usageError{Text: err.Error(), Command: s.command}
		}
		wanted = g.Match
	}
	repo, err := s.openRepository(toList)
	if err != nil {
		return nil, err
	}
	defer s.close("close the repository", repo)
	list, unread := repo.Volumes() // unread comes with all that can be read
	list = slices.DeleteFunc(list, func(v repository.Volume) bool { return !wanted(v.Name) })
	if f.given && len(list) == 0 && unread == nil {
		return nil, fmt.Errorf("%w: none has the form %q", repository.ErrNoVolume, f.glob)
	}
	out := &volumes{Volumes: []volumeEntry{}, ages: f.ages, unique: f.unique || f.sort.is("unique")}
	for _, v := range list {
		e, err := newVolumeEntry(s, repo, v)
		switch {
		case errors.Is(err, repository.ErrNoVolume): // it went meanwhile
		case err != nil:
			unread = errors.Join(unread, &repository.VolumeError{Volume: v.Name, Err: err})
		default:
			out.Volumes = append(out.Volumes, e)
		}
	}
	if out.unique {
		if err := out.addUnique(ctx, s, repo); err != nil {
			return nil, err
		}
	}
	out.order(f.sort.value)
	return out, unread
}

func newVolumeEntry(s *session, repo *repository.Repository, v repository.Volume) (volumeEntry, error) {
	revisions, err := repo.Revisions(v)
	if err != nil {
		return volumeEntry{}, err
	}
	e := volumeEntry{Name: v.Name, UUID: v.UUID, Revisions: len(revisions)}
	if e.Retired, err = retiredSince(repo, v, revisions); err != nil {
		return e, err
	}
	if len(revisions) > 0 {
		newest := newEntry(revisions[len(revisions)-1])
		e.Source, e.Size.is, e.Newest, e.Begun = newest.Source, newest.Size, &newest.ID, timeOrNil(newest.Begun)
		e.State.is, e.state = newest.State, newest.state(s.begun)
	}
	return e, nil
}

// order sorts the volumes, which are in the order of their names: what is longest
// without a backup first, or what takes the most.
func (v *volumes) order(by string) {
	slices.SortStableFunc(v.Volumes, func(a, b volumeEntry) int {
		switch {
		case by == "unique":
			return cmp.Compare(*b.Unique, *a.Unique)
		case by != "age" || a.Begun == nil && b.Begun == nil:
			return 0
		case a.Begun == nil:
			return -1
		case b.Begun == nil:
			return 1
		}
		return a.Begun.Compare(*b.Begun)
	})
}

func (v *volumes) print(p *page) {
	if len(v.Volumes) == 0 {
		p.line("no volumes yet")
		p.line("%s varve backup NAME /dev/VOLUME", p.arrow())
		return
	}
	head := []cell{left("VOLUME"), right("SIZE"), right("REVISIONS"), left("NEWEST"), left("BEGUN"), left("STATE")}
	if v.ages {
		head[4] = right("AGE")
	}
	if v.unique {
		head = append(head, right("UNIQUE"))
	}
	rows := [][]cell{append(head, left("SOURCE"))}
	for i := range v.Volumes {
		rows = append(rows, v.row(p, &v.Volumes[i]))
	}
	p.table(rows)
}

func (v *volumes) row(p *page, e *volumeEntry) []cell {
	row := []cell{left(e.Name.String()), right("?"), right(fmt.Sprint(e.Revisions)), left("none"), left(""), left("")}
	if e.Newest != nil {
		row[1], row[3] = right(human.Size(int64(e.Size.is))), left(e.Newest.Short())
		if row[4] = left(formatTime(*e.Begun, p.now)); v.ages {
			row[4] = right(formatAge(p.now.Sub(*e.Begun)))
		}
		row[5] = left(e.state)
		if e.State.is == repository.Damaged || e.State.is == repository.Suspect {
			row[5].paint = p.red
		}
	}
	if e.Retired != nil {
		row[5].text = joinWords(row[5].text, "retired")
	}
	if v.unique {
		row = append(row, right(human.Size(*e.Unique)))
	}
	return append(row, left(e.Source))
}

// joinWords puts a comma between what is there.
func joinWords(a, b string) string {
	if a == "" {
		return b
	}
	return a + ", " + b
}
