package scheduler

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"time"

	"varve/internal/durable"
	"varve/internal/process"
	"varve/revision"
)

// A Runner runs tasks.
type Runner interface {
	// Run runs a command of this program, without its name, until it ends. When ctx ends
	// it is to end too, in order, and after a while in any case. Times are filled in by the caller.
	Run(ctx context.Context, words []string) Result
}

// Options is what a scheduler needs. Runner, Look and Dir have to be given.
type Options struct {
	StateDir   string        // of this host; where the scheduler's is below it, see [Dir]
	Repository revision.UUID // whose scheduler it is
	Group      int           // may ask and control, besides the owner; -1: nobody
	Runner     Runner
	// Look reads the configuration's sources and the repository, which may take long. It is
	// called by one goroutine at a time.
	Look func(ctx context.Context) (*World, error)
	// Reload reads the configuration anew; after an error, what there was holds. Nil: it never changes.
	Reload func() error
	Config func() Config // what it goes by, for who asks; safe for concurrent use
	// Report says how safe all is, for who asks, as a JSON document, or why it does not. It is
	// called by one goroutine at a time, beside all else, and is waited for until ctx ends. Nil: it does not.
	Report func(ctx context.Context, of *Status, r Request) ([]byte, error)
	Tell   func(Event)  // is told what happens, in order, and must not block; nil: nobody is
	Log    *slog.Logger // nil discards
	Once   bool         // end when everything that is due was tried once

	Tick    time.Duration // looks around at least so often; zero: 30 s
	Finish  time.Duration // how long runs may go on when the scheduler is to end; zero: 20 s
	Watched func()        // is called at least every Tick as long as all is well; nil: nobody watches
}

func (o Options) withDefaults() Options {
	if o.Tell == nil {
		o.Tell = func(Event) {}
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Watched == nil {
		o.Watched = func() {}
	}
	if o.Reload == nil {
		o.Reload = func() error { return nil }
	}
	if o.Config == nil {
		o.Config = func() Config { return Config{} }
	}
	if o.Tick == 0 {
		o.Tick = 30 * time.Second
	}
	if o.Finish == 0 {
		o.Finish = 20 * time.Second
	}
	return o
}

// How old what is known of the world may be, besides how long it took to learn it: where
// something is to be begun, and at all.
const (
	freshEnough = time.Minute
	oldest      = 10 * time.Minute
	// longestLook is how long is waited for what is seen.
	longestLook = 5 * time.Minute
	// heartbeats are written so far apart, where nothing else is.
	heartbeat = 5 * time.Minute
)

// A Scheduler runs what is due. It owns its directory until it is closed.
type Scheduler struct {
	opts  Options
	dir   string
	tree  durable.FS
	lock  durable.File
	temps *durable.Temps

	requests chan asking
	ended    chan endedRun
	looked   chan lookedAt
	reports  chan struct{} // has room for one: whose report is made
	gone     chan struct{} // closed when Run has ended

	// What follows belongs to the goroutine of Run.
	me        process.Identity
	began     time.Time
	ending    bool
	state     *state
	dirty     bool // it is to be written
	written   time.Time
	unwritten string // why it could not be
	world     *World // nil: nothing is known yet
	blind     string // why nothing new is
	judged    time.Time
	looking   bool
	lookBegun time.Time
	lookAgain bool      // as soon as that is over
	lookedAt  time.Time // when the last look was begun that is over
	lookTook  time.Duration
	broken    string // see Status
	running   map[Key]*run
	asked     []Key
	early     []asking // what was asked for before anything was known
	waiting   []Key
	wake      time.Time
	tried     map[Key]bool
	results   []Ended
	calendar  Calendar
	runs      context.Context // of all runs
	cancel    context.CancelCauseFunc
}

// Ended is how a task ended.
type Ended struct {
	Key
	Result
}

// run is a task under way.
type run struct {
	Run
	given  []revision.Name
	cancel context.CancelCauseFunc
}

type endedRun struct {
	run *run
	res Result
}

type lookedAt struct {
	world *World
	err   error
}

// Open takes the directory, which is made if there is none. Where another scheduler has
// it, the error is a [*TakenError]. The caller closes the Scheduler.
func Open(opts Options) (*Scheduler, error) {
	opts = opts.withDefaults()
	s := &Scheduler{
		opts: opts, dir: Dir(opts.StateDir, opts.Repository),
		requests: make(chan asking), ended: make(chan endedRun), looked: make(chan lookedAt), reports: make(chan struct{}, 1), gone: make(chan struct{}),
		running: map[Key]*run{}, tried: map[Key]bool{}, me: process.Own("scheduler"), temps: durable.NewTemps("scheduler"),
	}
	s.runs, s.cancel = context.WithCancelCause(context.Background())
	below, err := filepath.Rel(opts.StateDir, s.dir)
	if err != nil {
		return nil, err
	}
	if err := durable.ShareDir(opts.StateDir, below, opts.Group); err != nil {
		return nil, fmt.Errorf("the directory of the scheduler: %w", err)
	}
	tree, err := durable.OpenTree(s.dir)
	if err != nil {
		return nil, fmt.Errorf("the directory of the scheduler: %w", err)
	}
	s.tree = tree
	if s.lock, err = durable.OpenLocked(tree, lockName); err != nil || s.lock == nil {
		if err == nil {
			err = s.taken()
		}
		return nil, errors.Join(err, tree.Close())
	}
	if err := s.sweep(); err != nil {
		s.opts.Log.Warn("what a dead scheduler left stays", "error", err)
	}
	s.state, err = readState(tree)
	if err != nil {
		s.opts.Log.Warn("what the scheduler knew is lost, and made anew from the repository", "error", err)
	}
	if s.state == nil {
		s.state = newState()
	}
	return s, nil
}

// sweep removes temporary files of those that died. The lock is ours.
func (s *Scheduler) sweep() error {
	entries, err := s.tree.ReadDir(".")
	for _, e := range entries {
		if durable.IsTemp(e.Name()) {
			err = errors.Join(err, s.tree.Remove(e.Name()))
		}
	}
	return err
}

// taken says who has the directory.
func (s *Scheduler) taken() error {
	e := &TakenError{}
	if st, err := readState(s.tree); err == nil && st != nil && st.Process != nil {
		e.By = *st.Process
	}
	return e
}

// Paused is until when nothing is begun by itself; zero: there is no pause. It is to be asked for before or after Run.
func (s *Scheduler) Paused() time.Time {
	if !s.state.Pause.Holds(time.Now()) {
		return time.Time{}
	}
	return s.state.Pause.Until
}

// Results is what was tried by a scheduler that runs once, and how it ended; to be asked for after Run.
func (s *Scheduler) Results() []Ended { return s.results }

// Dir is where the scheduler of a repository has its state, in that of this host.
func Dir(stateDir string, repository revision.UUID) string {
	return filepath.Join(stateDir, repository.String(), "scheduler")
}

// Close gives the directory up.
func (s *Scheduler) Close() error { return errors.Join(s.lock.Close(), s.tree.Close()) }
