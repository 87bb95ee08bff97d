package drill

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"syscall"
	"time"

	"varve/disk"
	"varve/fusemount"
	"varve/loopmount"
	"varve/repository"
)

// Options tunes [Run].
type Options struct {
	// Serve starts the process that serves the image, for writing. Run closes it.
	Serve func() (*fusemount.Server, error)
	// Room is the words by which this program, started anew, comes to [Room], with the image as its file 3.
	Room []string
	// Tools are the directories in which the programs that check are looked for.
	Tools []string
	// Command is for /bin/sh, and is run where all file systems are mounted; empty: there is none.
	Command string
	// CommandTimeout bounds it; zero means ten minutes.
	CommandTimeout time.Duration
	// CheckTimeout bounds the check of each file system; zero means four hours.
	CheckTimeout time.Duration
	// Sample is how many chunks are read, at most, to measure; zero means 256.
	Sample int
	// OnStep is told what is being done; nil: nobody is.
	OnStep func(text string)
}

// spare is how much longer than all that it does the room may take.
const spare = 5 * time.Minute

func (o Options) withDefaults() Options {
	if o.CommandTimeout == 0 {
		o.CommandTimeout = 10 * time.Minute
	}
	if o.CheckTimeout == 0 {
		o.CheckTimeout = 4 * time.Hour
	}
	if o.Sample == 0 {
		o.Sample = 256
	}
	if o.OnStep == nil {
		o.OnStep = func(string) {}
	}
	return o
}

// Run drills a revision. An error says that it could not be done, or that nothing of the revision can be read, by which stored data is
// damaged; all else is in the result.
func Run(ctx context.Context, repo *repository.Repository, rev repository.Revision, opts Options) (r *Result, err error) {
	if os.Geteuid() != 0 {
		return nil, loopmount.ErrNotRoot
	}
	opts = opts.withDefaults()
	opts.OnStep("opening the image")
	begun := time.Now()
	server, err := opts.Serve()
	if err != nil {
		return nil, err
	}
	closed := false
	defer func() {
		if !closed {
			err = errors.Join(err, server.Close())
		}
	}()
	image, err := server.OpenWritable()
	if err != nil {
		return nil, whyNotOpen(ctx, repo, rev, err)
	}
	defer func() { _ = image.Close() }() // it was closed before, unless there was an error
	r = new(Result)
	readable, err := r.readFirst(image, begun)
	if err != nil {
		return nil, err
	}
	if readable {
		err = r.look(ctx, repo, rev, opts)
	}
	if err == nil && r.worthwhile() {
		err = r.use(ctx, server, image, rev, opts)
	}
	// Only now all is known: what is told of the image comes by another way than what is told by the room.
	closed = true
	if err := errors.Join(err, image.Close(), server.Close()); err != nil {
		return nil, err
	}
	r.addMishaps(server.Mishaps())
	r.judge()
	return r, nil
}

// whyNotOpen finds the reason for which an image cannot be opened: the kernel knows no more than a number.
func whyNotOpen(ctx context.Context, repo *repository.Repository, rev repository.Revision, err error) error {
	rd, rerr := repo.NewReader(ctx)
	if rerr != nil {
		return errors.Join(err, rerr)
	}
	image, rerr := rd.Image(ctx, rev.Volume, rev.ID)
	if rerr != nil {
		return errors.Join(rerr, rd.Close())
	}
	return errors.Join(fmt.Errorf("open the image: %w", err), image.Close(), rd.Close())
}

// readFirst reads the first byte. That it cannot be read, the one that serves the image has the reason of.
func (r *Result) readFirst(image *os.File, begun time.Time) (readable bool, err error) {
	_, err = image.ReadAt(make([]byte, 1), 0)
	r.Reading.FirstByte = time.Since(begun)
	switch {
	case errors.Is(err, syscall.EIO):
		return false, nil
	case err != nil && !errors.Is(err, io.EOF):
		return false, fmt.Errorf("read the image: %w", err)
	}
	return true, nil
}

// look measures how fast the image is read, and finds what lies on it.
func (r *Result) look(ctx context.Context, repo *repository.Repository, rev repository.Revision, opts Options) (err error) {
	rd, err := repo.NewReader(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, rd.Close()) }()
	image, err := rd.Image(ctx, rev.Volume, rev.ID)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, image.Close()) }()
	opts.OnStep("measuring how fast it is read")
	if err := r.measure(ctx, repo, image, opts.Sample); err != nil || len(r.Mishaps) > 0 {
		return err
	}
	watched := &watchedReader{r: image}
	layout, err := disk.Look(watched, image.Size())
	if watched.err != nil {
		return r.met(ctx, repo, watched.off, watched.length, watched.err)
	}
	if err != nil {
		return err
	}
	r.Table = layout.Table
	for _, p := range layout.Parts {
		r.Parts = append(r.Parts, newPart(p))
	}
	if layout.Problem != "" {
		r.Parts = append(r.Parts, Part{Part: disk.Part{Content: disk.Content{Kind: disk.Unknown}}, Outcome: Failed, Reason: layout.Problem})
	}
	return nil
}

// A watchedReader remembers why a read failed first.
type watchedReader struct {
	r           io.ReaderAt
	err         error
	off, length int64
}

// ReadAt implements [io.ReaderAt].
func (w *watchedReader) ReadAt(p []byte, off int64) (int, error) {
	n, err := w.r.ReadAt(p, off)
	if err != nil && !errors.Is(err, io.EOF) && w.err == nil {
		w.err, w.off, w.length = err, off, int64(len(p))
	}
	return n, err
}

// worthwhile tells whether there is anything to be used.
func (r *Result) worthwhile() bool {
	if len(r.Mishaps) > 0 {
		return false
	}
	for i := range r.Parts {
		if r.Parts[i].isToCheck() {
			return true
		}
	}
	return false
}

// use has what lies on the disk used in the room.
func (r *Result) use(ctx context.Context, server *fusemount.Server, image *os.File, rev repository.Revision, opts Options) error {
	o := order{
		Table: r.Table != disk.NoTable, Tools: opts.Tools, CheckTimeout: opts.CheckTimeout,
		Command: opts.Command, CommandTimeout: opts.CommandTimeout, Volume: rev.Volume.Name.String(), Revision: string(rev.ID),
	}
	limit := spare
	for i := range r.Parts {
		if r.Parts[i].isToCheck() {
			o.Parts = append(o.Parts, r.Parts[i].Part)
			limit += opts.CheckTimeout
		}
	}
	if o.Command != "" {
		limit += opts.CommandTimeout
	}
	return r.inRoom(ctx, server, image, o, limit, opts)
}

// addMishaps adds what others than this process met, unless it was met here.
func (r *Result) addMishaps(all []fusemount.Mishap) {
	for _, t := range all {
		known := false
		for _, have := range r.Mishaps {
			known = known || have.Kind == t.Kind && t.Offset >= have.Offset && t.Offset < have.Offset+have.Length
		}
		if !known {
			r.Mishaps = append(r.Mishaps, t)
		}
	}
}
