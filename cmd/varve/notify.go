package main

import (
	"context"
	"os"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"varve/config"
	"varve/notify"
	"varve/repository"
)

func notifyCommand(s *session) *command {
	var test bool
	return &command{
		name: "notify", group: areWe,
		summary: "tell those whom the configuration names what is wrong",
		about: `Tells whoever stands under notify in the configuration what status newly finds
wrong, what is critical and lasts, and what is over, and calls the heartbeat
where nothing is critical. What was told is not told again.

Every backup does that at its end. This is for the time between: from cron, it
also tells that a backup hangs, or that none is begun any more.

With --test, each channel gets a message that says that somebody tries whether
it arrives; the heartbeat is not called.`,
		example: `varve notify --test                         # does it arrive?
varve --quiet notify                        # from cron, every quarter of an hour`,
		flags: []cli.Flag{
			&cli.BoolFlag{Name: "test", Destination: &test, Usage: "try whether messages arrive"},
		},
		run: func(ctx context.Context, _ []string) (result, error) { return runNotify(ctx, s, test) },
	}
}

// notified is the result of notify.
type notified struct {
	Told []string `json:"told"` // the channels that took a message
	Beat bool     `json:"beat"` // the heartbeat was called
	Open int      `json:"open"` // how many troubles there are, told now or not
}

func runNotify(ctx context.Context, s *session, test bool) (result, error) {
	if _, err := s.configuration(); err != nil {
		return nil, err
	}
	o, wanted := s.notifying()
	if !wanted {
		return nil, &usageError{Text: "the configuration names nobody under notify who is to be told", Command: s.command}
	}
	if test {
		if dir, err := s.repositoryDir(); err == nil { // that it is there is not what is tried
			o.Repository = dir
		}
		done, err := notify.Try(ctx, o, time.Now().In(s.zone))
		return newNotified(done, 0), err
	}
	repo, err := s.openRepository(toList)
	if err != nil {
		s.tellUnreachable(ctx, err)
		return nil, err
	}
	defer s.close("close the repository", repo)
	what, err := s.situation(ctx, repo)
	if err != nil {
		return nil, err
	}
	o.Repository = s.about.repo
	done, err := notify.Tell(ctx, o, what)
	return newNotified(done, len(what.Troubles)), err
}

func newNotified(done notify.Told, open int) *notified {
	return &notified{Told: append([]string{}, done.Channels...), Beat: done.Beat, Open: open}
}

func (n *notified) print(p *page) {
	text := "nothing new to tell"
	if len(n.Told) > 0 {
		text = "told: " + strings.Join(n.Told, ", ")
	}
	if n.Beat {
		text += "; the heartbeat was called"
	}
	p.line("%s", text)
}

// tellTroubles tells those whom the configuration names what is wrong now, once this run has
// done what it could. It changes nothing about how that ended. An interrupted one tells
// nothing: whoever interrupts knows.
func (s *session) tellTroubles(ctx context.Context, repo *repository.Repository) {
	o, wanted := s.notifying()
	if !wanted || ctx.Err() != nil || isToldByScheduler() {
		return
	}
	what, err := s.situation(ctx, repo)
	if err != nil {
		s.warn("nobody was told anything: %v", err)
		return
	}
	s.tellAll(ctx, o, what)
}

// situation is what is wrong now.
func (s *session) situation(ctx context.Context, repo *repository.Repository) (notify.Situation, error) {
	now := time.Now().In(s.zone)
	report, _, err := s.judgeAt(ctx, repo, now)
	if err != nil {
		return notify.Situation{}, err
	}
	return notify.Situation{Now: now, Troubles: notify.Troubles(report.Cases)}, nil
}

// tellUnreachable tells them that the repository cannot be looked at, and why.
func (s *session) tellUnreachable(ctx context.Context, why error) {
	o, wanted := s.notifying()
	if !wanted || ctx.Err() != nil || isToldByScheduler() {
		return
	}
	s.tellAll(ctx, o, unreachable(s, why))
}

// unreachable is the situation where the repository cannot be looked at.
func unreachable(s *session, why error) notify.Situation {
	trouble := notify.Trouble{
		Kind: notify.Unreachable, Grade: notify.Critical, Why: why.Error(), Do: hint(why, about{repo: s.about.repo}),
	}
	return notify.Situation{Now: time.Now().In(s.zone), Troubles: []notify.Trouble{trouble}, Partial: true}
}

func (s *session) tellAll(ctx context.Context, o notify.Options, what notify.Situation) {
	if _, err := notify.Tell(ctx, o, what); err != nil {
		s.warn("not everybody was told: %v", err)
	}
}

// notifying is how others are to be told; not wanted: nobody is, or what the configuration
// says is about another repository.
func (s *session) notifying() (o notify.Options, wanted bool) {
	conf, err := s.configuration()
	if err != nil || conf == nil || s.isElsewhere(conf) {
		return o, false
	}
	o = notifyOptions(conf.Notify)
	if o.Host, err = os.Hostname(); err != nil {
		o.Host = "localhost"
	}
	o.StateDir, o.Repository = stateDir(), s.about.repo
	return o, o.IsWanted()
}

func notifyOptions(n config.Notify) notify.Options {
	return notify.Options{
		Command: n.Command, Webhook: n.Webhook, Email: n.Email, From: n.From, Server: n.SMTP, User: n.User, Password: n.PasswordFile,
		Heartbeat: n.Heartbeat, Again: n.Again, Timeout: n.Timeout,
	}
}
