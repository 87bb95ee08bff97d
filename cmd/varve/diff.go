package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"time"

	"github.com/urfave/cli/v2"

	"varve/backup"
	"varve/internal/durable"
	"varve/internal/human"
	"varve/repository"
	"varve/revision"
)

func diffCommand(s *session) *command {
	var extents string
	return &command{
		name: "diff", group: everyDay, args: "VOLUME@A VOLUME@B", asks: true,
		summary: "tell where two revisions differ",
		about: `Compares two revisions, of one volume or of two, and lists the ranges in which
they differ, in blocks of 4 KiB. What only the longer one has differs too. Only
chunks that differ are read. The exit code is 0 either way.

Where stored data is damaged, all else is compared, what could not be is listed,
and the exit code is 3.`,
		example: `varve diff db1@yesterday db1@latest
varve diff db1@k3f9 db1-clone@latest --json
varve diff db1@latest~1 db1 --extents ranges    # all of them, OFFSET LENGTH a line`,
		codes: "3  stored data is damaged; what could not be compared is listed",
		flags: []cli.Flag{
			&cli.StringFlag{Name: "extents", Destination: &extents, Usage: "write all ranges to a new `FILE`; - is standard output"},
		},
		run: func(ctx context.Context, args []string) (result, error) { return runDiff(ctx, s, extents, args) },
	}
}

// How many ranges are kept in memory, and how many a person is shown.
const (
	keptRanges  = 100_000
	shownRanges = 20
)

// differs is the result of diff. Its fields are API.
type differs struct {
	A          side                `json:"a"`
	B          side                `json:"b"`
	Bytes      int64               `json:"bytes"`  // that differ
	Ranges     int64               `json:"ranges"` // in so many places
	Extents    []repository.Extent `json:"differing"`
	Omitted    int64               `json:"omitted"` // ranges beyond those listed
	Uncompared []repository.Extent `json:"uncompared"`
	Seconds    float64             `json:"seconds"`
	silent     bool                // the ranges went to standard output
}

// side is one of the two revisions. Its fields are API.
type side struct {
	Volume   revision.Name `json:"volume"`
	Revision revision.ID   `json:"revision"`
	Begun    time.Time     `json:"begun"`
	Size     uint64        `json:"size"`
}

func runDiff(ctx context.Context, s *session, extents string, args []string) (_ result, err error) {
	if extents == "-" && s.json {
		return nil, &usageError{Text: "--json and --extents - exclude each other: both are for standard output", Command: s.command}
	}
	repo, err := s.openRepository(toRead)
	if err != nil {
		return nil, err
	}
	defer s.close("close the repository", repo)
	var revs [2]repository.Revision
	for i, text := range args {
		if revs[i], err = s.choose(repo, text); err != nil {
			return nil, err
		}
	}
	s.doing = "diff of " + address(revs[0].Volume.Name, revs[0].ID) + " and " + address(revs[1].Volume.Name, revs[1].ID)
	rd, err := s.openReader(ctx, repo)
	if err != nil {
		return nil, err
	}
	defer s.close("end the lease", rd)
	var images [2]*repository.Image
	for i, rev := range revs {
		if images[i], err = rd.Image(ctx, rev.Volume, rev.ID); err != nil {
			return nil, err
		}
		defer s.close("close a revision", images[i])
	}
	out, err := s.rangeWriter(extents)
	if err != nil {
		return nil, err
	}
	d := &differs{A: sideOf(images[0]), B: sideOf(images[1]), Extents: []repository.Extent{}, Uncompared: []repository.Extent{}, silent: extents == "-"}
	err = d.compare(ctx, s, images, out)
	err = errors.Join(err, out.Close())
	s.noteDamage(ctx, repo, err)
	if damage := new(backup.DamageError); errors.As(err, &damage) {
		d.Uncompared = damage.Lost
		return d, err
	}
	if err != nil {
		return nil, err
	}
	return d, nil
}

func sideOf(im *repository.Image) side {
	st := im.Statement()
	return side{Volume: im.Volume().Name, Revision: st.ID, Begun: st.Begun.UTC(), Size: st.Size}
}

// compare compares, and counts what differs. Of the ranges, the first are kept.
func (d *differs) compare(ctx context.Context, s *session, images [2]*repository.Image, out io.Writer) error {
	opts := backup.DiffOptions{Meter: new(backup.Meter)}
	defer s.watch("comparing", meterOf(opts.Meter))()
	begun := time.Now()
	err := backup.Diff(ctx, images[0], images[1], func(e repository.Extent) error {
		d.Bytes += e.Length
		d.Ranges++
		if len(d.Extents) < keptRanges {
			d.Extents = append(d.Extents, e)
		} else {
			d.Omitted++
		}
		_, err := fmt.Fprintf(out, "%d %d\n", e.Offset, e.Length)
		return err
	}, opts)
	d.Seconds = time.Since(begun).Seconds()
	return err
}

// rangeWriter opens what the ranges are written to.
func (s *session) rangeWriter(name string) (io.WriteCloser, error) {
	switch name {
	case "":
		return &bufferedFile{Writer: bufio.NewWriter(io.Discard)}, nil
	case "-":
		return &bufferedFile{Writer: bufio.NewWriter(s.stdout)}, nil
	}
	dir, base := filepath.Split(name)
	tree, err := durable.OpenTree(filepath.Clean(dir + "."))
	if err != nil {
		return nil, fmt.Errorf("write the ranges: %w", err)
	}
	f, err := tree.Create(base)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("write the ranges: %w", err), tree.Close())
	}
	return &bufferedFile{Writer: bufio.NewWriter(io.NewOffsetWriter(f, 0)), closers: []io.Closer{f, tree}}, nil
}

// bufferedFile is what is written to a file, if there is one.
type bufferedFile struct {
	*bufio.Writer
	closers []io.Closer
}

// Close writes what is left.
func (b *bufferedFile) Close() error {
	err := b.Flush()
	for _, c := range b.closers {
		err = errors.Join(err, c.Close())
	}
	return err
}

func (d *differs) print(p *page) {
	if d.silent {
		return
	}
	a, b := address(d.A.Volume, d.A.Revision), address(d.B.Volume, d.B.Revision)
	switch {
	case d.Ranges == 0 && len(d.Uncompared) == 0:
		p.line("%s: every byte of %s", p.bold(a+" and "+b+" are the same"), human.Size(int64(d.A.Size)))
	case d.Ranges == 0:
		p.line("%s, as far as they could be compared", p.bold(a+" and "+b+" are the same"))
	default:
		p.line("%s: %s in %s (%s bytes)", p.bold(a+" and "+b+" differ"), human.Size(d.Bytes), formatCount(d.Ranges, "place"), formatBytes(d.Bytes))
	}
	if d.A.Size != d.B.Size {
		p.line("%-8s %s has %s bytes, %s has %s", "SIZES", a, formatBytes(int64(d.A.Size)), b, formatBytes(int64(d.B.Size)))
	}
	for i, x := range d.Extents {
		if i == shownRanges {
			p.line("... and %s more: --json or --extents FILE has them", formatCount(d.Ranges-shownRanges, "place"))
			break
		}
		p.line("%s", lineOf("DIFFERS", x))
	}
	for _, x := range d.Uncompared {
		p.line("%s", lineOf("UNKNOWN", x))
	}
}
