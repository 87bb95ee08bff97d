package rot

import (
	"context"
	"fmt"
	"path"
	"slices"
	"strings"

	"varve/scrub"
)

// scrubbed makes sure that a scrub finds exactly what the model says is lost, of each
// revision, and tells of every file that is not what it was.
func (b *bench) scrubbed(o *opened, after *memory, x expected, changed files) error {
	report, err := scrub.Run(context.Background(), o.repo, scrub.Options{Workers: 1})
	if err != nil {
		return fmt.Errorf("scrub: %w", err)
	}
	lost := map[string]loss{}
	for _, l := range report.Losses() {
		lost[l.Volume.UUID.String()+string(l.Revision)] = loss{whole: l.Whole, extents: l.Extents}
	}
	for i := range b.ref.Kept {
		k := &b.ref.Kept[i]
		got, want := lost[k.UUID.String()+string(k.ID)], x.losses[i]
		if want.whole {
			want.extents = nil
		}
		if !got.equal(want) {
			return fmt.Errorf("scrub says that %s has lost %v, want %v; findings %s", k, got, want, told(report))
		}
		delete(lost, k.UUID.String()+string(k.ID))
	}
	if report.Count(scrub.Trouble) > 0 {
		return fmt.Errorf("scrub tells of trouble: %s", told(report))
	}
	for name := range changed {
		if err := b.named(after, report, name); err != nil {
			return err
		}
	}
	return nil
}

// named makes sure that a scrub tells of a file of content or of maps that is not what it was.
func (b *bench) named(after *memory, report *scrub.Report, name string) error {
	was, is := b.ref.Pristine[name]
	now, there := after.content(name)
	if is && there && string(now) == string(was) || !is && !there {
		return nil
	}
	kind := scrub.Kind("")
	switch {
	case strings.HasPrefix(path.Base(name), ".tmp-"), !is:
		return nil
	case strings.HasPrefix(name, "volumes/") && strings.HasSuffix(name, ".rev"):
		kind = scrub.Map
	case strings.HasPrefix(name, "copies/"):
		if !slices.ContainsFunc(b.ref.Kept, func(k kept) bool { return k.copy() == name }) {
			return nil // of one that counts as being purged, without it
		}
		kind = scrub.Copy
	case strings.HasPrefix(name, "varve.json"):
		kind = scrub.Descriptor
	case strings.HasSuffix(name, "volume.json"):
		if !slices.ContainsFunc(b.ref.Kept, func(k kept) bool { return path.Dir(k.file()) == path.Dir(name) }) {
			return nil // of a volume without revisions, it alone says which that is
		}
		kind = scrub.Volume
	case strings.HasPrefix(name, "packs/") && there && b.layout.packs[name] != nil:
		// Of a copy that was known to be hurt, and that nothing is lost by, it is a note.
		if slices.ContainsFunc(report.Findings, func(f scrub.Finding) bool {
			return (f.Kind == scrub.Pack || f.Kind == scrub.Frame) && f.Grade != scrub.Trouble && f.Path == name
		}) {
			return nil
		}
		return fmt.Errorf("scrub does not tell of %s: %s", name, told(report))
	default:
		return nil
	}
	if slices.ContainsFunc(report.Findings, func(f scrub.Finding) bool {
		return f.Path == name && (f.Kind == kind || kind == scrub.Map && f.Kind == scrub.Revision)
	}) {
		return nil
	}
	return fmt.Errorf("scrub does not tell of %s as of a %s: %s", name, kind, told(report))
}

func told(r *scrub.Report) string {
	var out strings.Builder
	for _, f := range r.Findings {
		fmt.Fprintf(&out, "\n  %s %s %s at %d: %s, lost %v", f.Grade, f.Kind, f.Path, f.Offset, f.Cause, f.Lost)
	}
	return out.String()
}
