package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"varve/internal/human"
	"varve/revision"
	"varve/scheduler"
)

const schedulerName = "scheduler"

func schedulerCommand(s *session) *command {
	var f schedulerFlags
	return &command{
		name: schedulerName, group: sources, args: "[run|cancel|pause|resume|reload] [VOLUME]...",
		summary: "back up what is due, when it is due; or control the scheduler that does",
		about: `Without words, runs until it is told to end: backs up every volume of the
configuration when its schedule says so and its window is open, and does what
maintenance says when nothing is to be backed up. Each run is a process of its
own, so that a source that hangs holds up no other, and can be called off. What
other runs of this host keep to, these do: slots, rates, and pauses while its
disks are busy. Cron is not needed beside it, and does no harm.

What was due while the host was down is made up for once. What fails is tried
again after 5 minutes, and after twice as long each time, up to 4 hours. Of
several slots (limits: jobs), one is kept for volumes that usually take less
than an hour, as long as there are any. Of those that are due, priority goes
first, then who is due for longest.

  run VOLUME...     now; a set, prune, gc, scrub or drill may stand there, too
  cancel VOLUME...  the run that is under way; it is due again next time
  pause --for 2h    begin nothing until then; what runs goes on, run still works
  resume            end the pause, which outlives the scheduler otherwise
  reload            read the configuration anew, as SIGHUP does; if that is wrong,
                    the one before stays in force, and status says so

There is one scheduler for a repository on a host; a second one ends with 4.
SIGTERM has it end: what runs may go on for 20 seconds, and is then called off,
to be gone on with by the next run. A second SIGTERM ends all at once. Whoever
is of the group of the repository's directory can ask and control it. When it is
killed, its runs end, too; varve status says so in its first line, and the next
scheduler forgets and doubles nothing.

--once does what is due now, each of it once, and ends, for a timer.`,
		example: `varve scheduler                             # by systemd: systemctl start varve-scheduler
varve scheduler --once                      # from a timer
varve scheduler run db1                     # now
varve scheduler cancel vms/vm-17
varve scheduler pause --for 2h              # while disks are replaced
varve scheduler reload                      # after varve check-config`,
		codes: "1  of --once: something of it failed\n2  or the running scheduler refuses: there is no such volume, or the configuration is wrong\n4  another scheduler runs for this repository",
		flags: []cli.Flag{
			&cli.BoolFlag{Name: "once", Destination: &f.once, Usage: "try what is due, each once, and end"},
			&cli.GenericFlag{Name: "for", Value: &f.pause, DefaultText: "none", Usage: "of pause: begin nothing for `DURATION`, at most 7d"},
		},
		run: func(ctx context.Context, args []string) (result, error) { return runScheduler(ctx, s, f, args) },
	}
}

type schedulerFlags struct {
	once  bool
	pause duration
}

func runScheduler(ctx context.Context, s *session, f schedulerFlags, args []string) (result, error) {
	action := scheduler.Action(optional(args, 0))
	isNamed := action == scheduler.AskRun || action == scheduler.AskCancel
	misuse := func(format string, words ...any) error {
		return &usageError{Text: fmt.Sprintf(format, words...), Command: s.command, Usage: "varve scheduler [--once] | run|cancel VOLUME... | pause --for DURATION | resume | reload"}
	}
	switch action {
	case "":
	case scheduler.AskRun, scheduler.AskCancel, scheduler.AskPause, scheduler.AskResume, scheduler.AskReload:
	default:
		near := human.Nearest(string(action), []string{"run", "cancel", "pause", "resume", "reload"})
		return nil, misuse("%q is nothing that the scheduler does%s", action, prefixed("; did you mean ", near))
	}
	switch {
	case f.once && action != "":
		return nil, misuse("--once runs a scheduler, and %s asks one", action)
	case (f.pause > 0) != (action == scheduler.AskPause):
		return nil, misuse("pause needs --for DURATION, and nothing else does")
	case time.Duration(f.pause) > scheduler.LongestPause:
		return nil, misuse("a pause is for 7d at most, so that it is not forgotten")
	case isNamed && len(args) == 1:
		return nil, misuse("VOLUME is missing")
	case !isNamed && len(args) > 1:
		return nil, misuse("surplus argument %q", args[1])
	case action != "":
		return s.control(ctx, scheduler.Request{Do: action, Names: args[1:], For: time.Duration(f.pause)})
	}
	return s.schedule(ctx, f.once)
}

// controlled is the result of what was asked of a scheduler.
type controlled struct {
	Did   scheduler.Action `json:"did"`
	Tasks []string         `json:"tasks"`
	Until *time.Time       `json:"until"` // of a pause
}

// control asks the scheduler that runs for this repository.
func (s *session) control(ctx context.Context, r scheduler.Request) (result, error) {
	s.useWhatIsInForce(ctx)
	repo, err := s.openRepository(toList)
	if err != nil {
		return nil, err
	}
	id := repo.ID()
	s.close("close the repository", repo)
	s.doing = "scheduler " + string(r.Do)
	ctx, cancel := context.WithTimeout(ctx, askLong)
	defer cancel()
	a, err := s.askScheduler(ctx, id, r)
	if r.Do == scheduler.AskResume && errors.Is(err, scheduler.ErrNone) {
		err = s.endPause(id)
	}
	if refused := new(scheduler.RefusedError); errors.As(err, &refused) {
		return nil, &usageError{Text: refused.Text, Command: s.command, Next: hintOnRefusal(r.Do)}
	}
	if err != nil {
		return nil, err
	}
	done := &controlled{Did: r.Do, Tasks: []string{}}
	for _, k := range a.Done {
		done.Tasks = append(done.Tasks, k.String())
	}
	if r.For > 0 {
		done.Until = timeOrNil(time.Now().Add(r.For).Truncate(time.Second))
	}
	return done, nil
}

// endPause ends the pause that a scheduler left which does not run any more.
func (s *session) endPause(id revision.UUID) error {
	err := scheduler.ErrNone
	for _, state := range statesOfSchedulers() {
		err = scheduler.EndPause(scheduler.Options{StateDir: state, Repository: id, Group: groupOf(s.about.repo), Log: s.log})
		if !errors.Is(err, scheduler.ErrNone) {
			return err
		}
	}
	return err
}

func (c *controlled) print(p *page) {
	names := strings.Join(c.Tasks, ", ")
	switch c.Did {
	case scheduler.AskRun:
		p.line("%s: as soon as a slot is free", names)
	case scheduler.AskCancel:
		p.line("%s: called off", names)
	case scheduler.AskPause:
		p.line("nothing is begun until %s", formatMinute(*c.Until, p.now))
	case scheduler.AskResume:
		p.line("what is due is begun again")
	case scheduler.AskReload:
		p.line("the configuration was read, and is used")
	}
}
