package rot

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"varve/repository"
	"varve/revision"
)

// key is a revision as it is listed.
type key struct {
	volume revision.Name
	id     revision.ID
}

// list gives the revisions of all volumes. A volume that cannot be read may be in
// the error, if that says what is wrong with its file.
func list(repo *repository.Repository) (map[key]repository.Revision, error) {
	volumes, err := repo.Volumes()
	if damaged := new(repository.DamagedFileError); err != nil && !errors.As(err, &damaged) {
		return nil, fmt.Errorf("list volumes: %w", err)
	}
	listed := map[key]repository.Revision{}
	for _, v := range volumes {
		revisions, err := repo.Revisions(v)
		if err != nil {
			return nil, fmt.Errorf("list %s: %w", v.Name, err)
		}
		for _, rev := range revisions {
			listed[key{v.Name, rev.ID}] = rev
		}
	}
	return listed, nil
}

// wantUnreadable makes sure that a revision which cannot be opened is lost, and
// that the listing said so, too.
func wantUnreadable(rev repository.Revision, err error, want loss) error {
	got, err := judged(err)
	switch {
	case err != nil:
		return fmt.Errorf("open: %w", err)
	case !got.equal(want):
		return fmt.Errorf("it cannot be opened; lost is %v", want)
	case rev.Info.State != repository.Damaged:
		return fmt.Errorf("it cannot be opened, and is listed as %s", rev.Info.State)
	}
	return nil
}

// strangers are listed and never were: they are called damaged and do not open. A
// volume without revisions that got the uuid of another may show that one's, from
// their copies; then their bytes are right.
func (b *bench) strangers(o *opened, listed map[key]repository.Revision) error {
	for id, rev := range listed {
		im, err := o.reader.Image(context.Background(), rev.Volume, id.id)
		i := slices.IndexFunc(b.ref.Kept, func(k kept) bool { return k.ID == id.id && k.UUID == rev.Volume.UUID })
		if err == nil && i >= 0 {
			_, err = restore(im, b.ref.Kept[i].picture(), nil)
			if err := errors.Join(err, im.Close()); err != nil {
				return err
			}
			continue
		}
		if damaged := new(repository.DamagedRevisionError); !errors.As(err, &damaged) || rev.Info.State != repository.Damaged {
			return fmt.Errorf("%v never was, is listed as %s and opens with %v", id, rev.Info.State, err)
		}
	}
	return nil
}

// describes tells whether one copy of the descriptor is whole.
func (b *bench) describes(after *memory) bool {
	for _, name := range []string{"varve.json", "varve.json.copy"} {
		if now, is := after.content(name); is && string(now) == string(b.ref.Pristine[name]) {
			return true
		}
	}
	return false
}

func wantNoRepository(err error) error {
	damaged := new(repository.DamagedFileError)
	if errors.As(err, &damaged) || errors.Is(err, repository.ErrNoRepository) {
		return nil
	}
	return fmt.Errorf("open without a descriptor = %w", err)
}

// wantWarning makes sure that damage is told where a copy stands in and no error
// does: of descriptors, the generation that counts, and revisions' own files.
func (b *bench) wantWarning(o *opened, after *memory, x expected) error {
	b.heard = o.warned.Load()
	if slices.ContainsFunc(x.maps, func(l loss) bool { return !l.none() }) {
		return nil // told as a loss
	}
	for name := range after.changed {
		now, there := after.content(name)
		telling := strings.HasPrefix(name, "varve.json") || name == "gc/2.json" && there ||
			strings.HasPrefix(name, "volumes/") && strings.HasSuffix(name, ".rev") && b.ref.Pristine[name] != nil
		if telling && string(now) != string(b.ref.Pristine[name]) && b.heard <= b.quiet {
			return fmt.Errorf("nothing was said of the damage of %s", name)
		}
	}
	return nil
}
