package repository

import (
	"context"
	"errors"
	"slices"

	"varve/chunkstore"
)

// mendObjects stores again, under their names, the objects that are lost and can be had: from
// packs that cannot be opened, what was put aside, and then donors in their order.
func (p *repairer) mendObjects(ctx context.Context) error {
	if len(p.losses.wanted()) == 0 {
		return nil
	}
	if err := p.salvage(ctx); err != nil {
		return err
	}
	donors := []contentDonor{&ownDonor{p: p}}
	for _, s := range p.opts.Sources {
		donors = append(donors, &sourceDonor{s})
	}
	for _, other := range p.others {
		donors = append(donors, other)
	}
	for _, d := range donors {
		if len(p.losses.wanted()) == 0 {
			return nil
		}
		p.opts.Step("looking for what is lost in " + d.from().String())
		if other, is := d.(*otherRepository); is && other.kin {
			if err := p.takeObjects(ctx, other); err != nil {
				return err
			}
		}
		if err := p.takeContents(ctx, d); err != nil {
			return err
		}
	}
	return nil
}

// again stores a lost object, if it is lost still, and a volume needs it that is repaired.
func (p *repairer) again(ctx context.Context, name objectName, plain []byte, from Origin) error {
	o := p.losses.objects[name]
	if o == nil || !o.asked || !o.from.IsZero() {
		return nil
	}
	if err := p.openWriter(ctx); err != nil {
		return err
	}
	put, err := p.chunks.PutObject(ctx, name.kind, name.id, plain)
	if err != nil {
		return err
	}
	o.from = from
	p.result.Stored += put.Stored
	return nil
}

// salvage takes lost objects out of packs that cannot be opened, and out of those that were
// put aside.
func (p *repairer) salvage(ctx context.Context) error {
	names := []string{}
	for _, pack := range p.losses.packs {
		names = append(names, pack.name)
	}
	evidence, err := p.repo.Evidence()
	if err != nil {
		p.trouble(err)
	}
	for _, e := range evidence {
		names = append(names, e.Name)
	}
	for _, name := range names {
		if len(p.losses.wanted()) == 0 {
			break
		}
		p.opts.Step("looking for what is lost in " + name)
		err := p.repo.store.Salvage(ctx, name, func(kind chunkstore.Kind, id chunkstore.ID, plain []byte) error {
			return p.again(ctx, objectName{kind, id}, plain, Origin{OriginFrames, name})
		})
		if err == nil {
			continue
		}
		if p.chunks != nil && p.chunks.Err() != nil || ends(ctx, err) {
			return err
		}
		p.trouble(err)
	}
	return p.barrier(ctx)
}

// barrier makes durable what was stored so far.
func (p *repairer) barrier(ctx context.Context) error {
	if p.chunks == nil {
		return ctx.Err()
	}
	return p.chunks.Barrier(ctx)
}

// takeObjects takes lost objects over from another repository of the lineage, by their names.
func (p *repairer) takeObjects(ctx context.Context, other *otherRepository) error {
	where, err := other.locate(ctx, p.losses)
	if err != nil {
		return err
	}
	var buf []byte
	for _, o := range p.losses.wanted() {
		pack, has := where[o.objectName]
		if !has {
			continue
		}
		plain, err := other.reader.chunks.ReadObject(ctx, chunkstore.Ref{ID: o.id, Pack: pack}, o.kind, buf)
		if err != nil {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			p.repo.opts.Log.Info("an object is not to be had from there", "repository", other.name, "error", err)
			continue
		}
		buf = plain
		if err := p.again(ctx, o.objectName, plain, other.from()); err != nil {
			return err
		}
	}
	return p.barrier(ctx)
}

// takeContents makes lost objects of the contents that chunks had: first whole chunks, then
// patches, whose bytes follow from what they were put on and what came of it. Entries for
// which that is not enough note the donor that has their content.
func (p *repairer) takeContents(ctx context.Context, d contentDonor) error {
	for _, h := range p.losses.hurt() {
		name := objectName{chunkstore.Chunk, h.entry.Content}
		if p.losses.objects[name] == nil || !p.losses.objects[name].from.IsZero() {
			continue
		}
		plain, err := p.contentOf(ctx, h, d)
		if err != nil {
			return err
		}
		if plain == nil {
			continue
		}
		if err := p.again(ctx, name, plain, d.from()); err != nil {
			return err
		}
	}
	if err := p.barrier(ctx); err != nil {
		return err
	}
	for _, h := range p.losses.hurt() { // by number: what a patch lies on comes before it
		if h.from != nil {
			continue
		}
		plain, err := p.contentOf(ctx, h, d)
		if err != nil {
			return err
		}
		if plain == nil {
			continue
		}
		made, err := p.remake(ctx, h, plain, d.from())
		if err != nil {
			return err
		}
		if !made {
			h.from = d
		}
	}
	return p.barrier(ctx)
}

// contentOf asks a donor for the content of a chunk, and holds it against the name that the
// map records; nil: it has it not.
func (p *repairer) contentOf(ctx context.Context, h *hurtEntry, d contentDonor) (content []byte, err error) {
	err = d.contents(ctx, h, func(plain []byte) bool {
		if len(plain) == p.repo.desc.ChunkSize && p.repo.names.ChunkID(plain) == h.entry.Content {
			content = plain
		}
		return content != nil
	})
	if err != nil {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if content == nil {
			p.repo.opts.Log.Info("a chunk is not to be had from there", "place", h.String(), "donor", d.from(), "error", err)
		}
	}
	return content, nil
}

// remake makes a patch again, if that is all that an entry lacks: of what the parent holds and
// of the content, the very same bytes come out that were stored.
func (p *repairer) remake(ctx context.Context, h *hurtEntry, plain []byte, from Origin) (made bool, err error) {
	lost := p.losses.of(h.stack)
	n := len(h.stack.Patches)
	if len(lost) != 1 || n == 0 || lost[0].id != h.stack.Patches[n-1].ID || lost[0].kind != chunkstore.Patch {
		return false, nil
	}
	below, fp, err := p.readBelow(ctx, h)
	if below == nil || err != nil {
		return false, err
	}
	patch, _ := chunkstore.AppendPatch(nil, below, plain, fp, h.entry.Fingerprint)
	if p.repo.names.PatchID(patch) != lost[0].id {
		return false, nil
	}
	return true, p.again(ctx, lost[0].objectName, patch, from)
}

// readBelow reads what the parent of a revision holds of a chunk, if its own map puts one patch
// on that; nil: it cannot be read, or is not what the patch was put on.
func (p *repairer) readBelow(ctx context.Context, h *hurtEntry) (below []byte, fp chunkstore.Fingerprint, err error) {
	im, err := p.reader.Image(ctx, h.place.Volume, h.place.Revision)
	if err != nil {
		return nil, fp, ctx.Err()
	}
	parent := im.Statement().Parent
	if err := im.Close(); err != nil {
		return nil, fp, err
	}
	if parent == nil || len(h.entry.Patches) != 1 {
		return nil, fp, nil
	}
	if im, err = p.reader.Image(ctx, h.place.Volume, parent.ID); err != nil {
		return nil, fp, ctx.Err()
	}
	defer func() { err = errors.Join(err, im.Close()) }()
	c, is, err := im.Chunk(h.entry.Index)
	if err != nil || !is {
		return nil, fp, ctx.Err()
	}
	buf := make([]byte, p.repo.desc.ChunkSize)
	if err := im.ReadChunk(ctx, c, buf); err != nil {
		return nil, fp, ctx.Err()
	}
	return buf, c.Fingerprint, nil
}

// settle ends the run that stored objects, once each of them was read back, says what became
// of all that was lost, and puts packs aside that nothing needs any more.
func (p *repairer) settle(ctx context.Context) error {
	before := p.losses
	now, err := p.survey(ctx)
	if err != nil {
		return err
	}
	if len(before.objects) > 0 {
		p.account(before, now)
	}
	if err := p.putPacksAside(ctx, before, now); err != nil {
		return err
	}
	p.losses = now
	if err := p.recordSpared(ctx, now); err != nil {
		return err
	}
	if p.recorded {
		return p.finished()
	}
	return nil
}

// recordSpared remembers which of the copies that are hurt take nothing away any more. While a map
// cannot be read, which may need anything, nothing is known of that.
func (p *repairer) recordSpared(ctx context.Context, now *losses) error {
	if now.hidden {
		return nil
	}
	known, err := p.repo.KnownDamage()
	if err != nil {
		return err
	}
	spared := map[chunkstore.Copy]bool{}
	for _, k := range known {
		if k.Kind != 0 {
			spared[k.Copy] = now.objects[objectName{k.Kind, k.ID}] == nil
		}
	}
	return p.repo.RecordSpared(ctx, spared)
}

// account says of each object that was lost what became of it. One that nothing names any more
// is made good by what the maps say instead.
func (p *repairer) account(before, now *losses) {
	for _, o := range before.inOrder() {
		m := Mending{Kind: o.kind, Object: o.id, Cause: "no good copy of it is left", From: o.from, Path: chunkstore.PackName(o.packs[0]), Pack: o.packs[0]}
		left := now.objects[o.objectName]
		switch {
		case !o.asked:
			continue // others need it, and it was not to be repaired
		case left == nil && !m.Mended():
			m.From = p.rewrittenFrom(before, o)
		case left != nil:
			m.From, m.Why = Origin{}, p.whyLost(before, left)
			for _, h := range now.entries {
				if slices.Contains(now.of(h.stack), left) {
					m.Places = append(m.Places, h.place)
				}
			}
			for place := range left.cost {
				m.Cost += place.Extent.Length
			}
		}
		p.result.Mendings = append(p.result.Mendings, m)
	}
}

// rewrittenFrom tells where the content came from that stands in for an object.
func (p *repairer) rewrittenFrom(before *losses, o *lostObject) Origin {
	for _, h := range before.entries {
		if h.from != nil && slices.Contains(before.of(h.stack), o) {
			return h.from.from()
		}
	}
	return Origin{Kind: OriginUnneeded}
}

func (p *repairer) whyLost(before *losses, left *lostObject) error {
	if o := before.objects[left.objectName]; o != nil && !o.from.IsZero() {
		return errNotStored
	}
	asked := []Origin{{Kind: OriginElsewhere}}
	for _, s := range p.opts.Sources {
		if from := (Origin{OriginSource, s.Name}); !slices.Contains(asked, from) { // several volumes may have one
			asked = append(asked, from)
		}
	}
	for _, other := range p.others {
		asked = append(asked, other.from())
	}
	return &NowhereError{Asked: asked}
}
