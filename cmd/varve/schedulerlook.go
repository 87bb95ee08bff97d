package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"time"

	"varve/config"
	"varve/internal/process"
	"varve/repository"
	"varve/revision"
	"varve/scheduler"
)

// listing is what there is of the configuration's volumes, as of some time.
type listing struct {
	of       *config.Config
	volumes  []config.Volume
	problems []error
	sizes    map[revision.Name]int64
	at       time.Time // when the sources were looked for
}

// listOld is how old a listing of sources may be for a report, which each look makes anew. Older, who asks looks himself.
const listOld = 15 * time.Minute

// listLong is how long sources are looked for.
const listLong = 2 * time.Minute

// slotsUnsaid is how many backups a scheduler has under way at a time where no limit is said: enough
// that one whose source hangs does not hold up all others.
const slotsUnsaid = 4

// look is what a scheduler goes by. Where the repository cannot be read, what is to be done
// is known all the same.
func (d *daemon) look(ctx context.Context) (*scheduler.World, error) {
	w := &scheduler.World{
		At: time.Now(), Volumes: map[revision.Name]scheduler.Known{}, Others: map[revision.Name]bool{}, Done: map[scheduler.Kind]time.Time{},
	}
	conf := d.conf.Load()
	w.Slots = cmp.Or(conf.Limits.Jobs, slotsUnsaid)
	summaries, err := d.survey(ctx, w)
	if rest := withoutLost(err); rest != nil {
		w.Unread = append(w.Unread, rest.Error())
	}
	seen := d.list(ctx, conf, summaries)
	d.noteRetired(summaries, err)
	var wanted []config.Volume
	for _, v := range allWanted(conf, seen.volumes, seen.problems, summaries) {
		if !d.retired[v.Name] {
			wanted = append(wanted, v.Volume)
		}
	}
	for name, size := range seen.sizes {
		if _, has := w.Volumes[name]; !has {
			w.Volumes[name] = scheduler.Known{Size: size}
		}
	}
	kept := map[revision.Name]bool{}
	for name, k := range w.Volumes {
		kept[name] = !k.Newest.IsZero()
	}
	w.Tasks = scheduler.Tasks(conf, wanted, kept)
	return w, ctx.Err()
}

// noteRetired notes which volumes are not to be backed up any more. Of what cannot be read
// now, what was noted last holds: a backup would end it.
func (d *daemon) noteRetired(summaries []repository.Summary, unread error) {
	retired, hidden := map[revision.Name]bool{}, map[revision.Name]bool{}
	if unread != nil {
		retired = d.retired
	}
	for _, u := range unreadOf(unread) {
		hidden[u.Volume] = true
	}
	d.retired = maps.Clone(retired)
	for i := range summaries {
		if name := summaries[i].Volume.Name; !hidden[name] {
			d.retired[name] = summaries[i].Retired
		}
	}
}

// survey reads what the repository says.
func (d *daemon) survey(ctx context.Context, w *scheduler.World) ([]repository.Summary, error) {
	s := d.s.beside(d.conf.Load(), d.repo)
	repo, err := d.open(s)
	d.isAway.Store(err != nil)
	if err != nil {
		return nil, err
	}
	defer s.close("close the repository", repo)
	summaries, unread := repo.Summaries(ctx)
	for _, v := range summaries {
		w.Volumes[v.Volume.Name] = knownOf(v)
	}
	events, err := repo.EventsSince(w.At.Add(-lately))
	if err != nil {
		s.warn("%v", err) // what was tried is known from elsewhere
	}
	for _, e := range events {
		noteEvent(w, e)
	}
	running, err := repo.Running()
	for _, r := range running {
		if r.Volume != "" {
			w.Others[r.Volume] = true
		}
	}
	return summaries, errors.Join(unread, err)
}

func knownOf(v repository.Summary) (k scheduler.Known) {
	if v.Newest != nil && v.Newest.Statement != nil {
		st := v.Newest.Statement
		k.Newest, k.Took, k.Size = st.Begun, st.Statistics.Duration(), int64(st.Size)
	}
	if v.Good != nil {
		k.Good = v.Good.Statement.Begun
	}
	return k
}

// noteEvent adds what the journal says of tries, and of maintenance.
func noteEvent(w *scheduler.World, e repository.Event) {
	k, known := w.Volumes[e.Volume]
	switch {
	case e.Op == repository.OpBackup && e.Result == repository.ResultFailed && e.Volume != "":
		k.Failures, k.Tried, k.Error = k.Failures+1, e.Time, e.Error
		w.Volumes[e.Volume] = k
	case e.Op == repository.OpBackup && known:
		k.Failures, k.Error = 0, ""
		w.Volumes[e.Volume] = k
	case e.Result != repository.ResultFailed: // a kind of maintenance is called as its command is
		w.Done[scheduler.Kind(e.Op)] = e.Time
	}
}

// leave keeps for the journal that a backup failed which could not even open the repository.
func (d *daemon) leave(e scheduler.Event) {
	for _, v := range e.Volumes {
		left := repository.Event{
			Op: repository.OpBackup, Result: repository.ResultFailed, Volume: v, Time: e.Result.Ended, Error: e.Result.Error,
			Seconds: e.Result.Ended.Sub(e.Result.Begun).Seconds(),
		}
		if err := repository.LeaveEvent(stateDir(), d.id, process.Own(backupName), left); err != nil {
			d.s.warn("%v", err)
		}
	}
}

// list lists the configuration's volumes. The sources of patterns are looked for by another
// process, for that may hang.
func (d *daemon) list(ctx context.Context, conf *config.Config, known []repository.Summary) *listing {
	volumes, isPattern := volumesWithoutALook(conf)
	seen := &listing{of: conf, volumes: volumes, sizes: map[revision.Name]int64{}, at: time.Now()}
	fresh := slices.ContainsFunc(seen.volumes, func(v config.Volume) bool {
		return !slices.ContainsFunc(known, func(s repository.Summary) bool { return s.Volume.Name == v.Name && s.Newest != nil })
	})
	if isPattern || fresh {
		ctx, cancel := context.WithTimeout(ctx, listLong)
		defer cancel()
		if err := seen.ask(d.child(listName, "--json").Run(ctx)); err != nil {
			d.s.log.Warn("the sources of the configuration cannot be looked for", "error", err)
			if before := d.seen.Load(); before != nil && before.of == conf {
				return before
			}
			seen.problems = append(seen.problems, err)
			for _, s := range known { // what a pattern named once
				if v, fits := conf.Volume(s.Volume.Name); fits && v.Pattern != "" {
					seen.volumes = append(seen.volumes, v)
				}
			}
			return seen
		}
	}
	d.seen.Store(seen)
	return seen
}

// volumesWithoutALook lists the volumes of a configuration for which no source need be looked for, and tells whether there
// are patterns besides. That nothing is found of those is no problem: nobody has looked.
func volumesWithoutALook(conf *config.Config) (volumes []config.Volume, patterns bool) {
	volumes, _ = conf.Volumes(func(string) ([]string, error) {
		patterns = true
		return nil, nil
	})
	return volumes, patterns
}

// ask takes what the other process found.
func (l *listing) ask(out scheduler.Output) error {
	var d struct {
		Result *listedSources `json:"result"`
	}
	if err := json.Unmarshal(out.Stdout, &d); err != nil || d.Result == nil {
		return errors.New(silence(out))
	}
	l.volumes = nil
	for _, found := range d.Result.Volumes {
		if v, fits := l.of.Volume(found.Volume); fits {
			l.volumes = append(l.volumes, v)
			if found.Size > 0 {
				l.sizes[v.Name] = found.Size
			}
		}
	}
	for _, p := range d.Result.Problems {
		l.problems = append(l.problems, &config.Problem{Path: l.of.Path, Key: p.Key, Text: p.Text})
	}
	return nil
}

// open opens the repository that the scheduler is for, if that is what lies there still.
func (d *daemon) open(s *session) (*repository.Repository, error) {
	repo, err := s.openRepository(toList)
	if err != nil {
		return nil, err
	}
	if repo.ID() != d.id {
		s.close("close the repository", repo)
		return nil, fmt.Errorf("another repository lies at %s now", d.repo)
	}
	return repo, nil
}

// beside is a session for what is done beside another, at this moment and in silence.
func (s *session) beside(conf *config.Config, repo string) *session {
	other := newSession(s.stdin, io.Discard, io.Discard)
	other.globals, other.zone, other.command, other.log = s.globals, conf.Zone, s.command, s.log
	other.globals.repo, other.globals.quiet, other.json = repo, true, true
	other.configured = configured{sought: true, found: conf}
	other.about.repo, other.memory = repo, s.memory
	return other
}
