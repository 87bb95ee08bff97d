package job_test

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"

	"varve/backup"
	"varve/config"
	"varve/hostlimit"
	"varve/internal/durable"
	"varve/internal/process"
	"varve/job"
	"varve/repository"
	"varve/revision"
	"varve/volume"
	"varve/volume/filevolume"
)

// bench is a directory with a repository, a source named disk, and a state.
type bench struct {
	t    *testing.T
	dir  string
	repo *repository.Repository
}

func newBench(t *testing.T) *bench {
	t.Helper()
	b := &bench{t: t, dir: t.TempDir()}
	b.write("disk", fmt.Sprintf("%0300000d", 7))
	tree, err := durable.OpenTree(b.mkdir("repo"))
	b.must(err)
	_, err = repository.Init(t.Context(), tree, repository.InitOptions{ChunkSize: 64 << 10})
	b.must(err)
	b.repo, err = repository.Open(tree, repository.Options{Command: "backup"})
	b.must(err)
	t.Cleanup(func() { b.must(b.repo.Close()) })
	return b
}

func (b *bench) must(err error) {
	b.t.Helper()
	if err != nil {
		b.t.Fatal(err)
	}
}

func (b *bench) path(name string) string { return filepath.Join(b.dir, name) }

func (b *bench) mkdir(name string) string {
	b.t.Helper()
	b.must(os.Mkdir(b.path(name), 0o755))
	return b.path(name)
}

func (b *bench) write(name, text string) {
	b.t.Helper()
	b.must(os.WriteFile(b.path(name), []byte(text), 0o644))
}

// read is what a file says; empty if there is none.
func (b *bench) read(name string) string {
	data, _ := os.ReadFile(b.path(name))
	return string(data)
}

// options are for jobs that nobody watches.
func (b *bench) options() job.Options {
	return job.Options{
		Open: b.open, Command: "backup", Repository: b.path("repo"), StateDir: b.path("state"),
	}
}

func (b *bench) open(_ context.Context, source string) (volume.Source, error) {
	at, err := volume.ParseLocation(source)
	if err != nil {
		return nil, err
	}
	return filevolume.Open(at.Path)
}

// job is that of a volume that is read from disk.
func (b *bench) job(name revision.Name) job.Job {
	return job.Job{Volume: name, Source: "file:" + b.path("disk")}
}

// made makes a revision behind the back of jobs; begun may be zero, for now.
func (b *bench) made(name revision.Name, begun time.Time) {
	b.t.Helper()
	src, err := b.open(b.t.Context(), b.job(name).Source)
	b.must(err)
	_, err = backup.Create(b.t.Context(), b.repo, src, backup.CreateOptions{Volume: name, Begun: begun})
	b.must(err)
}

// revisions is how many a volume has.
func (b *bench) revisions(name revision.Name) int {
	b.t.Helper()
	v, err := b.repo.Volume(name)
	if err != nil {
		return 0
	}
	all, err := b.repo.Revisions(v)
	b.must(err)
	return len(all)
}

// config is what a text says.
func (b *bench) config(format string, args ...any) *config.Config {
	b.t.Helper()
	c, err := config.Parse("varve.yaml", fmt.Appendf(nil, format, args...))
	b.must(err)
	return c
}

// holdSlot takes the only slot of the host, and returns what gives it back.
func (b *bench) holdSlot() (give func()) {
	b.t.Helper()
	host, err := hostlimit.Open(b.path("state"), hostlimit.Limits{Jobs: 1})
	b.must(err)
	slot, err := host.Acquire(b.t.Context(), hostlimit.Holder{Identity: process.Own("backup"), Volume: "held"}, 0, nil)
	b.must(err)
	return func() {
		b.must(slot.Close())
		b.must(host.Close())
	}
}

// stream is a source that cannot be read again.
func stream() volume.Source {
	return volume.NewStream(io.LimitReader(zeros{}, 100000), "standard input")
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

// cancelled is a context and what interrupts it.
func cancelled(t *testing.T) (context.Context, func()) {
	ctx, cancel := context.WithCancelCause(t.Context())
	t.Cleanup(func() { cancel(nil) })
	return ctx, func() { cancel(errInterrupted) }
}
