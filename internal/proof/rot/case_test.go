package rot

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"slices"
	"strings"

	"varve/chunkstore"
	"varve/repository"
	"varve/revision"
)

// attempt is one way to hurt the reference.
type attempt struct {
	what    string
	changed files // general: what files hold afterwards
	hit     *hit  // or one byte within a frame
}

// hit is one byte of an object in a pack that becomes another.
type hit struct {
	pack string
	id   chunkstore.ID
	at   int
	to   byte
}

// bench tries attempts on a model. It belongs to one goroutine.
type bench struct {
	*model
	pack   string // of the session
	bytes  []byte // its own, which the session's files share
	open   *opened
	images map[int]*repository.Image

	quiet int64 // warnings that the reference gives by itself
	heard int64 // warnings that the last general case gave
}

func newBench(m *model) *bench { return &bench{model: m} }

// settle makes sure that the reference is what the model says, before any case, and
// learns how many warnings that gives.
func (b *bench) settle() error {
	b.quiet = -1
	if err := b.general(nil, true); err != nil {
		return err
	}
	b.quiet = b.heard
	return nil
}

// try looks at an attempt as deeply as it needs, or in full.
func (b *bench) try(a attempt, deep bool) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v\n%s", p, debug.Stack())
		}
		if err != nil {
			err = fmt.Errorf("%s: %w", a.what, err)
		}
	}()
	switch {
	case a.hit == nil:
		return b.general(a.changed, deep)
	case deep:
		hurt := slices.Clone(b.base.files[a.hit.pack])
		hurt[a.hit.at] = a.hit.to
		return b.general(files{a.hit.pack: hurt}, true)
	}
	return b.frame(a.hit)
}

// frame hurts an object while a reader has its pack open, and reads every content
// that is made of it.
func (b *bench) frame(h *hit) error {
	if err := b.session(h.pack); err != nil {
		return err
	}
	was := b.bytes[h.at]
	b.bytes[h.at] = h.to
	defer func() { b.bytes[h.at] = was }()
	after := b.base.after(files{h.pack: b.bytes})
	alive := b.alive(after, h.id)
	for _, u := range b.byID[h.id] {
		dead := !alive || slices.ContainsFunc(u.objects, func(id chunkstore.ID) bool { return id != h.id && !b.alive(after, id) })
		if err := b.readUnit(u, dead, b.image); err != nil {
			return err
		}
	}
	return nil
}

// session opens a repository in which one pack can be hurt.
func (b *bench) session(pack string) error {
	if b.pack == pack {
		return nil
	}
	b.end()
	b.pack, b.bytes = pack, slices.Clone(b.base.files[pack])
	var err error
	b.open, err = tryOpen(b.base.after(files{pack: b.bytes}))
	b.images = map[int]*repository.Image{}
	return err
}

func (b *bench) end() {
	for _, im := range b.images {
		_ = im.Close() // it was only read
	}
	if b.open != nil {
		b.open.close()
	}
	b.open, b.images, b.pack = nil, nil, ""
}

func (b *bench) image(kept int) (*repository.Image, error) {
	if im := b.images[kept]; im != nil {
		return im, nil
	}
	im, err := b.open.reader.Image(context.Background(), b.state[kept], b.ref.Kept[kept].ID)
	if err == nil {
		b.images[kept] = im
	}
	return im, err
}

// readUnit restores one place that has a content, and reads a part of it.
func (b *bench) readUnit(u *unit, dead bool, image func(int) (*repository.Image, error)) error {
	p := u.places[0]
	k := &b.ref.Kept[p.kept]
	im, err := image(p.kept)
	if err != nil {
		return err
	}
	e := repository.Extent{Offset: int64(p.index) * chunkSize}
	e.Length = min(chunkSize, k.Size-e.Offset)
	want := loss{}
	if dead {
		want.extents = []repository.Extent{e}
	}
	got, err := restore(im, k.picture(), &e)
	if err != nil {
		return fmt.Errorf("restore of %s at %d: %w", k, e.Offset, err)
	}
	if !got.equal(want) {
		return fmt.Errorf("restore of %s at %d reports %v lost, want %v", k, e.Offset, got.extents, want.extents)
	}
	return readPart(im, k.picture(), e)
}

// readPart reads some bytes in the middle: right ones, or an error of a known type.
func readPart(im *repository.Image, want *picture, e repository.Extent) error {
	got, right := make([]byte, min(700, e.Length/2)), make([]byte, min(700, e.Length/2))
	off := e.Offset + e.Length/3
	if _, err := im.ReadAt(got, off); err != nil {
		if corrupt := new(chunkstore.CorruptError); errors.As(err, &corrupt) || errors.Is(err, chunkstore.ErrNotFound) {
			return nil
		}
		return err
	}
	if _, err := want.ReadAt(right, off); err != nil {
		return err
	}
	if string(got) != string(right) {
		return fmt.Errorf("ReadAt gave wrong bytes at %d", off)
	}
	return nil
}

// general changes files, opens everything afresh and compares all that is said
// about every revision with what the model expects.
func (b *bench) general(changed files, deep bool) error {
	after := b.base.after(changed)
	o, err := tryOpen(after)
	if !b.describes(after) {
		return wantNoRepository(err)
	}
	if err != nil {
		return fmt.Errorf("open: %w", err)
	}
	defer o.close()
	listed, err := list(o.repo)
	if err != nil {
		return err
	}
	x := b.expect(changed)
	images := map[int]*repository.Image{}
	defer func() {
		for _, im := range images {
			_ = im.Close()
		}
	}()
	for i := range b.ref.Kept {
		k := &b.ref.Kept[i]
		rev, is := listed[key{k.Volume, k.ID}]
		if !is {
			return fmt.Errorf("%s is not listed", k)
		}
		delete(listed, key{k.Volume, k.ID})
		im, err := o.reader.Image(context.Background(), rev.Volume, k.ID)
		if err == nil {
			images[i] = im
			err = b.compare(i, im, x, deep)
		} else {
			err = wantUnreadable(rev, err, x.losses[i])
		}
		if err != nil {
			return fmt.Errorf("%s: %w", k, err)
		}
	}
	if err := errors.Join(b.strangers(o, listed), b.wantWarning(o, after, x)); err != nil || deep {
		return err
	}
	for u := range x.touched {
		image := func(i int) (*repository.Image, error) { return images[i], nil }
		if err := b.readUnit(u, x.dead[u], image); err != nil {
			return err
		}
	}
	return nil
}

// compare holds what the product says of a revision it opened against what is expected.
func (b *bench) compare(i int, im *repository.Image, x expected, deep bool) error {
	k, want := &b.ref.Kept[i], x.losses[i]
	if !deep && x.maps[i].none() {
		chunks, err := chunksOf(im)
		if err == nil && !sameChunks(chunks, b.chunks[i]) {
			err = errors.New("it resolves to other objects")
		}
		return err
	}
	got, err := restore(im, k.picture(), nil)
	if err == nil && !got.equal(want) {
		err = fmt.Errorf("restore reports %v lost, want %v", got, want)
	}
	if err != nil {
		return err
	}
	if got, err = verify(im); err == nil && !got.equal(want) {
		err = fmt.Errorf("verify reports %v lost, want %v", got, want)
	}
	return err
}

func chunksOf(im *repository.Image) (chunks []revision.Chunk, err error) {
	rows, err := im.Regions()
	if err != nil {
		return nil, err
	}
	for _, row := range rows {
		part, err := im.Chunks(row.Region)
		if err != nil {
			return nil, err
		}
		chunks = append(chunks, part...)
	}
	return chunks, nil
}

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
