package main

import (
	"context"

	"github.com/urfave/cli/v2"

	"varve/internal/human"
	"varve/repository"
)

func distrustCommand(s *session) *command {
	var reason string
	return &command{
		name: "distrust", group: keepAndDelete, args: "VOLUME@REV",
		summary: "call a revision suspect",
		about: `Makes the revision suspect: it is stored well, but perhaps not what its source
held then. latest warns of it, latest-good passes it over, and the next backup on
top of it reads everything. What ends it is varve verify --against a SOURCE that
still holds what it held at that time. One that is damaged, which is worse, stays
that, and is suspect once it is repaired.

Here, a time names only a revision of that very day, minute or second.`,
		codes: "3  the revision cannot be read",
		example: `varve distrust db1@k3f9 --reason "the controller was faulty that night"
varve verify db1@k3f9 --against /dev/vg/db1-snap    # ends it, if they are the same`,
		flags: []cli.Flag{
			&cli.StringFlag{Name: "reason", Destination: &reason, Usage: "say why, a line of `TEXT`"},
		},
		run: func(ctx context.Context, args []string) (result, error) { return runDistrust(ctx, s, reason, args[0]) },
	}
}

func runDistrust(ctx context.Context, s *session, reason, text string) (result, error) {
	if err := needReason(s.command, reason); err != nil {
		return nil, err
	}
	m, err := s.mark(ctx, text, marking{op: repository.OpDistrust, doing: "distrust of", change: func(info *repository.Info) (string, error) {
		switch {
		case info.State == repository.Suspect && info.Reason == reason, info.State == repository.Damaged && info.Suspect == reason:
			return "", nil
		}
		info.Distrust(reason)
		return reason, nil
	}})
	if m == nil {
		return nil, err
	}
	m.says = func(p *page, m *marked) {
		if m.State == repository.Damaged {
			p.line("%s, and suspect besides, once it is repaired: %s", p.red(m.name()+" is DAMAGED"), reason)
			return
		}
		p.line("%s: %s", p.yellow(m.name()+" is SUSPECT"), m.Reason)
		p.line("%s varve verify %s --against SOURCE ends that, if SOURCE still holds what it held then", p.arrow(), human.ShellWord(m.name()))
	}
	return m, err
}
