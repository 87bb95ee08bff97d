package job

import (
	"context"
	"fmt"
	"slices"
	"time"

	"varve/backup"
	"varve/config"
	"varve/hook"
	"varve/repository"
	"varve/revision"
)

// doSet does the jobs of a set, in one slot of the host: all have a revision, or none. The
// results are in their order.
func doSet(ctx context.Context, repo *repository.Repository, jobs []Job, opts Options) []Result {
	s := &setAttempt{set: *jobs[0].Set}
	for _, j := range jobs {
		s.members = append(s.members, &attempt{Job: j, repo: repo, opts: opts})
	}
	begun := time.Now()
	made, journaled, err := s.run(ctx)
	var results []Result
	for i, a := range s.members {
		r := Result{Volume: a.Volume, History: a.history, Err: err}
		if made != nil {
			r.Created = made.Results[i]
			a.judge(ctx, r.Created)
		}
		if !journaled && err != nil {
			a.journal(ctx, begun, err)
		}
		results = append(results, r)
	}
	return results
}

// setAttempt is the jobs of a set under way.
type setAttempt struct {
	set     config.Set
	members []*attempt
}

// run does the jobs. Journaled tells whether the journal has it.
func (s *setAttempt) run(ctx context.Context) (made *backup.SetResult, journaled bool, err error) {
	if err := s.each((*attempt).look); err != nil {
		return nil, false, err
	}
	if err := s.each((*attempt).settleSource); err != nil {
		return nil, false, err
	}
	first := s.members[0]
	waited, err := first.takeSlot(ctx) // of one volume at a time is read
	if err != nil {
		return nil, false, err
	}
	defer first.giveSlot()
	if waited {
		if err := s.each((*attempt).look); err != nil {
			return nil, false, err
		}
		if s.isOver(time.Now()) {
			return nil, false, ErrNotDue
		}
	}
	var members []backup.SetMember
	err = s.each(func(a *attempt) (err error) {
		m := backup.SetMember{}
		a.slot.held = first.slot.held // all are read in the slot of the first, which alone gives it back
		if err := a.arm(); err != nil {
			return err
		}
		m.CreateOptions = a.create()
		if s.set.Hooks.Freeze != "" {
			m.Freeze = nil
		}
		if h := a.runner.Hooks; h.Before != "" || h.After != "" {
			m.Open = a.openBetweenHooks
		} else if m.Source, err = a.open(ctx); err != nil { // before a volume is made for nothing
			return err
		}
		members = append(members, m)
		return nil
	})
	if err != nil {
		return nil, false, err
	}
	made, err = backup.CreateSet(ctx, first.repo, members, s.options())
	for _, a := range s.members {
		if made == nil && a.leftOver != nil { // else it is among what the revision warns of
			a.warn(fmt.Errorf("%s: %w", a.Volume, a.leftOver))
		}
	}
	return made, true, err
}

// each does something for each member, until it fails with one.
func (s *setAttempt) each(do func(*attempt) error) error {
	for _, a := range s.members {
		if err := do(a); err != nil {
			return err
		}
	}
	return nil
}

// isOver tells whether none of the members is due any more.
func (s *setAttempt) isOver(now time.Time) bool {
	return s.members[0].IfDue && !slices.ContainsFunc(s.members, func(a *attempt) bool { return isDue(a.Wanted.Plan, a.newest, now) })
}

func (s *setAttempt) options() backup.SetOptions {
	a := s.members[0]
	opts := backup.SetOptions{Name: s.set.Name, Consistent: s.set.Consistent}
	if s.set.Hooks.Freeze == "" {
		return opts
	}
	runner := hook.Runner{
		Hooks:   hook.Hooks(s.set.Hooks),
		Subject: hook.Subject{Volume: s.set.Name, Repository: a.opts.Repository}, Guardian: a.opts.Guardian, Log: a.opts.Log,
	}
	opts.Freeze = runner.Freeze
	return opts
}

// groups parts jobs into those that are done by themselves and those of a set, which stand
// together.
func groups(jobs []Job) (groups [][]Job) {
	for i, j := range jobs {
		if i > 0 && j.Set != nil && jobs[i-1].Set != nil && jobs[i-1].Set.Name == j.Set.Name {
			groups[len(groups)-1] = append(groups[len(groups)-1], j)
		} else {
			groups = append(groups, []Job{j})
		}
	}
	return groups
}

// withSets adds to what is wanted the other volumes of each set of which any is, right
// after it: never half a set. Those that were retired stay out.
func (p picking) withSets(conf *config.Config, wanted []config.Volume) []config.Volume {
	var all []config.Volume
	has := func(name revision.Name) bool {
		return slices.ContainsFunc(all, func(v config.Volume) bool { return v.Name == name })
	}
	for _, v := range wanted {
		set, is := conf.SetOf(v.Name)
		if !is {
			all = append(all, v)
			continue
		}
		for _, name := range set.Volumes {
			if member, known := conf.Volume(name); known && !has(name) && !p.isRetired(member) {
				all = append(all, member)
			}
		}
	}
	return all
}

// ofSet lists the volumes of a set.
func (p picking) ofSet(conf *config.Config, name string) ([]config.Volume, error) {
	if conf == nil {
		return nil, &NoSetError{Set: name}
	}
	set, known := conf.Set(name)
	if !known {
		return nil, &NoSetError{Set: name}
	}
	first, _ := conf.Volume(set.Volumes[0])
	return p.withSets(conf, []config.Volume{first}), nil
}
