package main

import (
	"context"
	"os"
	"time"

	"varve/config"
	"varve/notify"
	"varve/repository"
)

// tellTroubles tells those whom the configuration names what is wrong now, once this run has
// done what it could. It changes nothing about how that ended. An interrupted one tells
// nothing: whoever interrupts knows.
func (s *session) tellTroubles(ctx context.Context, repo *repository.Repository) {
	o, wanted := s.notifying()
	if !wanted || ctx.Err() != nil {
		return
	}
	now := time.Now().In(s.zone)
	report, _, err := s.judgeAt(ctx, repo, now)
	if err != nil {
		s.warn("nobody was told anything: %v", err)
		return
	}
	s.tellAll(ctx, o, notify.Situation{Now: now, Troubles: notify.Troubles(report.Cases)})
}

// tellUnreachable tells them that the repository cannot be looked at, and why.
func (s *session) tellUnreachable(ctx context.Context, why error) {
	o, wanted := s.notifying()
	if !wanted || ctx.Err() != nil {
		return
	}
	trouble := notify.Trouble{
		Kind: notify.Unreachable, Grade: notify.Critical, Why: why.Error(), Do: hint(why, about{repo: s.about.repo}),
	}
	s.tellAll(ctx, o, notify.Situation{Now: time.Now().In(s.zone), Troubles: []notify.Trouble{trouble}, Partial: true})
}

func (s *session) tellAll(ctx context.Context, o notify.Options, what notify.Situation) {
	if err := notify.Tell(ctx, o, what); err != nil {
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
