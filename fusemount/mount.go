package fusemount

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"syscall"
	"time"

	"github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"

	"varve/repository"
)

// Mounted is a repository that is mounted. The repository must stay open until Wait has
// returned.
type Mounted struct {
	repo   *repository.Repository
	opts   Options
	dir    string
	begun  time.Time
	server *fuse.Server

	listings   *listings
	images     imageTable
	cache      *cache
	decodes    decodeGroup
	buffers    buffers
	blocks     blockCounter
	layers     *layers // nil: nothing can be written to
	prefetches chan prefetch

	ctx        context.Context // of reads; it ends when the last request was served
	end        context.CancelFunc
	background sync.WaitGroup // what reads ahead, and renews
	ended      chan struct{}  // closed when all is over
	failure    error          // once it has ended

	unprotected sync.Once

	reportedMu sync.Mutex
	reported   map[reportedPiece]bool
}

// Mount shows the revisions of a repository below a directory, and returns when they can be
// looked at. What is dead there, because its process was killed, is unmounted first. The
// context is of mounting alone.
//
// Errors that say what is missing on this host are [*MissingError]; one that says that dir is
// in use, or no directory, is a [*PointError].
func Mount(ctx context.Context, repo *repository.Repository, dir string, opts Options) (*Mounted, error) {
	if err := ctx.Err(); err != nil {
		return nil, context.Cause(ctx)
	}
	opts = opts.withDefaults(repo)
	dir, err := preparePoint(dir)
	if err != nil {
		return nil, err
	}
	m := &Mounted{
		repo: repo, opts: opts, dir: dir, begun: time.Now(),
		listings:   newListings(repo, opts),
		images:     imageTable{open: map[imageKey]*openImage{}},
		cache:      newCache(opts.Cache),
		decodes:    decodeGroup{all: map[pieceKey]*decodeCall{}},
		prefetches: make(chan prefetch, 64),
		ended:      make(chan struct{}),
		reported:   map[reportedPiece]bool{},
	}
	m.ctx, m.end = context.WithCancel(context.Background())
	if err := m.openLayers(); err != nil {
		m.end()
		return nil, err
	}
	m.server, err = fs.Mount(dir, &dirNode{m: m}, m.fuseOptions())
	if err != nil {
		m.end()
		return nil, errors.Join(explain(dir, opts, err), m.layers.close(), m.cache.close())
	}
	for range workers() {
		m.background.Go(m.runPrefetches)
	}
	m.background.Go(m.keepRenewing)
	go m.serve()
	return m, nil
}

// maxRequest is the most bytes that the kernel asks for at once.
const maxRequest = 1 << 20

func (m *Mounted) fuseOptions() *fs.Options {
	flags, options := uintptr(syscall.MS_NOSUID|syscall.MS_NODEV), []string{"default_permissions"}
	switch {
	case m.opts.Writable:
	case syscall.Geteuid() == 0:
		flags |= syscall.MS_RDONLY
	default:
		options = append(options, "ro")
	}
	return &fs.Options{
		MountOptions: fuse.MountOptions{
			AllowOther: m.opts.AllowOther, FsName: m.opts.Source, Name: "varve",
			Options: options, DirectMountStrict: syscall.Geteuid() == 0, DirectMountFlags: flags,
			MaxWrite: maxRequest, MaxReadAhead: maxRequest, MaxBackground: 64,
			ExplicitDataCacheControl: true, // images do not change
			IgnoreSecurityLabels:     true,
			DisableSplice:            true,                                                     // what is handed out lies in memory
			Logger:                   slog.NewLogLogger(m.opts.Log.Handler(), slog.LevelDebug), // of single requests; nobody waits for some answers any more
		},
		NullPermissions: true,
		UID:             uint32(syscall.Geteuid()), GID: uint32(syscall.Getegid()),
		RootStableAttr: &fs.StableAttr{Ino: 1},
	}
}

// Dir is the mount point, as an absolute path.
func (m *Mounted) Dir() string { return m.dir }

// serve waits until the kernel has nothing to ask any more, and gives up all.
func (m *Mounted) serve() {
	m.server.Wait()
	m.end()
	m.background.Wait()
	m.closeImages()
	m.failure = errors.Join(m.layers.close(), m.cache.close())
	close(m.ended)
}

// Wait waits until nothing is mounted any more, whoever unmounted it, and until the last
// file is closed that was open.
func (m *Mounted) Wait() error {
	<-m.ended
	return m.failure
}

// Close unmounts, and waits as [Mounted.Wait] does. While somebody uses what is mounted, it
// fails with a [*BusyError], and all stays as it is. It may be called more than once.
func (m *Mounted) Close() error {
	select {
	case <-m.ended:
		return m.failure
	default:
	}
	if err := m.server.Unmount(); err != nil {
		select {
		case <-m.ended: // somebody else was faster
			return m.failure
		default:
		}
		return &BusyError{Dir: m.dir, Users: m.users(), Cause: err}
	}
	return m.Wait()
}
