package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"varve/config"
	"varve/internal/process"
	"varve/repository"
	"varve/revision"
	"varve/scheduler"
)

// daemon is a scheduler, and what it is told by this program.
type daemon struct {
	s     *session
	repo  string // its directory
	id    revision.UUID
	conf  atomic.Pointer[config.Config]
	path  string // of the configuration
	watch *watchdog
	seen  atomic.Pointer[listing]

	retired map[revision.Name]bool // as they were seen last; of who looks

	teller *teller
	http   metricsServer
	isAway atomic.Bool // the repository, when it was looked at last
}

// schedule runs a scheduler until it ends.
func (s *session) schedule(ctx context.Context, once bool) (result, error) {
	conf, err := s.configuration()
	switch {
	case err != nil:
		return nil, err
	case conf == nil:
		return nil, &usageError{Text: "no configuration says what to back up, and when", Command: s.command}
	}
	repo, err := s.openRepository(toList)
	if err != nil {
		s.tellUnreachable(ctx, err)
		return nil, err
	}
	d := &daemon{s: s, repo: s.about.repo, id: repo.ID(), path: conf.Path, http: metricsServer{turn: make(chan struct{}, 1)}, retired: map[revision.Name]bool{}}
	s.close("close the repository", repo)
	if stateDir() == "" {
		return nil, errors.New("there is no place for the state of this host: VARVE_STATE names one")
	}
	d.conf.Store(conf)
	s.doing, s.memory = schedulerName, new(repository.Memory)
	d.teller = newTeller(d.tellOthers)
	watch := newWatchdog()
	d.watch = watch
	opts := scheduler.Options{
		StateDir: stateFor(toWrite), Repository: d.id, Group: groupOf(d.repo), Once: once, Runner: d, Look: d.look, Reload: d.reload,
		Config: d.inForce, Report: d.report, Tell: d.tell, Log: s.log, Tick: watch.tick(), Watched: watch.alive,
	}
	sched, err := scheduler.Open(opts)
	if err != nil {
		return nil, err
	}
	defer s.close("close the scheduler", sched)
	if once {
		if until := sched.Paused(); !until.IsZero() {
			s.warn("nothing is begun until %s, for somebody wanted a pause; varve scheduler resume ends it", until.In(s.zone).Format("Mon _2 Jan 15:04"))
		}
		err := sched.Run(ctx)
		d.tellOthers(ctx)
		done := newScheduled(sched.Results(), true)
		if err == nil {
			err = done.judge()
		}
		return done, errors.Join(err, ctx.Err())
	}
	stop, err := sched.Listen()
	if err != nil {
		return nil, err
	}
	defer stop()
	hangups, reloading := s.hangup(), make(chan struct{})
	over, finish := context.WithCancel(context.WithoutCancel(ctx))
	go func() {
		defer close(reloading)
		for {
			select {
			case <-hangups:
				sched.Do(over, scheduler.Request{Varve: 1, Do: scheduler.AskReload}) // events tell how it went
			case <-over.Done():
				return
			}
		}
	}()
	telling := make(chan struct{})
	go func() {
		defer close(telling)
		d.teller.run(over)
	}()
	d.serveMetrics()
	defer d.http.close()
	watch.ready()
	err = sched.Run(ctx)
	finish()
	<-reloading
	<-telling
	return newScheduled(nil, false), err
}

// groupOf is the group of a directory; -1: it cannot be told.
func groupOf(dir string) int {
	info, err := os.Stat(dir)
	if err != nil {
		return -1
	}
	owner, known := info.Sys().(*syscall.Stat_t)
	if !known {
		return -1
	}
	return int(owner.Gid)
}

// reload reads the configuration anew. That it is of another repository is wrong, too.
func (d *daemon) reload() error {
	conf, err := d.s.loadConfiguration(d.path)
	if err != nil {
		return &configurationError{Path: d.path, Err: err}
	}
	if was := d.conf.Load(); conf.Repository != was.Repository {
		return fmt.Errorf("%s names another repository, %q: stop this scheduler, and start one for that", d.path, conf.Repository)
	}
	d.conf.Store(conf)
	d.serveMetrics()
	return nil
}

// inForce is the configuration that the scheduler goes by.
func (d *daemon) inForce() scheduler.Config { return goesBy(d.conf.Load()) }

// goesBy names a configuration as those do who ask.
func goesBy(conf *config.Config) scheduler.Config {
	path, err := filepath.Abs(conf.Path)
	if err != nil {
		path = conf.Path // which is that of nobody who asks
	}
	return scheduler.Config{Path: path, Text: conf.Text, Changed: conf.Changed}
}

// tell says what happens, a line for each thing that somebody may want to know.
func (d *daemon) tell(e scheduler.Event) {
	d.noteForOthers(e)
	if e.Result != nil {
		d.http.news.Add(1)
	}
	if e.Kind == scheduler.Failed && e.Task.Kind.IsBackup() && d.isAway.Load() {
		d.leave(e)
	}
	text := strings.ReplaceAll(e.Text, "\n", "; ")
	if name := e.Task.String(); name != "" {
		text = name + ": " + text
	}
	if r := e.Result; r != nil && r.Outcome.Done() {
		text += ", " + formatDuration(r.Ended.Sub(r.Begun))
		for _, w := range r.Warnings {
			text += "; WARNING " + w
		}
	}
	if e.Kind == scheduler.ConfigBroken {
		text = "the configuration is wrong, and the one before is used: " + text
	}
	if e.Kind == scheduler.Failed {
		text = fmt.Sprintf("%s (%s failed)", text, formatCountOf(e.Attempts, "try", "tries"))
	}
	if os.Getenv("JOURNAL_STREAM") == "" { // which has the time
		text = e.Time.Format("2006-01-02 15:04:05 ") + text
	}
	switch e.Kind {
	case scheduler.Failed, scheduler.Found, scheduler.Overdue, scheduler.Died, scheduler.ConfigBroken: // told with --quiet, too
		if d.s.json {
			return
		}
		p := d.s.page(d.s.stderr.w)
		p.line("%s", text)
		d.s.tell(p)
	case scheduler.Stopping:
		d.watch.stopping()
		d.s.say("%s", text)
	case scheduler.Began:
		d.s.log.Debug("begun", "task", e.Task.String())
	default:
		d.s.say("%s", text)
	}
}

// Run implements [scheduler.Runner]: this program, in a process of its own.
func (d *daemon) Run(ctx context.Context, words []string) scheduler.Result {
	return readRun(d.child(words...).Run(ctx), words[0])
}

// child is this program with these words, what was said of the repository, and the configuration that is in force.
func (d *daemon) child(words ...string) scheduler.Child {
	args := append([]string{"varve", "--repo", d.repo, "--config", d.path}, words...)
	env := append(childEnvironment(), toldByScheduler+"="+strconv.Itoa(os.Getpid()), configOnInput+"="+d.path)
	return scheduler.Child{Path: process.Self(), Args: args, Env: env, Input: d.conf.Load().Text}
}

// childEnvironment is ours, without what is between the service manager and us.
func childEnvironment() (env []string) {
	for _, pair := range os.Environ() {
		name, _, _ := strings.Cut(pair, "=")
		switch name {
		case "NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID", "LISTEN_FDS", "LISTEN_PID":
		default:
			env = append(env, pair)
		}
	}
	return env
}

// How long a scheduler is waited for: by who looks in passing, and by who asks for something.
const (
	askShort = 2 * time.Second
	askLong  = 15 * time.Second
)

// askScheduler asks the scheduler of a repository, which may be another user's.
func (s *session) askScheduler(ctx context.Context, id revision.UUID, r scheduler.Request) (a scheduler.Answer, err error) {
	err = scheduler.ErrNone
	for _, dir := range schedulerDirs(id) {
		if a, err = scheduler.Ask(ctx, dir, r); !errors.Is(err, scheduler.ErrNone) {
			return a, err
		}
	}
	return a, err
}

// schedulerDirs are where the scheduler of a repository may be: in our state, or in root's.
func schedulerDirs(id revision.UUID) (dirs []string) {
	for _, state := range statesOfSchedulers() {
		dirs = append(dirs, scheduler.Dir(state, id))
	}
	return dirs
}

// statesOfSchedulers are the states of this host in which a scheduler may be that concerns us: ours, and root's.
func statesOfSchedulers() (states []string) {
	own := stateFor(toWrite)
	if own != "" {
		states = append(states, own)
	}
	if filepath.Clean(own) != rootState {
		states = append(states, rootState)
	}
	return states
}
