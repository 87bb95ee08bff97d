package interleave

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"

	"varve/backup"
	"varve/repository"
	"varve/revision"
)

// system is what a volume holds of a machine that is backed up as sets.
func system(n int) []byte { return sparse(1, map[int]string{0: fmt.Sprint("as of ", n), 1: "stays"}) }

// member is one volume of a set, and what it holds.
type member struct {
	name    revision.Name
	content []byte
}

// backupSet makes a set, of which all revisions are promised when that is said.
func (p *process) backupSet(ctx context.Context, members ...member) error {
	w := p.w
	return p.with("backup", func(r *repository.Repository) error {
		var of []backup.SetMember
		for _, m := range members {
			w.tried[m.name] = append(slices.Clip(w.tried[m.name]), m.content)
			opts := backup.CreateOptions{Volume: m.name, Wait: wait, Workers: 1}
			of = append(of, backup.SetMember{Source: &source{m.content}, CreateOptions: opts})
		}
		made, err := backup.CreateSet(ctx, r, of, backup.SetOptions{Name: "shop"})
		if err != nil {
			return err
		}
		for i, result := range made.Results {
			w.promise(result.Statement, members[i].content)
		}
		for _, result := range made.Results {
			if len(result.Findings) > 0 {
				return &findingsError{result.Findings}
			}
		}
		return nil
	})
}

func backUpSet(members ...member) func(context.Context, *process) error {
	return func(ctx context.Context, p *process) error { return p.backupSet(ctx, members...) }
}

// makeSets makes two sets of root and data: one that is there, and one that was cut off, of
// which the revisions wait.
func (p *process) makeSets(ctx context.Context) error {
	if err := p.backupSet(ctx, member{"root", system(2)}, member{"data", system(3)}); err != nil {
		return err
	}
	cutOff := []member{{"root", system(10)}, {"data", system(11)}}
	if err := p.die("sets/", func(p *process) error { return p.backupSet(ctx, cutOff...) }); err != nil {
		return err
	}
	for name, file := range p.w.disk.Files() {
		dir, base := path.Split(name)
		id, is := strings.CutSuffix(base, ".rev")
		for _, m := range cutOff {
			n := named{p.w.volumes[m.name].UUID, revision.ID(id)}
			if _, known := p.w.contents[n]; !is || known || dir != path.Join("volumes", m.name.Encode())+"/" {
				continue
			}
			if _, err := revision.Open(bytes.NewReader(file), int64(len(file))); err != nil {
				return err
			}
			p.w.waits[n], p.w.contents[n] = true, m.content
		}
	}
	if len(p.w.waits) != len(cutOff) {
		return fmt.Errorf("%d revisions wait for a set that was cut off, want %d", len(p.w.waits), len(cutOff))
	}
	return nil
}

var errHalf = errors.New("half a set is there")

// look lists all revisions, and where it sees one of a set that was not there in the
// beginning, and that nobody takes away, all others of the set.
func look(_ context.Context, p *process) error {
	return p.with("log", func(r *repository.Repository) error {
		volumes, err := r.Volumes()
		if err != nil {
			return err
		}
		for _, v := range volumes {
			revisions, err := r.Revisions(v)
			if err != nil {
				return err
			}
			for _, rev := range revisions {
				if st := rev.Statement; st != nil && st.Set != "" && !p.w.isOfPast(named{v.UUID, rev.ID}) {
					if err := seesAll(r, st.Set); err != nil {
						return err
					}
				}
			}
		}
		return nil
	})
}

func (w *world) isOfPast(n named) bool {
	for _, history := range w.past {
		if slices.Contains(history, n) {
			return true
		}
	}
	return false
}

// seesAll makes sure that all revisions of a set are listed.
func seesAll(r *repository.Repository, id string) error {
	set, err := r.Set(id)
	if err != nil {
		return err
	}
	for _, m := range set.Members {
		revisions, err := r.Revisions(repository.Volume{UUID: m.Volume, Name: m.Name})
		if err != nil {
			return err
		}
		if !slices.ContainsFunc(revisions, func(rev repository.Revision) bool { return rev.ID == m.Revision }) {
			return fmt.Errorf("%w: %s of %s is missing", errHalf, m.Revision, m.Name)
		}
	}
	return nil
}

// checkSets makes sure that of each set all revisions are there, or none; that those that
// wait are whole; and that a set has its file as long as anything of it is there.
func (w *world) checkSets(r *repository.Repository, listed map[named]bool, trash []repository.Trashed) error {
	sets, err := r.Sets()
	if err != nil {
		return err
	}
	byID, trashed := map[string]repository.Set{}, map[named]repository.Trashed{}
	for _, s := range sets {
		byID[s.ID] = s
	}
	for n, set := range w.ofSets {
		if !slices.ContainsFunc(byID[set].Members, func(m repository.Member) bool { return m.Volume == n.volume && m.Revision == n.id }) {
			return fmt.Errorf("%s is there, and its set %s is not, or knows nothing of it", n.id, set)
		}
	}
	for _, t := range trash {
		trashed[named{t.Volume.UUID, t.ID}] = t
		if _, there := byID[t.Statement.Set]; t.Statement.Set != "" && there == (t.Op == repository.OpSet) {
			return fmt.Errorf("%s is in the trash because of %q, and that its set is there is %t", t.ID, t.Op, there)
		}
	}
	for _, s := range sets {
		for _, m := range s.Members {
			n := named{m.Volume, m.Revision}
			_, promised := w.contents[n]
			if _, can := trashed[n]; !listed[n] && !w.forgotten[n] && (!promised || !can && !w.purging) {
				return fmt.Errorf("of set %s, %s of %s is missing: %w", s.ID, n.id, m.Name, errHalf)
			}
		}
	}
	return w.checkWaiting(listed, byID)
}

// checkWaiting makes sure that what is not listed waits for a set, and is whole.
func (w *world) checkWaiting(listed map[named]bool, sets map[string]repository.Set) error {
	ids := map[revision.ID]bool{}
	for n := range listed {
		ids[n.id] = true
	}
	for name, file := range w.files() {
		id, is := strings.CutSuffix(path.Base(name), ".rev")
		if !is || !strings.HasPrefix(name, "volumes/") || ids[revision.ID(id)] {
			continue
		}
		m, err := revision.Open(bytes.NewReader(file), int64(len(file)))
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		if _, there := sets[m.Statement().Set]; m.Statement().Set == "" || there {
			return fmt.Errorf("%s is not listed, and waits for nothing", name)
		}
		if err := w.checkMap(name); err != nil {
			return fmt.Errorf("%s, which waits: %w", name, err)
		}
	}
	return nil
}
