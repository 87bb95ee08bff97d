package backup

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"

	"varve/chunkstore"
	"varve/repository"
	"varve/revision"
	"varve/volume"
)

// DefaultCompareAll is the number of backups within which every chunk is compared
// with the source, those too that a change tracker calls unchanged.
const DefaultCompareAll = 14

// CreateOptions tunes [Create]. Only Volume has to be given.
type CreateOptions struct {
	Volume         revision.Name
	Tags           []string
	Note           string
	Full           bool              // no parent; trust nothing that is stored
	ReadAll        bool              // believe no tracker and no hole
	SourceChanged  bool              // the source is another than it was, and is meant to be
	Codec          *chunkstore.Codec // for new objects; nil: the repository's own
	BytesPerSecond int64             // read from the source; zero: no limit
	Wait           time.Duration     // for another backup of the volume; zero: fail at once
	Begun          time.Time         // when the source was as it is read, of history that is brought along; zero: now
	StreamSize     int64             // how long a stream has to be; zero: any length
	CompareAll     int               // zero means DefaultCompareAll
	CompareHoles   int64             // of what CompareAll asks for, so many bytes of holes at most; zero means 8 GiB
	Workers        int               // chunks in flight; zero chooses
	Meter          *Meter            // may be nil
	Log            *slog.Logger      // nil discards

	// Open gives the source, in the place of src, once nobody else backs the volume up;
	// done, if it is not nil, is called with what came of the backup (nil: nothing)
	// when the source is not read any more, and still nobody else does. After an error
	// there is no backup, and done is called too. An error of done is an alarm. Nil: src
	// is the source.
	Open func(ctx context.Context) (src volume.Source, done func(*revision.Statement) error, err error)
	// Former opens the source that the newest revision was read from, if that is another
	// and a snapshot was kept on it, so that this goes when the backup has succeeded. Nil:
	// it stays.
	Former func(ctx context.Context, was revision.Source) (volume.Source, error)
	// Freeze is called just before the source's snapshot is taken, and what it returns
	// when reading can do without: right after, of a snapshot that is independent of its
	// source, or else when reading has ended. After an error nothing is to be thawed, and
	// the backup has failed. An error of the thaw is a finding, a [*ThawError]. Nil: none.
	Freeze func(ctx context.Context) (thaw func() error, err error)
	// Admit is asked before each read of n bytes of the source, by many goroutines, and
	// returns when that may be. Its error fails the backup. Nil: at once.
	Admit func(ctx context.Context, n int) error
	// MinFree tells, at first and before each new pack, whether so many bytes available
	// in the repository, of so many in all, are enough; if not, its error ends the
	// backup, as a [*RoomError]. Nil: they always are.
	MinFree func(available, total int64) error
	// StallTimeout is how long one read of the source may take, streams aside; longer is
	// a [*StallError]. Zero: any time.
	StallTimeout time.Duration
}

func (o CreateOptions) withDefaults() CreateOptions {
	if o.CompareAll <= 0 {
		o.CompareAll = DefaultCompareAll
	}
	if o.CompareHoles <= 0 {
		o.CompareHoles = defaultCompareHoles
	}
	o.Workers, o.Meter = orDefault(o.Workers), orNew(o.Meter)
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return o
}

// orDefault is the number of workers that was asked for; by default, one that keeps
// every core busy while some of them wait for a disk.
func orDefault(workers int) int {
	if workers > 0 {
		return workers
	}
	return max(4, min(2*runtime.GOMAXPROCS(0), 16))
}

// Result is a revision that was made.
type Result struct {
	Statement *revision.Statement
	Parent    *revision.Statement // nil for a full
	// Findings are what is wrong with stored data, or with what a change tracker
	// said, and a source that was not thawed. The revision is good all the same: it was
	// made without relying on them.
	Findings []Finding
	Warnings []string
	Alarms   []string // of Warnings, those that somebody has to look at
	// Left is where the volume was read from before, if the snapshot stays that was kept there: one of Warnings says why. Empty: none does.
	Left string
}

// creation is one run of Create.
type creation struct {
	opts  CreateOptions
	repo  *repository.Repository
	src   volume.Source
	limit *rate.Limiter // nil: none
	set   string        // the id of the set that the revision is of; empty: of none
	begun time.Time

	backup   *repository.Backup
	quiet    func()                          // nobody is told any more how far the backup is
	done     func(*revision.Statement) error // [CreateOptions.Open]'s; nil: it was not asked
	source   string                          // for people
	hold     hold
	snap     volume.Snapshot
	feed     *feed // of a volume whose size is not known; nil: it is
	geo      geometry
	filled   filled
	result   Result
	prepared *revision.Statement // of one of a set, that is not visible yet
	found    findings

	reads   sync.WaitGroup // of the source, when they may stall
	stalled atomic.Bool    // one did
}

// Create makes a revision of the source. When it returns a result and no error,
// the revision is in the repository and survives a power cut, whatever Findings
// and Warnings say. With an error there is no new revision, unless it wraps
// [repository.ErrUndecided], and nothing that was there before has changed.
func Create(ctx context.Context, repo *repository.Repository, src volume.Source, opts CreateOptions) (*Result, error) {
	c := newCreation(repo, src, opts)
	err := c.run(ctx)
	c.journal(interruptedBy(ctx, err))
	if err != nil {
		return nil, fmt.Errorf("back up volume %q: %w", opts.Volume, err)
	}
	return &c.result, nil
}

func newCreation(repo *repository.Repository, src volume.Source, opts CreateOptions) *creation {
	c := &creation{opts: opts.withDefaults(), repo: repo, src: src, begun: time.Now()}
	if opts.BytesPerSecond > 0 {
		c.limit = newLimit(opts.BytesPerSecond, repo.ChunkSize())
	}
	return c
}

func (c *creation) run(ctx context.Context) (err error) {
	defer func() { err = c.end(err) }()
	if err := c.begin(ctx); err != nil { // 1 lock, lease, run record, parent
		return err
	}
	if err := c.takeSnapshot(ctx); err != nil { // 2 freeze
		return err
	}
	c.measure()
	if err := c.guardSource(ctx); err != nil {
		return err
	}
	regions, st, err := c.readAll(ctx) // 3 plan, 4 fill
	if err != nil {
		return err
	}

	// 5 barrier, 6 commit ★
	c.result.Statement, err = c.backup.Commit(ctx, regions, st)
	if err == nil || errors.Is(err, repository.ErrUndecided) {
		c.keepSnapshot()
	}
	if err != nil {
		return err
	}
	c.release(ctx) // 7
	return nil
}

// begin locks the volume, finds what to build on, and opens the source. What it took,
// also before an error, end gives back.
func (c *creation) begin(ctx context.Context) (err error) {
	c.backup, err = c.repo.BeginBackup(ctx, repository.BackupOptions{
		Volume: c.opts.Volume, Full: c.opts.Full, Codec: c.codec(), Wait: c.opts.Wait, Begun: c.opts.Begun,
		Set: c.set, Room: c.room(),
	})
	if err != nil {
		return err
	}
	c.quiet = c.tellProgress()
	if c.done, err = c.open(ctx); err != nil {
		return err
	}
	for _, passed := range c.backup.PassedOver() {
		c.found.add(Finding{Kind: FoundDamage, Text: passed.Error()})
	}
	for _, rev := range c.backup.Abandoned() {
		c.warn("%s never became visible, for its set was not complete: it is in the trash for a while", rev.ID.Short())
	}
	return nil
}

// end gives back, last first, what begin and takeSnapshot took, whatever came of the
// backup, which is err.
func (c *creation) end(err error) error {
	if c.snap != nil || c.hold.thaw != nil {
		err = c.giveUp(err)
	}
	if c.done != nil {
		if derr := c.done(c.result.Statement); derr != nil {
			c.alarm("%v", derr)
		}
	}
	if c.backup == nil {
		return err
	}
	c.quiet()
	if cerr := c.backup.Close(); cerr != nil && err == nil {
		c.warn("release the repository: %v", cerr) // the revision stands
	} else {
		err = errors.Join(err, cerr)
	}
	return err
}

// readAll plans, fills the map, and says what was done and seen.
func (c *creation) readAll(ctx context.Context) ([]revision.Region, revision.Statement, error) {
	plan, regions, err := c.planAndFill(ctx)
	if err != nil {
		return nil, revision.Statement{}, err
	}
	if err := c.checkStream(); err != nil {
		return nil, revision.Statement{}, err
	}
	st, err := c.statement(plan)
	return regions, st, err
}

// release does what is left once the revision is visible.
func (c *creation) release(ctx context.Context) {
	c.tidySnapshots(ctx)
	c.leaveFormer(ctx)
	if err := c.backup.Finished(); err != nil {
		c.warn("%v", err)
	}
	if p := c.backup.Parent(); p != nil {
		c.result.Parent = p.Statement()
	}
	c.conclude()
}

// conclude says what a person should know of a backup that succeeded.
func (c *creation) conclude() {
	if c.hold.err != nil {
		c.found.add(Finding{Kind: FoundFrozen, Text: c.hold.err.Error()})
	}
	c.result.Findings = c.found.sorted()
	c.warnAboutSource()
	if c.backup.EndedRetirement() {
		c.warn("the volume was retired: from now on it is expected to be backed up again")
	}
}

// open opens the source, if that was left to us. It always returns what ends it.
func (c *creation) open(ctx context.Context) (done func(*revision.Statement) error, err error) {
	if c.opts.Open != nil {
		c.src, done, err = c.opts.Open(ctx)
	}
	if done == nil {
		done = func(*revision.Statement) error { return nil }
	}
	return done, err
}

// measure settles how large the volume is, or that this will be seen.
func (c *creation) measure() {
	size := c.snap.Size()
	if from, is := c.snap.(volume.Sequence); is {
		c.feed = newFeed(from, int64(c.repo.ChunkSize()))
		size = c.feed.sizeBefore(0)
	} else {
		c.opts.Meter.Total.Store(size)
	}
	c.geo = newGeometry(c.repo.ChunkSize(), size, c.backup.Parent())
}

func (c *creation) codec() chunkstore.Codec {
	if c.opts.Codec != nil {
		return *c.opts.Codec
	}
	return c.repo.Codec()
}

// planAndFill chooses what to look at and fills the map. The slice of what the
// tracker vouches for comes first: caught lying, it is not asked again.
func (c *creation) planAndFill(ctx context.Context) (*plan, []revision.Region, error) {
	p, err := c.plan(ctx)
	if err != nil {
		return nil, nil, err
	}
	lie, err := c.compareSlice(ctx, p)
	if err != nil {
		return nil, nil, err
	}
	if lie != nil {
		if err := c.distrust(ctx, p, lie); err != nil {
			return nil, nil, err
		}
		p = c.planAll()
		p.distrust = completeReadings - 1
	}
	regions, err := c.fill(ctx, p)
	if cerr := ctx.Err(); err == nil && cerr != nil {
		err = cerr
	}
	return p, regions, err
}

// statement says what was done and seen.
func (c *creation) statement(p *plan) (revision.Statement, error) {
	consistency, reason, err := c.consistency()
	if err != nil {
		return revision.Statement{}, err
	}
	source := c.describeSource()
	source.Snapshot = c.base()
	if shaped, can := c.src.(volume.Shaped); can {
		source.Layout = shaped.Layout()
	}
	stats := c.found.statistics()
	stats.Read = uint64(c.opts.Meter.Read.Load())
	stats.Stored = uint64(c.opts.Meter.Stored.Load())
	stats.Milliseconds = uint64(time.Since(c.begun).Milliseconds())
	return revision.Statement{
		Size:        uint64(c.geo.size),
		Consistency: revision.Consistency(consistency),
		Reason:      reason,
		Plan:        p.statement(),
		Source:      source,
		Tags:        c.opts.Tags,
		Note:        c.opts.Note,
		Statistics:  stats,
	}, nil
}

func (c *creation) warn(format string, args ...any) {
	c.result.Warnings = append(c.result.Warnings, fmt.Sprintf(format, args...))
}

// alarm is a warning that somebody has to look at: status tells it until the next backup.
func (c *creation) alarm(format string, args ...any) {
	c.warn(format, args...)
	c.result.Alarms = append(c.result.Alarms, c.result.Warnings[len(c.result.Warnings)-1])
}

// interruptedBy says by what an operation was interrupted, if that is why it failed.
func interruptedBy(ctx context.Context, err error) error {
	if cause := context.Cause(ctx); cause != nil && errors.Is(err, context.Canceled) {
		return cause
	}
	return err
}

// journal writes down how it went. Nothing depends on it, so that it cannot be
// written is a warning.
func (c *creation) journal(failure error) {
	e := repository.Event{
		Op: repository.OpBackup, Result: repository.ResultOK, Volume: c.opts.Volume,
		Seconds: time.Since(c.begun).Round(time.Millisecond).Seconds(), Read: c.opts.Meter.Read.Load(),
		Stored: c.opts.Meter.Stored.Load(), Warnings: c.result.Warnings, Alarms: c.result.Alarms,
	}
	if st := c.result.Statement; st != nil {
		e.UUID, e.Revision, e.Sequence, e.Kind = &st.Volume.UUID, st.ID, st.Sequence, string(st.Kind)
		e.Set, e.Digest = st.Set, &st.Digest
	}
	for _, f := range c.result.Findings {
		e.Result = repository.ResultFindings
		e.Findings = append(e.Findings, f.Text)
	}
	if failure != nil {
		if c.hold.err != nil {
			e.Findings = append(e.Findings, c.hold.err.Error())
		}
		e.Result, e.Error = repository.ResultFailed, failure.Error()
	}
	busy, order := new(repository.BusyError), new(repository.OrderError)
	if errors.As(failure, &busy) || errors.As(failure, &order) || errors.Is(failure, repository.ErrReadOnly) {
		return // nothing was begun; what is there already, or never can be, is nobody's failure
	}
	if err := c.repo.Record(context.Background(), e); err != nil {
		c.warn("%v", err)
	}
}
