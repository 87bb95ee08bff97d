package job_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"testing"
	"time"

	"varve/backup"
	"varve/chunkstore"
	"varve/config"
	"varve/hook"
	"varve/job"
	"varve/repository"
	"varve/schedule"
	"varve/volume"
)

var errInterrupted = errors.New("interrupted")

// weekly is due once a week, and not within a day of now.
func weekly(t *testing.T) schedule.Plan {
	t.Helper()
	s, err := schedule.Parse(fmt.Sprintf("0 0 * * %d", (time.Now().UTC().Weekday()+3)%7))
	if err != nil {
		t.Fatal(err)
	}
	return schedule.Plan{Schedule: s, Name: "v"}
}

// A volume that was due, and had to wait for a slot, is looked at again.
func TestDueIsAskedAgainAfterWaiting(t *testing.T) {
	t.Parallel()
	for name, meanwhile := range map[string]bool{"backed up meanwhile": true, "due still": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t)
			b.made("v", time.Now().AddDate(0, -1, 0))
			give := b.holdSlot()
			opts := b.options()
			opts.Limits.Jobs = 1
			waited := false
			opts.Tell = func(e job.Event) {
				if e.Kind != job.Waiting || waited {
					return
				}
				waited = true
				if len(e.Holders) != 1 || e.Holders[0].Volume != "held" {
					t.Errorf("it waits for %v", e.Holders)
				}
				if meanwhile {
					b.made("v", time.Time{})
				}
				give()
			}
			j := b.job("v")
			j.Wanted, j.IfDue = &config.Volume{Name: "v", Plan: weekly(t)}, true
			done := job.Do(t.Context(), b.repo, j, opts)
			if !waited {
				t.Error("it did not wait for the slot")
			}
			if meanwhile != errors.Is(done.Err, job.ErrNotDue) || meanwhile == (done.Created != nil) {
				t.Errorf("got %v, %v", done.Created, done.Err)
			}
			if got := b.revisions("v"); got != 2 {
				t.Errorf("%d revisions, want the one of last month and one more", got)
			}
			if done.Gravity() != job.Well {
				t.Errorf("gravity %d", done.Gravity())
			}
			if events := failures(b); len(events) > 0 {
				t.Errorf("the journal has %+v", events)
			}
		})
	}
}

// failures are the events of backups that went wrong.
func failures(b *bench) []repository.Event {
	b.t.Helper()
	events, err := b.repo.Events()
	b.must(err)
	return slices.DeleteFunc(events, func(e repository.Event) bool { return e.Result == repository.ResultOK })
}

// The hook after is run whatever comes, and is told what came.
func TestHooks(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		before    string
		broken    bool // the source cannot be opened
		interrupt bool // when the source is open
		want      string
	}{
		"all goes well":         {before: "true", want: "before, after ok"},
		"the one before fails":  {before: "false", want: "before, after failed"},
		"no source":             {before: "true", broken: true, want: "before, after failed"},
		"interrupted, no less":  {before: "true", interrupt: true, want: "before, after failed"},
		"and not the first one": {before: "", want: "after ok"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t)
			ctx, interrupt := cancelled(t)
			opts := b.options()
			opts.Open = func(_ context.Context, source string) (volume.Source, error) {
				if b.read("log") != strings.Split(test.want, "after")[0] {
					t.Errorf("the source is opened after %q", b.read("log"))
				}
				if test.broken {
					return nil, fs.ErrNotExist
				}
				return b.open(t.Context(), source)
			}
			opts.Tell = func(e job.Event) {
				if e.Kind == job.Opened && test.interrupt {
					interrupt()
				}
			}
			j := b.job("v")
			log := b.path("log")
			hooks := config.Hooks{After: fmt.Sprintf("printf 'after %%s' $VARVE_RESULT >>%s; echo $VARVE_REVISION >%s", log, b.path("made"))}
			if test.before != "" {
				hooks.Before = fmt.Sprintf("printf 'before, ' >>%s; %s", log, test.before)
			}
			j.Wanted = &config.Volume{Name: "v", Hooks: hooks}
			done := job.Do(ctx, b.repo, j, opts)
			if got := b.read("log"); got != test.want {
				t.Errorf("the hooks did %q, want %q", got, test.want)
			}
			made := ""
			if done.Created != nil {
				made = done.Created.Statement.ID.String()
			}
			if isOK := strings.HasSuffix(test.want, "ok"); isOK != (done.Err == nil) || strings.TrimSpace(b.read("made")) != made {
				t.Errorf("the job ended with %v and made %q, the hook after was told %q", done.Err, made, b.read("made"))
			}
			if events := failures(b); (len(events) == 1) != (done.Err != nil) {
				t.Errorf("the journal has %+v", events)
			}
		})
	}
}

// What a job says of its hooks is in the place of what is configured, both at once.
func TestHooksOfAJob(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	j := b.job("v")
	j.Wanted = &config.Volume{Name: "v", Hooks: config.Hooks{Before: "false", After: "touch " + b.path("configured")}}
	j.Hooks = hook.Hooks{After: "exit 3"}
	var trouble []string
	opts := b.options()
	opts.Tell = func(e job.Event) {
		if e.Kind == job.Trouble {
			trouble = append(trouble, e.Err.Error())
		}
	}
	done := job.Do(t.Context(), b.repo, j, opts)
	if done.Err != nil {
		t.Fatalf("it ended with %v", done.Err)
	}
	if len(trouble) > 0 || len(done.Created.Alarms) != 1 || !strings.HasPrefix(done.Created.Alarms[0], "hook after") {
		t.Errorf("told %q, and the alarms of the revision are %q", trouble, done.Created.Alarms)
	}
	if events, err := b.repo.Events(); err != nil || !slices.Equal(events[len(events)-1].Alarms, done.Created.Alarms) {
		t.Errorf("the journal has %+v (%v)", events, err)
	}
	j.Hooks.Before = "false" // of a backup that failed, too
	done = job.Do(t.Context(), b.repo, j, opts)
	if len(trouble) != 1 || !strings.HasPrefix(trouble[0], "v: hook after") || done.Err == nil {
		t.Errorf("told %q, and it ended with %v", trouble, done.Err)
	}
	if events := failures(b); len(events) != 1 || len(events[0].Alarms) != 1 {
		t.Errorf("the journal has %+v", events)
	}
	if _, err := b.open(t.Context(), "file:"+b.path("configured")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the configured hook was run: %v", err)
	}
}

// What keeps a job from beginning is in the journal, unless it may be tried again at
// once, or could never have begun.
func TestJournalOfWhatDidNotBegin(t *testing.T) {
	t.Parallel()
	fails := func(err error) func(b *bench, j *job.Job, opts *job.Options) {
		return func(_ *bench, _ *job.Job, opts *job.Options) {
			opts.Open = func(context.Context, string) (volume.Source, error) { return nil, err }
		}
	}
	tests := map[string]struct {
		spoil   func(b *bench, j *job.Job, opts *job.Options)
		gravity job.Gravity
		result  string // in the journal; empty: it is not there
	}{
		"no such source": {fails(fs.ErrNotExist), job.Failed, repository.ResultFailed},
		"damage":         {fails(&chunkstore.CorruptError{Cause: errors.New("x")}), job.Damaged, repository.ResultFailed},
		"a source of another kind": {
			fails(&volume.UnsupportedError{What: "rbd:a/b", Known: "files"}), job.Misuse, "",
		},
		"the repository as its source": {fails(volume.ErrOwnSource), job.Misuse, ""},
		"nobody names a source": {
			func(_ *bench, j *job.Job, _ *job.Options) { j.Source = "" }, job.Misuse, "",
		},
		"hooks that cannot be meant": {
			func(_ *bench, j *job.Job, _ *job.Options) {
				j.Wanted = &config.Volume{Name: "v", Hooks: config.Hooks{Freeze: "true"}}
			}, job.Misuse, "",
		},
		"no slot": {
			func(b *bench, j *job.Job, opts *job.Options) {
				b.t.Cleanup(b.holdSlot())
				opts.Limits.Jobs, j.Create.Wait = 1, time.Nanosecond
			}, job.Busy, "",
		},
		"a state that is a file": {
			func(b *bench, _ *job.Job, opts *job.Options) { opts.Limits.Jobs, opts.StateDir = 1, b.path("disk") },
			job.Failed, repository.ResultFailed,
		},
		"too little room": {
			func(_ *bench, _ *job.Job, opts *job.Options) { opts.Limits.MinFree.Percent = 100 },
			job.Failed, repository.ResultFailed,
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t)
			j, opts := b.job("v"), b.options()
			test.spoil(b, &j, &opts)
			done := job.Do(t.Context(), b.repo, j, opts)
			if done.Created != nil || done.Gravity() != test.gravity {
				t.Errorf("gravity %d of %v, want %d", done.Gravity(), done.Err, test.gravity)
			}
			events := failures(b)
			switch {
			case test.result == "" && len(events) == 0:
			case len(events) != 1 || events[0].Result != test.result || events[0].Volume != "v":
				t.Errorf("the journal has %+v, want result %q", events, test.result)
			}
		})
	}
}

// A volume is read from where it was read last, if nobody says otherwise.
func TestSourceOfLastTime(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	opened := ""
	opts := b.options()
	opts.Open = func(_ context.Context, source string) (volume.Source, error) {
		opened = source
		return b.open(t.Context(), source)
	}
	unnamed := job.Job{Volume: "v"}
	var missing *job.NoSourceError
	if done := job.Do(t.Context(), b.repo, unnamed, opts); !errors.As(done.Err, &missing) || !missing.New {
		t.Errorf("of a new volume: %v", done.Err)
	}
	if done := job.Do(t.Context(), b.repo, job.Job{Volume: "v", Stream: stream()}, opts); done.Err != nil || opened != "" {
		t.Errorf("of a stream: %v, and %q was opened", done.Err, opened)
	}
	if done := job.Do(t.Context(), b.repo, unnamed, opts); !errors.As(done.Err, &missing) || missing.New {
		t.Errorf("after a stream: %v", done.Err)
	}
	b.made("w", time.Time{})
	done := job.Do(t.Context(), b.repo, job.Job{Volume: "w"}, opts)
	if done.Err != nil || opened != "file:"+b.path("disk") || len(done.History) != 1 {
		t.Errorf("got %v, %q was opened, history %v", done.Err, opened, done.History)
	}
}

// What is configured is added to what is asked for.
func TestWhatIsConfiguredHolds(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	j := b.job("v")
	tags := append(make([]string, 0, 5), "mine", "both")
	j.Create = backup.CreateOptions{Tags: tags, Volume: "another"}
	j.Wanted = &config.Volume{Name: "v", Tags: []string{"both", "theirs"}}
	done := job.Do(t.Context(), b.repo, j, b.options())
	if done.Err != nil {
		t.Fatal(done.Err)
	}
	if st := done.Created.Statement; st.Volume.Name != "v" || !slices.Equal(st.Tags, []string{"mine", "both", "theirs"}) {
		t.Errorf("made of %s with tags %q", st.Volume.Name, st.Tags)
	}
	if spilled := tags[:3]; spilled[2] != "" {
		t.Errorf("tags that others share were changed: %q", spilled)
	}
}

// An interruption while a job waits for its slot ends it.
func TestInterruptedWhileWaiting(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.t.Cleanup(b.holdSlot())
	ctx, interrupt := cancelled(t)
	opts := b.options()
	opts.Limits.Jobs = 1
	opts.Tell = func(job.Event) { interrupt() }
	if done := job.Do(ctx, b.repo, b.job("v"), opts); !errors.Is(done.Err, context.Canceled) || done.Gravity() != job.Failed {
		t.Errorf("it ended with %v", done.Err)
	}
	if len(failures(b)) != 1 {
		t.Error("the journal does not have it")
	}
}
