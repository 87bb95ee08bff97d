package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"varve/backup"
	"varve/internal/durable"
	"varve/internal/human"
	"varve/repository"
	"varve/revision"
	"varve/scrub"
	"varve/volume"
)

// scrubRepair is what a repair came to. Its fields are API.
type scrubRepair struct {
	Repaired  int            `json:"repaired_count"`
	Left      int            `json:"left_count"`
	Items     []scrubMending `json:"items"`
	Revisions []scrubProof   `json:"revisions"` // that were read back
	Stored    int64          `json:"stored"`    // bytes added to packs
	PutAside  int            `json:"put_aside"`
	Troubles  []string       `json:"troubles"` // what could not be looked at
}

// scrubMending is one thing that was hurt, and what became of it. Its fields are API.
type scrubMending struct {
	Path   string        `json:"path"`
	Object known[string] `json:"object"` // of a pack; null: it is the file
	Kind   known[string] `json:"kind"`   // of the object
	Cause  string        `json:"cause"`
	From   known[string] `json:"from"` // null: it was not repaired
	Why    known[string] `json:"why"`  // it was not
	Places []scrubPlace  `json:"places"`
	Cost   int64         `json:"cost"` // bytes that the next backups store anew
	Aside  bool          `json:"put_aside"`
	Do     string        `json:"do"` // the command that may repair what was not; empty: none is known
}

// scrubPlace is a part of a revision. Its fields are API.
type scrubPlace struct {
	Volume   revision.Name `json:"volume"`
	Revision revision.ID   `json:"revision"`
	Offset   int64         `json:"offset"`
	Length   int64         `json:"length"`
}

// scrubProof is a revision that was read back after a repair. Its fields are API.
type scrubProof struct {
	Volume   revision.Name       `json:"volume"`
	Revision revision.ID         `json:"revision"`
	State    repository.State    `json:"state"`
	Lost     []repository.Extent `json:"lost"`
}

// wantsRepair tells whether anything is to be repaired.
func (f *scrubFlags) wantsRepair() bool { return f.repair || f.fromSource || f.fromRepo != "" }

// runRepair makes good what a scrub found, and whatever else is known to be hurt; other: of another repository, or nil.
func (f *scrubFlags) runRepair(ctx context.Context, s *session, repo, other *repository.Repository, volumes []repository.Volume, found *scrub.Report) (*scrubRepair, error) {
	opts := repository.RepairOptions{Volumes: volumes, Step: func(what string) { s.log.Info("repair", "step", what) }}
	if f.fromSource {
		sources, err := s.repairSources(ctx, repo, found)
		defer func() {
			for _, src := range sources {
				s.close("give the source up", src.snapshot)
			}
		}()
		if err != nil {
			return nil, err
		}
		for _, src := range sources {
			opts.Sources = append(opts.Sources, src.RepairSource)
		}
	}
	if other != nil {
		opts.Others = []repository.RepairOther{{Name: f.fromRepo, Repository: other}}
	}
	opts.Plan = func(plan repository.RepairPlan) { s.tellPlan(plan, opts) }
	done, err := repo.Repair(ctx, opts)
	return newScrubRepair(done, f), err
}

// next is the command that asks who was not asked yet for what was not repaired; empty: nobody is left, or
// knows, such as of a pack, which waits for what lay in it.
func (f *scrubFlags) next(m *repository.Mending) string {
	switch {
	case m.Mended() || m.Kind == 0 && !m.Pack.IsZero():
		return ""
	case m.Kind != 0 && !f.fromSource && len(m.Places) > 0:
		return "varve scrub " + human.ShellWord(m.Places[0].Volume.Name.String()) + " --repair-from-source"
	case f.fromRepo == "":
		return "varve scrub --repair-from-repo REPO"
	}
	return ""
}

// tellPlan says what is going to be repaired, and of what, before anything is done.
func (s *session) tellPlan(plan repository.RepairPlan, opts repository.RepairOptions) {
	var parts []string
	for what, n := range map[string]int{"file": len(plan.Files), "pack": len(plan.Packs), "object": plan.Objects} {
		if n > 0 {
			parts = append(parts, formatCount(n, what))
		}
	}
	if len(parts) == 0 {
		return
	}
	slices.Sort(parts)
	of := []string{"what else is in the repository"}
	for _, src := range opts.Sources {
		name := originInWords(repository.Origin{Kind: repository.OriginSource, Name: src.Name})
		if !slices.Contains(of, name) { // several volumes may have one
			of = append(of, name)
		}
	}
	for _, other := range opts.Others {
		of = append(of, other.Name)
	}
	s.say("repairing %s, of %s", strings.Join(parts, ", "), strings.Join(of, ", then "))
}

// openSnapshot is a source that is asked for what was lost.
type openSnapshot struct {
	repository.RepairSource
	snapshot volume.Snapshot
}

// repairSources opens what the volumes that have lost something were last read from. One that
// is not there, or cannot be asked, is a warning: others may do.
func (s *session) repairSources(ctx context.Context, repo *repository.Repository, found *scrub.Report) (sources []openSnapshot, err error) {
	asked := map[revision.UUID]bool{}
	for _, l := range found.Losses() {
		if asked[l.Volume.UUID] {
			continue
		}
		asked[l.Volume.UUID] = true
		src, err := s.repairSource(ctx, repo, l.Volume)
		if ctx.Err() != nil {
			return sources, ctx.Err()
		}
		if err != nil {
			s.warn("the source of %s cannot be asked: %v", l.Volume.Name, err)
			continue
		}
		sources = append(sources, *src)
	}
	return sources, nil
}

func (s *session) repairSource(ctx context.Context, repo *repository.Repository, v repository.Volume) (*openSnapshot, error) {
	revisions, err := repo.Revisions(v)
	if err != nil {
		return nil, err
	}
	for _, rev := range slices.Backward(revisions) {
		if rev.Statement == nil {
			continue
		}
		at := rev.Statement.Source
		if at.Kind == string(volume.SchemeStream) || at.Path == "" {
			return nil, errors.New("it was read from standard input")
		}
		text := string(volume.SchemeFile) + ":" + at.Path
		if at.Kind == string(volume.SchemeRBD) {
			text = at.Kind + ":" + at.Path
		}
		src, err := s.openSource(ctx, text)
		if err != nil {
			return nil, err
		}
		snapshot, err := snapshotFor(ctx, src, repo, v)
		if err != nil {
			return nil, err
		}
		return &openSnapshot{repository.RepairSource{Name: at.Path, Volume: v.UUID, Content: snapshot, Size: snapshot.Size()}, snapshot}, nil
	}
	return nil, errors.New("no revision can be read that says where it is")
}

// snapshotFor takes the snapshot of a source that is only read. Where it can bear a name, that
// says who reads it.
func snapshotFor(ctx context.Context, src volume.Source, repo *repository.Repository, v repository.Volume) (volume.Snapshot, error) {
	if keeper, can := src.(volume.Keeper); can {
		return keeper.SnapshotFor(ctx, volume.Label{Repository: repo.ID().String(), Volume: v.UUID.String()})
	}
	return src.Snapshot(ctx)
}

// openOther opens another repository, to take from it what this one has lost. It may be a copy,
// under the same id: so nothing that this host keeps for that is used.
func (s *session) openOther(dir string) (*repository.Repository, error) {
	tree, err := durable.OpenTree(dir)
	if err != nil {
		return nil, fmt.Errorf("open %q: %w", dir, err)
	}
	other, err := repository.Open(tree, repository.Options{Command: s.command, Log: s.log})
	if errors.Is(err, repository.ErrNoRepository) {
		return nil, explainAbsence(dir)
	}
	if err != nil {
		return nil, fmt.Errorf("open %q: %w", dir, err)
	}
	return other, nil
}

func newScrubRepair(r *repository.RepairResult, f *scrubFlags) *scrubRepair {
	out := &scrubRepair{Items: []scrubMending{}, Revisions: []scrubProof{}, Stored: r.Stored, PutAside: r.PutAside, Troubles: []string{}}
	for i := range r.Mendings {
		m := &r.Mendings[i]
		item := scrubMending{Path: m.Path, Cause: m.Cause, From: known[string]{originInWords(m.From)}, Why: known[string]{whyNot(m)}, Places: []scrubPlace{}, Cost: m.Cost, Aside: m.Aside, Do: f.next(m)}
		if m.Kind != 0 {
			item.Object.is, item.Kind.is = m.Object.String(), m.Kind.String()
		}
		for _, p := range m.Places {
			item.Places = append(item.Places, scrubPlace{p.Volume.Name, p.Revision, p.Extent.Offset, p.Extent.Length})
		}
		if out.Left++; m.Mended() {
			out.Left, out.Repaired = out.Left-1, out.Repaired+1
		}
		out.Items = append(out.Items, item)
	}
	for _, p := range r.Revisions {
		proof := scrubProof{Volume: p.Volume.Name, Revision: p.Revision, State: p.State, Lost: p.Lost}
		if proof.Lost == nil {
			proof.Lost = []repository.Extent{}
		}
		out.Revisions = append(out.Revisions, proof)
	}
	for _, err := range r.Troubles {
		out.Troubles = append(out.Troubles, err.Error())
	}
	return out
}

// next is the command that may repair the first that was not.
func (r *scrubRepair) next() string {
	for i := range r.Items {
		if do := r.Items[i].Do; do != "" {
			return do
		}
	}
	return ""
}

// originInWords says where good bytes came from.
func originInWords(o repository.Origin) string {
	switch o.Kind {
	case repository.OriginFrames:
		return "frames of " + o.Name
	case repository.OriginElsewhere:
		return "another copy in the repository"
	case repository.OriginPacks:
		return "other packs"
	case repository.OriginRevisions:
		return "its revisions"
	case repository.OriginProgram:
		return "what this program writes"
	case repository.OriginSource:
		return "the source " + o.Name
	case repository.OriginUnneeded:
		return "elsewhere: nothing needs it any more"
	}
	return o.Name
}

// whyNot says why something was not repaired; empty: it was.
func whyNot(m *repository.Mending) string {
	nowhere := new(repository.NowhereError)
	switch {
	case m.Mended():
		return ""
	case errors.As(m.Why, &nowhere):
		var asked []string
		for _, o := range nowhere.Asked {
			asked = append(asked, originInWords(o))
		}
		return "not found in: " + strings.Join(asked, ", ")
	}
	return m.Why.Error()
}

// whole tells whether nothing is left that is known to be hurt.
func (r *scrubRepair) whole() bool {
	return r.Left == 0 && len(r.Troubles) == 0 &&
		!slices.ContainsFunc(r.Revisions, func(p scrubProof) bool { return len(p.Lost) > 0 })
}

func (r *scrubRepair) print(p *page) {
	shown := r.Items[:min(len(r.Items), mostFindings)]
	for i := range shown {
		shown[i].print(p)
	}
	if n := len(r.Items) - len(shown); n > 0 {
		p.line("and %s: --json has all", formatCount(n, "thing")+" more")
	}
	for _, text := range r.Troubles {
		p.line("%s    %s", p.yellow("TROUBLE"), text)
	}
	for i := range r.Revisions {
		rev := &r.Revisions[i]
		name := address(rev.Volume, rev.Revision)
		if len(rev.Lost) == 0 {
			p.line("read back  %s is whole, and %s", name, rev.State)
			continue
		}
		p.line("read back  %s is %s: %s lost, in %s", name, p.red("DAMAGED"), human.Size(backup.Total(rev.Lost)), formatCount(len(rev.Lost), "place"))
	}
	p.line("%s", p.bold(r.sum()))
}

// sum is the verdict on the repair, on one line.
func (r *scrubRepair) sum() string {
	var parts []string
	if r.Repaired > 0 {
		parts = append(parts, formatThey(r.Repaired, "thing", "was repaired", "were repaired"))
	}
	if r.Left > 0 {
		parts = append(parts, formatThey(r.Left, "thing", "was not repaired", "were not repaired"))
	}
	if r.PutAside > 0 {
		parts = append(parts, formatThey(r.PutAside, "damaged file", "lies", "lie")+" in damage/evidence")
	}
	if len(parts) == 0 {
		return "nothing was to be repaired"
	}
	return strings.Join(parts, "; ")
}

// print tells of one thing: what it was repaired from, or what it costs that it was not.
func (m *scrubMending) print(p *page) {
	what := m.Path
	if m.Object.is != "" {
		what = fmt.Sprintf("%s %s of %s", m.Kind.is, shortPack(m.Object.is), m.Path)
	}
	switch {
	case m.Aside:
		p.line("put aside  %s: %s", what, "all that is needed of it lies in "+m.From.is)
		return
	case m.From.is != "":
		p.line("repaired   %s, from %s", what, m.From.is)
		return
	}
	p.line("%s  %s: %s", p.red("NOT REPAIRED"), what, m.Why.is)
	for _, at := range m.Places[:min(len(m.Places), mostPlaces)] {
		p.line("           lost    %s of %s at %s", human.Size(at.Length), address(at.Volume, at.Revision), placeOf(repository.Extent{Offset: at.Offset, Length: at.Length}))
	}
	if n := len(m.Places) - mostPlaces; n > 0 {
		p.line("           lost    and in %s more", formatCount(n, "place"))
	}
	if m.Cost > 0 {
		p.line("           costs   %s in the next backup, never a full", human.Size(m.Cost))
	}
	if m.Do != "" {
		p.line("           %s %s", p.arrow(), m.Do)
	}
}
