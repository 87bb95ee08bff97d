package main

import (
	"context"
	"time"

	"github.com/urfave/cli/v2"

	"varve/internal/human"
	"varve/repository"
	"varve/revision"
)

func pinCommand(s *session) *command {
	f := &pinFlags{until: until{now: s.begun.In(s.zone)}}
	return &command{
		name: "pin", group: keepAndDelete, args: "VOLUME@REV",
		summary: "protect a revision from deletion",
		about: `Pins the revision: neither retention nor rm take it away, until the pin ends or
is taken off by unpin. A duration counts from now, a day is protected to its end.
Pinning once more replaces the pin.

Here, a time names only a revision of that very day, minute or second.`,
		example: `varve pin db1@k3f9 --reason "audit 2026"    # for ever
varve pin db1@yesterday --until 30d --reason "the upgrade"
varve pin db1@k3f9 --until 2027-12-31       # through that day`,
		codes: "3  the revision's file is damaged",
		flags: []cli.Flag{
			&cli.GenericFlag{Name: "until", Value: &f.until, DefaultText: "for ever",
				Usage: "`WHEN` it ends: 30d, 2027-12-31 or 2027-12-31T18:00"},
			&cli.StringFlag{Name: "reason", Destination: &f.reason, Usage: "say why, a line of `TEXT`"},
		},
		run: func(ctx context.Context, args []string) (result, error) { return runPin(ctx, s, f, args[0]) },
	}
}

func unpinCommand(s *session) *command {
	return &command{
		name: "unpin", group: keepAndDelete, args: "VOLUME@REV",
		summary: "take a revision's pin off",
		about: `Takes the pin off: retention and rm may take the revision away again.

Here, a time names only a revision of that very day, minute or second.`,
		example: "varve unpin db1@k3f9",
		codes:   "3  the revision's file is damaged",
		run:     func(ctx context.Context, args []string) (result, error) { return runUnpin(ctx, s, args[0]) },
	}
}

type pinFlags struct {
	until  until
	reason string
}

// until is a time to come: a duration from now, the end of a day, or a minute.
type until struct {
	time.Time
	now time.Time // with the zone of what is typed
}

// Set implements [flag.Value].
func (u *until) Set(text string) error {
	const want = "want a duration from now such as 30d, a day such as 2027-12-31, or a time such as 2027-12-31T18:00"
	var ahead duration
	if ahead.Set(text) == nil {
		u.Time = u.now.Add(time.Duration(ahead))
	} else {
		t, err := revision.ParseTime(text, u.now, u.now.Location())
		if err != nil {
			return &human.ValueError{Text: text, Want: want}
		}
		u.Time = t.At
		if t.Before.Sub(t.At) > time.Hour { // a day ends when it is over
			u.Time = t.Before
		}
	}
	if !u.After(u.now) || u.Year() > 9999 {
		return &human.ValueError{Text: text, Want: "that is not a time to come"}
	}
	return nil
}

func (u *until) String() string {
	if u == nil || u.IsZero() {
		return ""
	}
	return u.Format(time.RFC3339)
}

func runPin(ctx context.Context, s *session, f *pinFlags, text string) (result, error) {
	if err := checkText(s.command, "--reason", f.reason); err != nil {
		return nil, err
	}
	pin := &revision.Pin{Reason: f.reason}
	detail := "for ever"
	if !f.until.IsZero() {
		pin.Until = f.until.UTC().Truncate(time.Second)
		detail = "until " + pin.Until.Format(time.RFC3339)
	}
	m, err := s.mark(ctx, text, marking{op: repository.OpPin, doing: "pin of", change: func(info *repository.Info) (string, error) {
		if info.Pin != nil && *info.Pin == *pin {
			return "", nil
		}
		info.Pin = pin
		return detail + prefixed(": ", pin.Reason), nil
	}})
	if err != nil {
		return nil, err
	}
	m.says = func(p *page, m *marked) {
		p.line("%s %s", p.bold(m.name()+" is pinned"), pinText((*revision.Pin)(m.Pin), p.now))
	}
	return m, nil
}

func runUnpin(ctx context.Context, s *session, text string) (result, error) {
	m, err := s.mark(ctx, text, marking{op: repository.OpUnpin, doing: "unpin of", change: func(info *repository.Info) (string, error) {
		if info.Pin == nil {
			return "", nil
		}
		info.Pin = nil
		return "the pin was taken off", nil
	}})
	if err != nil {
		return nil, err
	}
	m.says = func(p *page, m *marked) {
		if !m.Changed {
			p.line("%s, and was not", p.bold(m.name()+" is not pinned"))
			return
		}
		p.line("%s any more; it was %s", p.bold(m.name()+" is not pinned"), pinText(m.was.Pin, p.now))
	}
	return m, nil
}
