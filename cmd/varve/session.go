package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"time"

	"golang.org/x/term"

	"varve/config"
	"varve/internal/human"
	"varve/repository"
	"varve/revision"
	"varve/scheduler"
)

// session is one run of the program: who listens, how they like it, and what
// there is to say besides the result.
type session struct {
	stdin  io.Reader
	stdout io.Writer
	stderr *screen
	asked  <-chan os.Signal        // SIGUSR1
	hangup func() <-chan os.Signal // has SIGHUP come from there, and end nothing any more

	globals  globalFlags
	repoFlag string // what -r says, as opposed to the environment
	json     bool
	command  string
	asks     bool // see command
	log      *slog.Logger
	begun    time.Time
	zone     *time.Location

	configured configured
	wrongNow   error                             // what is wrong with the configuration's file, where what it said before is used
	scheduler  heardScheduler                    // once judge has heard of it
	memory     *repository.Memory                // of who judges again and again; nil: that is not done
	ownStatus  *scheduler.Status                 // of the scheduler, where it judges itself; nil: who judges asks
	listed     func() ([]config.Volume, []error) // the volumes of the configuration; nil: they are looked for

	words    []string // as they were typed
	answered *int     // the exit code of who has told all there is to tell; nil: it is still to be told

	doing    string   // "backup of db1": what a failure is a failure of
	about    about    // for advice
	good     string   // what is still good after a failure
	bad      string   // what is not to be used after a failure
	warnings warnings // told, or to be told in JSON
}

// about is what advice can name.
type about struct {
	volume    revision.Name
	id        revision.ID // the revision that was chosen, or made
	good      revision.ID // the newest other one that is good; empty: none
	keepGoing bool        // --keep-going was given
	exec      string      // the command that --exec gave a drill
	goOn      string      // what to type to go on with what was interrupted; empty: nothing goes on
	repo      string
}

// repairing is the command that repairs the volume of what its source still holds.
func (a about) repairing() string { return "varve scrub " + a.name("") + " --repair-from-source" }

// address names the revision as it is typed; without one, what stands for it.
func (a about) address() string {
	if a.volume == "" {
		return "VOLUME"
	}
	if a.id == "" {
		return a.name("")
	}
	return typedAddress(a.volume, a.id)
}

// name is the volume's and what goes behind, as it is typed, or what stands for it.
func (a about) name(behind string) string {
	if a.volume == "" {
		return "VOLUME" + behind
	}
	return human.ShellWord(a.volume.String() + behind)
}

// directory is the repository's as it is typed, or what stands for it.
func (a about) directory() string {
	if a.repo == "" {
		return "DIRECTORY"
	}
	return human.ShellWord(a.repo)
}

func newSession(stdin io.Reader, stdout, stderr io.Writer) *session {
	return &session{
		stdin: stdin, stdout: stdout, stderr: &screen{w: stderr},
		begun: time.Now(), zone: time.Local, log: slog.New(slog.DiscardHandler),
		globals: defaultGlobals(),
	}
}

// begin settles, once all flags are parsed, how the session speaks.
func (s *session) begin(c *command) error {
	s.asks, s.json = c.asks, s.globals.json
	if s.globals.quiet && s.globals.verbose {
		return c.misuse("--quiet and --verbose exclude each other")
	}
	s.log = s.newLogger()
	return nil
}

func (s *session) newLogger() *slog.Logger {
	opts := &slog.HandlerOptions{Level: slog.LevelWarn}
	if s.globals.verbose {
		opts.Level = slog.LevelDebug
	}
	if s.globals.logFormat.is("json") {
		return slog.New(slog.NewJSONHandler(s.stderr, opts))
	}
	if s.globals.verbose {
		return slog.New(slog.NewTextHandler(s.stderr, opts))
	}
	return slog.New(warnHandler{s: s})
}

// say tells a person, on standard error, what is going on.
func (s *session) say(format string, args ...any) {
	if s.globals.quiet || s.json {
		return
	}
	p := s.page(s.stderr.w)
	p.line(format, args...)
	s.tell(p)
}

// warn tells of something that is not as it should be, and does not change the outcome.
// Who asked for quiet is told too: all is not well.
func (s *session) warn(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	if !s.warnings.add(text) || s.json {
		return
	}
	p := s.page(s.stderr.w)
	p.line("%s  %s", p.yellow("WARNING"), text)
	s.tell(p)
}

// tell writes to standard error. That nobody can be told is no reason to stop.
func (s *session) tell(p *page) { _ = p.writeTo(s.stderr) }

// close closes what was only read, or whose closing decides nothing any more.
func (s *session) close(what string, c io.Closer) {
	if err := c.Close(); err != nil {
		s.warn("%s: %v", what, err)
	}
}

// page is an empty page for what w can show.
func (s *session) page(w io.Writer) *page {
	return &page{
		color:   s.globals.color.is("always") || s.globals.color.is("auto") && isTerminal(w) && wantsColor(),
		unicode: isTerminal(w) && isUTF8Locale(),
		terse:   !isTerminal(w) && !s.globals.verbose,
		width:   columnsOf(w),
		now:     s.begun.In(s.zone),
	}
}

// afterSignals is a context for what has to be done although the work was interrupted.
func afterSignals(ctx context.Context) context.Context { return context.WithoutCancel(ctx) }

// columnsOf is how wide a terminal is; 0: it is none, or does not tell.
func columnsOf(w any) int {
	f, ok := w.(*os.File)
	if !ok {
		return 0
	}
	columns, _, err := term.GetSize(int(f.Fd()))
	if err != nil {
		return 0
	}
	return columns
}

func isTerminal(w any) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}
