package rot

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"slices"

	"varve/chunkstore"
	"varve/repository"
	"varve/revision"
)

// attempt is one way to hurt the reference.
type attempt struct {
	what    string
	changed files  // general: what files hold afterwards
	hit     *hit   // or one byte within a frame
	cut     string // the pack that is cut short, if it is one
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

	brief bool  // of a pack that is cut short, look at the pack alone
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
	case a.cut != "" && b.brief && !deep:
		return b.cutPack(a)
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

// cutPack opens a repository with a pack that was cut short, and reads one of the contents for which that is needed:
// none of its objects is there, whatever its length. What comes of that for all the others is the same each time, and
// general looks at it often enough.
func (b *bench) cutPack(a attempt) error {
	after := b.base.after(a.changed)
	o, err := tryOpen(after)
	if err != nil {
		return fmt.Errorf("open: %w", err)
	}
	defer o.close()
	needing := b.byPack[a.cut]
	if len(needing) == 0 {
		return nil
	}
	u := needing[len(a.changed[a.cut])%len(needing)]
	dead := slices.ContainsFunc(u.objects, func(id chunkstore.ID) bool { return !b.alive(after, id) })
	kept := u.places[0].kept
	im, err := o.reader.Image(context.Background(), b.state[kept], b.ref.Kept[kept].ID)
	if err != nil {
		return err
	}
	defer func() { _ = im.Close() }() // it was only read
	return b.readUnit(u, dead, func(int) (*repository.Image, error) { return im, nil })
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
		if !is && b.onlyJournaled(i, changed) {
			continue
		}
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
	if err := errors.Join(b.strangers(o, listed), b.wantWarning(o, after, x)); err != nil {
		return err
	}
	if deep {
		return b.scrubbed(o, after, x, changed)
	}
	for u := range x.touched {
		image := func(i int) (*repository.Image, error) { return images[i], nil }
		if err := b.readUnit(u, x.dead[u], image); err != nil {
			return err
		}
	}
	return nil
}

// onlyJournaled tells whether nothing is left of a revision but its line in the
// journal: neither its file nor the copy, nor a revision that builds on it. A listing
// does not read years of journals for it.
func (b *bench) onlyJournaled(i int, changed files) bool {
	k := &b.ref.Kept[i]
	for _, name := range []string{k.file(), k.copy()} {
		if content, is := changed[name]; !is || content != nil {
			return false
		}
	}
	for j, chain := range b.chains {
		if j != i && slices.Contains(chain, i) {
			return false
		}
	}
	return true
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
