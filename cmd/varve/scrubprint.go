package main

import (
	"fmt"
	"strings"
	"time"

	"varve/internal/human"
	"varve/repository"
	"varve/scrub"
)

// Bounds of what is printed: JSON has all.
const (
	mostFindings = 50
	mostLosses   = 5
	mostPlaces   = 3
)

func (r *scrubbed) print(p *page) {
	p.line("%s  %s, %s, %s, %s (of %s in images)", p.bold(r.place), formatCount(r.Volumes, "volume"), formatCount(r.Revisions, "revision"),
		formatCount(r.Packs, "pack"), human.Size(r.Stored), human.Size(r.Images))
	p.line("light   %s   %s", "done in "+formatDuration(seconds(r.LightTook)), r.lightVerdict())
	if !r.Light {
		p.line("deep    %s", r.deepLine())
	}
	shown := r.Findings[:min(len(r.Findings), mostFindings)]
	for i := range shown {
		shown[i].print(p, r.Repair == nil)
	}
	if n := len(r.Findings) - len(shown); n > 0 {
		p.line("and %s: --json has all", formatCount(n, "finding")+" more")
	}
	if r.unrecorded {
		p.line("not recorded: the repository is read-only")
	}
	if !r.Light && !r.Finished && r.Trouble == 0 {
		p.line("%s varve scrub --resume reads the rest: %s of %s were due", p.arrow(), formatCount(r.DuePacks-r.ReadPacks, "pack"), formatCount(r.DuePacks, "pack"))
	}
	paint := p.bold
	if r.Damage > 0 {
		paint = p.red
	}
	p.line("%s", paint(r.sum()))
	if r.Repair != nil {
		r.Repair.print(p)
	}
}

// lightVerdict says whether all but content is well.
func (r *scrubbed) lightVerdict() string {
	for i := range r.Findings {
		switch f := &r.Findings[i]; {
		case f.Grade == scrub.Note, f.Kind == scrub.Frame, f.Kind == scrub.Content:
		default:
			return "not all is whole: see below"
		}
	}
	return "files, tables, maps, chains, journal whole"
}

func (r *scrubbed) deepLine() string {
	took := seconds(r.DeepTook)
	text := fmt.Sprintf("done in %s   %s of %s read at %s", formatDuration(took), human.Size(r.Read), human.Size(r.Stored), human.Rate(r.Read, took))
	if r.Proven > 0 {
		text += fmt.Sprintf("; %s proven", formatThey(r.Proven, "revision", "is", "are"))
	}
	return text
}

// sum is the verdict, on one line.
func (r *scrubbed) sum() string {
	var parts []string
	switch {
	case r.Damage > 0 && len(r.Lost) > 0:
		total, volumes := int64(0), map[string]bool{}
		for _, l := range r.Lost {
			total += l.Bytes
			volumes[l.Volume.String()] = true
		}
		lost := formatCount(len(r.Lost), "revision") + " of " + formatCount(len(volumes), "volume")
		if total > 0 { // else nobody knows how long they were
			lost = human.Size(total) + " in " + lost
		}
		parts = append(parts, formatCount(r.Damage, "damage")+": "+lost+" lost")
		if r.wholeVolume > 0 {
			parts = append(parts, formatThey(r.wholeVolume, "volume", "is whole", "are whole"))
		}
	case r.Damage > 0:
		text := formatCount(r.Damage, "damage") + ", and nothing is lost: other copies stand in"
		if r.alone {
			text = formatCount(r.Damage, "damage") + ", and no byte of a revision is lost"
		}
		parts = append(parts, text)
	}
	if r.Trouble > 0 {
		parts = append(parts, formatCountOf(r.Trouble, "place", "places")+" could not be read")
	}
	switch {
	case len(parts) > 0:
		return strings.Join(parts, "; ")
	case r.Light:
		return "no damage: all but content is whole, which --light does not read"
	case !r.Finished:
		return "no damage so far"
	case r.ReadPacks < r.Packs:
		return "no damage in what was due"
	}
	return "no damage: every byte was read, and is right"
}

// print tells of one finding: what, what it takes away, and what is to be done.
func (f *scrubFinding) print(p *page, propose bool) {
	label := map[scrub.Grade]markup{scrub.Damage: p.red("DAMAGE "), scrub.Trouble: p.yellow("TROUBLE"), scrub.Note: markup("note   ")}[f.Grade]
	text := f.where() + ": " + f.Cause
	if f.Twice {
		text += " (read twice, same bytes)"
	}
	p.line("%s %d  %s", label, f.Number, text)
	for i := range f.Lost[:min(len(f.Lost), mostLosses)] {
		p.line("           lost    %s", f.Lost[i].text(p.now))
	}
	if n := len(f.Lost) - mostLosses; n > 0 {
		p.line("           lost    and in %s more: --json has all", formatCount(n, "revision"))
	}
	if f.Kind == scrub.Info && f.Grade == scrub.Damage {
		p.line("           lost    what was noted of %s: its tags, note, pin and state. Until it is repaired, it is suspect, and stays", address(f.Volume.is, f.Revision.is))
	}
	switch {
	case f.Grade == scrub.Trouble:
		p.line("           %s look at the disk (dmesg, smartctl -a), then varve scrub --resume. Nothing is condemned", p.arrow())
	case len(f.Lost) == 0 && f.Kind == scrub.Frame && (f.Grade == scrub.Damage || len(f.Objects[0].Elsewhere) > 0):
		p.line("           nothing is lost: %s", f.spared())
	case f.Do != "" && propose:
		p.line("           repair  %s %s %s", f.from, p.arrow(), f.Do)
	}
}

// remedyOf proposes the repair that may help: where the good bytes may come from, and what to type.
func remedyOf(f *scrub.Finding) (from, command string) {
	switch {
	case f.Kind == scrub.Journal, f.Kind == scrub.Record, f.Kind == scrub.Unneeded:
		return "", ""
	case f.Kind == scrub.Content: // all that it is made of is right: nothing here is to be made good
		return "", ""
	case f.Alone && strings.HasPrefix(f.Path, "trash/"): // another repository has its own trash
		return "", ""
	case f.Alone, len(f.Lost) > 0 && f.Lost[0].Whole: // no source tells what a revision was made of
		return "possible from a copy of the repository", "varve scrub --repair-from-repo REPO"
	case f.Kind == scrub.Frame && len(f.Lost) == 0: // where a good copy is, the hurt one stays
		return "", ""
	case len(f.Lost) == 0:
		return "possible from another copy", "varve scrub --repair"
	}
	return "perhaps from the source", "varve scrub " + human.ShellWord(f.Lost[0].Volume.Name.String()) + " --repair-from-source"
}

// spared says why a hurt frame takes nothing away.
func (f *scrubFinding) spared() string {
	for _, o := range f.Objects {
		if len(o.Elsewhere) > 0 {
			return "pack " + shortPack(o.Elsewhere[0]) + " has a good copy"
		}
	}
	return "no visible revision needs it"
}

// where names the place of a finding.
func (f *scrubFinding) where() string {
	switch {
	case f.Kind == scrub.Frame:
		text := fmt.Sprintf("pack %s at %s", shortPack(f.Pack.is), formatBytes(f.Offset))
		if f.Length.is > 0 {
			text += ": frame of " + human.Size(f.Length.is)
		}
		return text
	case f.Kind == scrub.Missing:
		return fmt.Sprintf("pack %s, %s", shortPack(f.Pack.is), formatCount(len(f.Objects), "object"))
	case f.Kind == scrub.Pack && f.Pack.is != "":
		return fmt.Sprintf("pack %s at %s", shortPack(f.Pack.is), formatBytes(f.Offset))
	case f.Kind == scrub.Content:
		return address(f.Volume.is, f.Revision.is)
	case f.Path.is != "":
		return f.Path.is
	}
	return string(f.Kind)
}

// shortPack writes the ends of a pack's id.
func shortPack(id string) string {
	if len(id) < 8 {
		return id
	}
	return id[:6] + ".." + id[len(id)-2:]
}

// text says what a revision has lost, and where.
func (l *scrubLoss) text(now time.Time) string {
	of := fmt.Sprintf("%s (%s)", address(l.Volume, l.Revision), formatDay(l.Begun, now))
	if l.Whole {
		return "all of " + of
	}
	var places []string
	for _, e := range l.Extents[:min(len(l.Extents), mostPlaces)] {
		places = append(places, placeOf(e))
	}
	if n := len(l.Extents) - mostPlaces; n > 0 {
		places = append(places, formatCount(n, "more place"))
	}
	return fmt.Sprintf("%s of %s at %s", human.Size(l.Bytes), of, strings.Join(places, ", "))
}

// placeOf writes where an extent begins, exactly: 8 GiB + 4 KiB.
func placeOf(e repository.Extent) string {
	var parts []string
	rest := e.Offset
	for _, unit := range []struct {
		size int64
		name string
	}{{1 << 40, "TiB"}, {1 << 30, "GiB"}, {1 << 20, "MiB"}, {1 << 10, "KiB"}} {
		if n := rest / unit.size; n > 0 {
			parts, rest = append(parts, fmt.Sprintf("%d %s", n, unit.name)), rest%unit.size
		}
	}
	if rest > 0 || len(parts) == 0 {
		parts = append(parts, fmt.Sprintf("%d B", rest))
	}
	return strings.Join(parts, " + ")
}
