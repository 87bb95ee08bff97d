package backup

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"slices"

	"varve/revision"
	"varve/volume"
)

// A WrongSourceError reports a source that is not the one of the last revision and holds something else. Nothing was
// done.
type WrongSourceError struct {
	Volume         revision.Name
	Revision       revision.ID // whose blocks were compared
	Was, Now       revision.Source
	Sampled, Agree int // blocks
}

func (e *WrongSourceError) Error() string {
	what := fmt.Sprintf("%s does not hold what volume %q was backed up from: the source was %s", e.Now.Path, e.Volume, e.Was.Path)
	if e.Was.Path == e.Now.Path {
		what = fmt.Sprintf("%s is another than it was, and does not hold what volume %q was backed up from (was %s, is %s)",
			e.Now.Path, e.Volume, orUnknown(e.Was.Identity), orUnknown(e.Now.Identity))
	}
	return fmt.Sprintf("%s; of %d blocks of revision %s, %d agree", what, e.Sampled, e.Revision.Short(), e.Agree)
}

func orUnknown(identity string) string {
	if identity == "" {
		return "not known"
	}
	return identity
}

// describeSource says what the source is, as it is recorded.
func (c *creation) describeSource() revision.Source {
	source := c.src.Describe()
	return revision.Source{Kind: source.Kind, Path: source.Path, Identity: source.Stable, Text: source.String()}
}

// guardSource looks at the source before anything is done with it.
func (c *creation) guardSource(ctx context.Context) error {
	if c.feed != nil {
		return nil // of a stream, nothing can be seen beforehand
	}
	if err := c.warnOfFormat(patient{c}, c.snap.Size()); err != nil {
		return err
	}
	newest := newestOf(c.backup.Revisions(), nil)
	now := c.describeSource()
	if newest == nil || isSame(newest.Source, now) {
		return nil
	}
	was := newest.Source
	if !c.opts.SourceChanged {
		if err := c.compareSamples(ctx, was, now); err != nil {
			return err
		}
	}
	if was.Path != revision.Recorded(now.Path) {
		c.warn("the source is now %s, was %s", now.Path, was.Path)
	}
	return nil
}

// warnOfFormat says so if the source is a disk in a format, not a raw one.
func (c *creation) warnOfFormat(r io.ReaderAt, size int64) error {
	format, packed, err := volume.DetectFormat(r, size)
	if packed {
		c.warn("the source is %s: it is backed up as bytes, not as a disk; %s", format, cureOf(format))
	}
	return err
}

// cureOf says how to back up what is packed.
func cureOf(f volume.Format) string {
	switch f.Packing {
	case volume.DiskParts:
		return "the disk is in the files that it names: back up those"
	case volume.Compressed:
		return "back up what is in it, uncompressed: then what did not change is stored once"
	case volume.Archive:
		return "back up the disks in it"
	}
	return "to back up the disk, attach it (qemu-nbd --read-only --connect=/dev/nbd0) or convert it (qemu-img convert -O raw)"
}

// isSame tells whether two sources are known to be one. A path alone does not tell: a disk gets the name of another
// at the next boot.
func isSame(was, now revision.Source) bool {
	return was.Identity != "" && was.Kind == now.Kind && was.Path == revision.Recorded(now.Path) && was.Identity == revision.Recorded(now.Identity)
}

// Of sampled blocks, a tenth has to agree; fewer than a few say nothing.
const (
	sampleCount = 256
	sampleFew   = 16
	sampleTenth = 10
)

// compareSamples refuses a source that holds something else than the newest revision that can be read.
func (c *creation) compareSamples(ctx context.Context, was, now revision.Source) error {
	samples, id, err := c.takeSamples(ctx)
	if err != nil || len(samples) < sampleFew {
		return err
	}
	agree := 0
	for _, s := range samples {
		same, err := c.holds(s)
		if err != nil {
			return err
		}
		if same {
			agree++
		}
		if err := ctx.Err(); err != nil {
			return err
		}
	}
	if agree*sampleTenth >= len(samples) {
		return nil
	}
	return &WrongSourceError{
		Volume: c.opts.Volume, Revision: id, Was: was, Now: now, Sampled: len(samples), Agree: agree,
	}
}

// takeSamples takes them of the parent, or, for a full, of what would be the parent. Where nothing can be read
// there are none: a full is what helps then.
func (c *creation) takeSamples(ctx context.Context) (samples []sample, id revision.ID, err error) {
	if im := c.backup.Parent(); im != nil {
		return sampleImage(ctx, im, sampleCount), im.Statement().ID, ctx.Err()
	}
	rd, err := c.repo.NewReader(ctx)
	if err != nil {
		return nil, "", ctx.Err()
	}
	defer func() {
		if cerr := rd.Close(); cerr != nil {
			c.warn("end the reading of samples: %v", cerr)
		}
	}()
	for _, rev := range slices.Backward(c.backup.Revisions()) {
		im, err := rd.Image(ctx, c.backup.Volume(), rev.ID)
		if err != nil {
			continue
		}
		samples = sampleImage(ctx, im, sampleCount)
		if err := im.Close(); err != nil {
			c.warn("close revision %s: %v", rev.ID.Short(), err)
		}
		if len(samples) > 0 {
			return samples, rev.ID, ctx.Err()
		}
	}
	return nil, "", ctx.Err()
}

// holds tells whether the source has the sample, at its place.
func (c *creation) holds(s sample) (bool, error) {
	if s.offset+int64(len(s.data)) > c.snap.Size() {
		return false, nil
	}
	there := make([]byte, len(s.data))
	if n, err := c.readAt(there, s.offset); n < len(there) {
		return false, err
	}
	return bytes.Equal(there, s.data), nil
}
