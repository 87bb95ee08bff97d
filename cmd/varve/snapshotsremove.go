package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"varve/internal/human"
	"varve/job"
	"varve/repository"
	"varve/revision"
	"varve/volume"
)

// goes tells whether a snapshot is one of those that are to go.
func (k *keeping) goes(one volume.KeptSnapshot) bool {
	use, _ := k.ledger.Judge(one)
	switch {
	case k.flags.remove != "": // the volume's alone are listed
		return use == job.UseBase || use == job.UseOrphan || use == job.UseUnclear
	case use == job.UseReading:
		return k.isOld(one)
	}
	return use == job.UseOrphan
}

// remove removes what is to go, if a person means it: of each volume while nobody backs it up, and after another look.
func (k *keeping) remove(ctx context.Context, out *snapshots) error {
	going := map[string][]*keptEntry{}
	n, base := 0, false
	for i := range out.Snapshots {
		if e := &out.Snapshots[i]; k.goes(e.kept) {
			going[e.UUID] = append(going[e.UUID], e)
			e.Removed = k.flags.dryRun
			n, base = n+1, base || e.Use == job.UseBase
		}
	}
	if n == 0 || k.flags.dryRun {
		return nil
	}
	if err := k.s.agreed(k.question(n, base), "varve snapshots "+suffixed(k.typed, " ")+k.asked()+" --yes"); err != nil {
		return err
	}
	for _, e := range out.Snapshots {
		if all := going[e.UUID]; all != nil {
			delete(going, e.UUID)
			k.removeOf(ctx, e.UUID, all, out)
		}
	}
	return ctx.Err()
}

// removeOf removes snapshots that were taken for one volume.
func (k *keeping) removeOf(ctx context.Context, uuid string, going []*keptEntry, out *snapshots) {
	id, err := revision.ParseUUID(uuid)
	if err != nil { // it is none of this program's
		return
	}
	begun, event := time.Now(), repository.Event{Op: repository.OpSnapshot, UUID: &id}
	v := repository.Volume{UUID: id, Name: revision.Name(uuid)}
	if of, is := k.ledger.Owner(going[0].kept); is {
		v.Name, event.Volume = of.Name, of.Name
	}
	var went []string
	var failures []error
	err = k.repo.WhileIdle(ctx, v, time.Duration(k.s.globals.wait), func() error {
		if err := k.ledger.Reread(uuid); err != nil {
			return err
		}
		for _, e := range going {
			if e.Use, e.Why = k.ledger.Judge(e.kept); !k.goes(e.kept) {
				continue
			}
			if err := k.in.drop(ctx, e.kept); err != nil {
				out.trouble(e.Image, err)
				failures = append(failures, err)
				continue
			}
			e.Removed = true
			went = append(went, e.kept.At().String())
		}
		return nil
	})
	if err != nil {
		out.trouble(going[0].Image, err)
	}
	if len(went)+len(failures) > 0 {
		event.Seconds, event.Detail = time.Since(begun).Seconds(), prefixed("removed ", strings.Join(went, ", "))
		k.s.record(ctx, k.repo, event, errors.Join(failures...))
	}
}

// question says what goes; base, that the next backup counts from it.
func (k *keeping) question(n int, base bool) string {
	what := formatThey(n, "snapshot", "goes", "go")
	switch {
	case base:
		return fmt.Sprintf("%s of %s, and its next backup reads everything.", what, k.flags.remove)
	case k.flags.remove != "":
		return fmt.Sprintf("%s of %s.", what, k.flags.remove)
	}
	return what + " that nothing counts from any more."
}

func (k *keeping) asked() string {
	if k.flags.remove != "" {
		return "--remove " + human.ShellWord(k.flags.remove)
	}
	return "--orphans"
}

// agreed makes sure that a person means what is said.
func (s *session) agreed(what, near string) error {
	if s.globals.yes {
		return nil
	}
	answer, err := s.ask(what, "yes", near)
	if err != nil {
		return err
	}
	if answer = strings.TrimSpace(answer); !strings.EqualFold(answer, "yes") && !strings.EqualFold(answer, "y") {
		return s.notMeant(answer, "yes")
	}
	return nil
}
