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

	listings *listings
	shelf    shelf
	cache    *cache
	flights  flights
	buffers  buffers
	holes    holes
	layers   *layers // nil: nothing can be written to
	errands  chan errand

	ctx     context.Context // of reads; it ends when the last request was served
	end     context.CancelFunc
	helpers sync.WaitGroup // who reads ahead, and renews
	ended   chan struct{}  // closed when all is over
	failure error          // once it has ended

	unprotected sync.Once

	lostMu sync.Mutex
	lost   map[lostPlace]bool
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
		listings: newListings(repo, opts),
		shelf:    shelf{images: map[imageKey]*opened{}},
		cache:    newCache(opts.Cache),
		flights:  flights{all: map[pieceKey]*flight{}},
		errands:  make(chan errand, 64),
		ended:    make(chan struct{}),
		lost:     map[lostPlace]bool{},
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
		m.helpers.Go(m.runErrands)
	}
	m.helpers.Go(m.keepRenewing)
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
	m.helpers.Wait()
	m.closeShelf()
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

// Modes of what is shown. Others see as much as they are let.
const (
	ownDir, otherDir   = 0o500, 0o555
	ownFile, otherFile = 0o400, 0o444
	ownWrites          = 0o200 // of images that can be written to
)

// changed is when anything of a volume last changed, or when this was mounted.
func (m *Mounted) changed(f *folder) time.Time {
	if f != nil && f.volume != nil {
		if stamp, err := m.repo.RevisionsStamp(*f.volume); err == nil {
			return stamp.Changed()
		}
	}
	return m.begun
}

func (m *Mounted) dirAttr(out *fuse.Attr, changed time.Time) {
	out.Mode = syscall.S_IFDIR | m.mode(ownDir, otherDir)
	out.Nlink = 2
	out.SetTimes(&changed, &changed, &changed)
	m.own(out)
}

func (m *Mounted) fileAttr(out *fuse.Attr) {
	out.Mode = syscall.S_IFREG | m.mode(ownFile, otherFile)
	if m.layers != nil {
		out.Mode |= ownWrites
	}
	out.Nlink, out.Blksize = 1, 4096
	m.own(out)
}

func (m *Mounted) noteAttr(out *fuse.Attr) {
	out.Mode = syscall.S_IFREG | m.mode(ownFile, otherFile)
	out.Nlink = 1
	m.own(out)
}

func (m *Mounted) linkAttr(l *linkNode, out *fuse.Attr) {
	out.Mode, out.Size = syscall.S_IFLNK|0o777, uint64(len(l.target))
	out.Nlink = 1
	at := l.id.Begun()
	out.SetTimes(&at, &at, &at)
	m.own(out)
}

func (m *Mounted) mode(own, other uint32) uint32 {
	if m.opts.AllowOther {
		return other
	}
	return own
}

func (m *Mounted) own(out *fuse.Attr) {
	out.Uid, out.Gid = uint32(syscall.Geteuid()), uint32(syscall.Getegid())
}

// statfs tells of the file system of the repository.
func (m *Mounted) statfs(out *fuse.StatfsOut) syscall.Errno {
	available, total, err := m.repo.Free()
	if err != nil {
		return m.trouble("the free space of the repository is not known", err)
	}
	out.Bsize, out.Frsize, out.NameLen = 4096, 4096, 255
	out.Blocks, out.Bfree, out.Bavail = uint64(total)/4096, uint64(available)/4096, uint64(available)/4096
	return 0
}

// trouble logs what went wrong, and gives what the kernel is told of it.
func (m *Mounted) trouble(what string, err error, args ...any) syscall.Errno {
	m.opts.Log.Warn(what, append(args, "error", err)...)
	return syscall.EIO
}
