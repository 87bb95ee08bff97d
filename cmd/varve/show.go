package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"varve/internal/human"
	"varve/repository"
	"varve/revision"
)

func showCommand(s *session) *command {
	return &command{
		name: "show", group: everyDay, args: "VOLUME[@REV]", asks: true,
		summary: "tell everything that a revision says of itself",
		about: `Shows what was recorded when the revision was made, and what was noted about
it since. REV is an id such as k3f9, latest (which is what it is without REV),
latest~2, latest-good, tag:T, a time such as 2026-11-19T02:00, a day such as
2026-11-19, today, yesterday or tuesday, or an age such as 3d.`,
		example: `varve show db1                              # the newest
varve show db1@k3f9 --json`,
		codes: "3  nothing of the revision can be read any more",
		run:   func(_ context.Context, args []string) (result, error) { return runShow(s, args[0]) },
	}
}

// shown is the result of show.
type shown struct {
	entry     entry
	drill     *notedDrill // nil: there was none
	Statement *revision.Statement
	set       string // of which set it is, and with what; empty: of none
}

// MarshalJSON implements [json.Marshaler]: the fields of the entry, and the
// statement as it is stored.
func (v *shown) MarshalJSON() ([]byte, error) {
	return marshalJoined(v.entry, struct {
		Drill     *notedDrill         `json:"drill"`
		Statement *revision.Statement `json:"statement"`
	}{v.drill, v.Statement})
}

func runShow(s *session, text string) (result, error) {
	repo, err := s.openRepository(toList)
	if err != nil {
		return nil, err
	}
	defer s.close("close the repository", repo)
	rev, err := s.choose(repo, text)
	if err != nil {
		return nil, err
	}
	if rev.Statement == nil {
		return nil, &repository.DamagedFileError{Path: address(rev.Volume.Name, rev.ID), Cause: fmt.Errorf("%s", rev.Info.Reason)}
	}
	e := newEntry(rev)
	return &shown{entry: e, drill: newNotedDrill(rev.ID, rev.Info.Drill), Statement: rev.Statement, set: inSet(repo, rev)}, nil
}

func (v *shown) print(p *page) {
	st, e := v.Statement, v.entry
	p.line("%s", p.bold(address(e.Volume, e.ID)))
	var lost []string
	for _, x := range e.Lost {
		lost = append(lost, formatExtent(x))
	}
	parent := ""
	if st.Parent != nil {
		parent = "on " + st.Parent.ID.String()
	}
	p.facts(
		"id", st.ID.String(),
		"state", e.state(p.now)+prefixed(": ", e.Reason),
		"lost", strings.Join(lost, ", "),
		"drill", v.drill.words(p.now),
		"tags", strings.Join(e.Tags, " "),
		"note", e.Note,
		"pinned", pinText((*revision.Pin)(v.entry.Pin), p.now),
		"begun", formatTime(st.Begun, p.now),
		"ended", formatTime(st.Ended, p.now)+", took "+formatDuration(e.took()),
		"size", fmt.Sprintf("%s (%s bytes)", human.Size(int64(st.Size)), formatBytes(int64(st.Size))),
		"kind", strings.TrimSpace(string(st.Kind)+" "+parent),
		"number", fmt.Sprint(st.Sequence),
		"source", strings.TrimSpace(st.Source.Kind+" "+st.Source.Path)+prefixed(", ", st.Source.Identity),
		"set", v.set,
		"consistency", consistencyText(st),
		"looked at", planText(st.Plan),
		"read", fmt.Sprintf("%s, %s %s", human.Size(int64(e.Read)), human.Size(int64(e.Holes)), skippedText(st.Plan.Kind)),
		"changed", fmt.Sprintf("%s in %s", human.Size(int64(e.Changed)), formatCount(e.Chunks, "chunk")),
		"stored", fmt.Sprintf("%s: patches %d, new chunks %d; %s were there already",
			human.Size(int64(e.Stored)), e.Patches, e.NewChunks, human.Size(int64(e.Found))),
		"chunks", "of "+human.Size(int64(st.ChunkSize)),
		"digest", st.Digest.String(),
		"volume", st.Volume.UUID.String(),
		"lineage", st.Lineage.String(),
	)
}

func pinText(pin *revision.Pin, now time.Time) string {
	switch {
	case pin == nil:
		return ""
	case pin.Until.IsZero():
		return "for ever" + prefixed(": ", pin.Reason)
	}
	over := ""
	if !pin.Until.After(now) {
		over = ", which is over"
	}
	return "until " + inProse(pin.Until, now) + over + prefixed(": ", pin.Reason)
}

func formatExtent(x repository.Extent) string {
	return fmt.Sprintf("%s at byte %s", human.Size(x.Length), formatBytes(x.Offset))
}

func consistencyText(st *revision.Statement) string {
	text := string(st.Consistency)
	switch st.Consistency {
	case revision.Frozen:
		text = "frozen, one moment of its source"
	case revision.Snapshotted:
		text = "snapshot, one moment of its source"
	case revision.Still:
		if st.Reason == "" {
			text = "still, nothing wrote to it while it was read"
		}
	case revision.Live:
		text = "live, something may have written to it while it was read"
	}
	return text + prefixed(": ", st.Reason)
}

// skippedText says why bytes were not read.
func skippedText(plan revision.PlanKind) string {
	if plan == revision.PlanTracker {
		return "called unchanged"
	}
	return "of holes skipped"
}

func planText(plan revision.Plan) string {
	text := "every chunk"
	switch plan.Kind {
	case revision.PlanData:
		text = "every chunk that is not a hole of the source"
	case revision.PlanTracker:
		text = "what the source's change tracker named since " + plan.Since
	}
	if plan.Slice != nil {
		text += fmt.Sprintf(", and %s from %d on", formatCount(plan.Slice.Count, "chunk"), plan.Slice.First)
	}
	return text
}
