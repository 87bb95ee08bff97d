package main

import (
	"fmt"
	"strings"
	"time"

	"varve/disk"
	"varve/drill"
	"varve/fusemount"
	"varve/internal/human"
	"varve/job"
	"varve/repository"
	"varve/revision"
)

// drilledAll is the result of drill.
type drilledAll struct {
	Drills []drilledEntry `json:"drills"`
}

// drilledEntry is how one drill ended. Its fields are API.
type drilledEntry struct {
	Volume   revision.Name      `json:"volume"`
	Revision known[revision.ID] `json:"revision"` // null: it was not found
	OK       bool               `json:"ok"`
	Exit     int                `json:"exit"`
	Error    *jsonError         `json:"error"`
	Result   *drilled           `json:"result"` // null: it could not be begun

	unrecorded bool
}

// drilled is what a drill came to. Its fields are API.
type drilled struct {
	Outcome   drill.Outcome       `json:"outcome"`
	Reasons   []string            `json:"reasons"`
	FirstByte float64             `json:"first_byte"`
	Rate      known[int64]        `json:"rate"` // bytes a second
	Data      int64               `json:"data"`
	Restore   float64             `json:"restore"`
	Table     disk.Table          `json:"table"`
	Parts     []drilledPart       `json:"partitions"`
	Command   *drilledCommand     `json:"command"` // null: none was run
	Lost      []repository.Extent `json:"lost"`    // as far as it was met
	Seconds   float64             `json:"seconds"`
}

// drilledPart is what came of a part of the disk. Its fields are API.
type drilledPart struct {
	partition
	Outcome known[drill.Outcome] `json:"outcome"` // null: there was nothing to do
	Reason  string               `json:"reason"`
	Mounted bool                 `json:"mounted"`
	Check   *drilledCheck        `json:"check"`
}

// drilledCheck is what a program said of a file system. Its fields are API.
type drilledCheck struct {
	Program string  `json:"program"`
	Exit    int     `json:"exit"`
	Output  string  `json:"output"`
	Seconds float64 `json:"seconds"`
}

// drilledCommand is what came of the command. Its fields are API.
type drilledCommand struct {
	Exit    int     `json:"exit"`
	Output  string  `json:"output"`
	Seconds float64 `json:"seconds"`
	Reason  string  `json:"reason"` // why it failed
}

// newDrilled sums up, with an error unless all went well: of one drill its own, of several the gravest.
func newDrilled(all []*drilling) (*drilledAll, error) {
	out := &drilledAll{Drills: []drilledEntry{}}
	var gravities []job.Gravity
	var failed []string
	done := false
	for _, d := range all {
		out.Drills = append(out.Drills, newDrilledEntry(d))
		gravities, done = append(gravities, gravityOf(d.err)), done || d.found != nil
		if d.err != nil {
			failed = append(failed, d.want.volume.String())
		}
	}
	switch {
	case len(failed) == 0:
		return out, nil
	case len(all) == 1 && all[0].found == nil:
		return nil, all[0].err
	case len(all) == 1:
		return out, all[0].err
	}
	return out, &severalError{
		Code: exitOf(job.Worst(gravities, done)),
		Text: fmt.Sprintf("%d of %s did not go well: %s", len(failed), formatCount(len(all), "drill"), strings.Join(failed, ", ")),
	}
}

func newDrilledEntry(d *drilling) drilledEntry {
	e := drilledEntry{Volume: d.want.volume, Revision: known[revision.ID]{d.rev.ID}, OK: d.err == nil, Exit: exitCode(d.err), unrecorded: d.unrecorded}
	if d.err != nil {
		e.Error = &jsonError{Message: d.err.Error(), Hint: hint(d.err, d.about)}
	}
	if d.found != nil {
		e.Result = newDrilledResult(d.found, d.took)
	}
	return e
}

func newDrilledResult(r *drill.Result, took time.Duration) *drilled {
	out := &drilled{
		Outcome: r.Outcome, Reasons: append([]string{}, r.Reasons...), Table: r.Table, Parts: []drilledPart{}, Lost: []repository.Extent{}, Seconds: took.Seconds(),
		FirstByte: r.Reading.FirstByte.Seconds(), Rate: known[int64]{r.Reading.Rate}, Data: r.Reading.Data, Restore: r.Reading.Restore().Seconds(),
	}
	for i := range r.Parts {
		p := &r.Parts[i]
		part := drilledPart{partition: newPartition(p.Part), Outcome: known[drill.Outcome]{p.Outcome}, Reason: p.Reason, Mounted: p.Mounted}
		if c := p.Check; c != nil {
			part.Check = &drilledCheck{Program: c.Program, Exit: c.Exit, Output: c.Output, Seconds: c.Took.Seconds()}
		}
		out.Parts = append(out.Parts, part)
	}
	if c := r.Command; c != nil {
		out.Command = &drilledCommand{Exit: c.Exit, Output: c.Output, Seconds: c.Took.Seconds(), Reason: c.Failed}
	}
	for _, t := range r.Mishaps {
		if t.Kind == fusemount.Lost {
			out.Lost = append(out.Lost, repository.Extent{Offset: t.Offset, Length: t.Length})
		}
	}
	return out
}

// tellDrilled says how one of several ended, as soon as it has.
func (s *session) tellDrilled(d *drilling) {
	if s.json || s.globals.quiet && d.err == nil {
		return
	}
	p := s.page(s.stderr.w)
	e := newDrilledEntry(d)
	switch {
	case e.Result != nil:
		e.print(p)
	default:
		p.line("%s was not drilled: %s", p.red(e.Volume.String()), strings.ReplaceAll(e.Error.Message, "\n", "; "))
	}
	if e.Error != nil && e.Error.Hint != "" {
		p.line("  next   %s", e.Error.Hint)
	}
	s.tell(p)
}

func (a *drilledAll) print(p *page) {
	if len(a.Drills) == 1 {
		a.Drills[0].print(p)
		return
	}
	counts := map[drill.Outcome]int{}
	for _, e := range a.Drills {
		if e.Result == nil {
			counts[drill.Undone]++
			continue
		}
		counts[e.Result.Outcome]++
	}
	text := fmt.Sprintf("%d of %s passed", counts[drill.Passed], formatCount(len(a.Drills), "drill"))
	for _, one := range []struct {
		outcome drill.Outcome
		words   string
	}{{drill.Failed, "failed"}, {drill.Undone, "could not be done"}, {drill.NotApplicable, "not applicable"}} {
		if n := counts[one.outcome]; n > 0 {
			text += fmt.Sprintf(", %d %s", n, one.words)
		}
	}
	p.line("%s", p.bold(text))
}

// print tells of one drill.
func (e *drilledEntry) print(p *page) {
	r, name := e.Result, address(e.Volume, e.Revision.is)
	after := ", after " + formatDuration(seconds(r.Seconds))
	switch r.Outcome {
	case drill.Passed:
		p.line("%s: it took %s, and a restore would take %s", p.bold(name+" passed its drill"), formatDuration(seconds(r.Seconds)), formatRestore(seconds(r.Restore)))
		if p.terse && !e.unrecorded {
			return
		}
	case drill.Failed:
		p.line("%s%s", p.red(name+" FAILED its drill"), after)
	case drill.Undone:
		p.line("%s%s", p.yellow("the drill of "+name+" could not be done"), after)
	default:
		p.line("%s%s", p.bold("drills are not applicable to "+name), after)
	}
	if e.unrecorded {
		p.line("not recorded: the repository is read-only")
	}
	for _, reason := range r.Reasons {
		p.facts("because", reason)
	}
	for i := range r.Parts {
		part := &r.Parts[i]
		p.facts(part.place(), part.words())
		if c := part.Check; c != nil && part.Outcome.is != drill.Passed {
			printOutput(p, c.Output)
		}
	}
	if c := r.Command; c != nil {
		text := "ended with 0"
		if c.Reason != "" {
			text = c.Reason
		}
		p.facts("command", text+", after "+formatDuration(seconds(c.Seconds)))
		printOutput(p, c.Output)
	}
	if r.Rate.is > 0 {
		p.facts("reading", fmt.Sprintf("first byte after %s, %s/s, %s to restore", formatDuration(seconds(r.FirstByte)), human.Size(r.Rate.is), human.Size(r.Data)))
	}
}

// place is what a part is called in a few letters.
func (d *drilledPart) place() string {
	if d.Number == 0 {
		return "disk"
	}
	return fmt.Sprintf("partition %d", d.Number)
}

// words says what came of it.
func (d *drilledPart) words() string {
	text := strings.TrimSpace(string(d.Holds) + " " + d.Label)
	if d.Mounted {
		text += ", mounted"
	}
	if d.Check != nil {
		text += fmt.Sprintf(", %s: exit code %d", d.Check.Program, d.Check.Exit)
	}
	if d.Outcome.is == "" {
		text += ", nothing to look into"
	}
	return text
}

// maxOutputLines is how much of what a program wrote is shown to people: its last lines.
const maxOutputLines = 12

func printOutput(p *page, text string) {
	lines := strings.Split(strings.TrimRight(text, "\n"), "\n")
	for _, line := range lines[max(0, len(lines)-maxOutputLines):] {
		if strings.TrimSpace(line) != "" {
			p.line("%*s%s", factsAt+2, "", line)
		}
	}
}

func seconds(n float64) time.Duration { return time.Duration(n * float64(time.Second)) }

// drillWords says what a drill came to that did not fail, in a line.
func drillWords(d *repository.Drill) string {
	if d.Outcome == repository.DrillNotApplicable {
		return "not applicable: " + d.Reason
	}
	return "passed, restore would take " + formatRestore(d.RestoreTime())
}

// formatRestore writes how long a restore would take. Less than a second is nothing that was measured.
func formatRestore(d time.Duration) string { return formatLong(max(d, time.Second)) }
