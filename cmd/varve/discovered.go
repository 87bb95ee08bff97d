package main

import (
	"fmt"
	"time"

	"varve/internal/human"
	"varve/revision"
	"varve/volume"
)

// Words of what covers something. They are API.
const (
	byConfiguration = "configuration"
	byHand          = "by-hand"
	byNobody        = "nobody"
	excluded        = "excluded"
)

// discovered is the result of discover.
type discovered struct {
	Place         string             `json:"place"`
	Sources       []discoveredSource `json:"sources"`
	Uncovered     int                `json:"uncovered_count"`
	Configuration []string           `json:"configuration"` // lines that would cover what nobody does
	at            volume.Location
	only          bool // what nobody backs up is listed
	count         int  // of all that there is
	size          int64
	path          string // of the configuration
}

// discoveredSource is something that could be backed up. Its fields are API.
type discoveredSource struct {
	Source   string               `json:"source"`
	Size     *int64               `json:"size"`
	Covered  string               `json:"covered"`
	Volume   known[revision.Name] `json:"volume"`   // null: none
	Pattern  string               `json:"pattern"`  // of the configuration, that covers or excludes it; empty: none does
	Revision *revision.ID         `json:"revision"` // the newest that was read from it
	Begun    *time.Time           `json:"begun"`
	at       volume.Location
	like     string // the source of a pattern that it fits
}

func newDiscovered(at volume.Location, only bool) *discovered {
	return &discovered{Place: at.String(), Sources: []discoveredSource{}, Configuration: []string{}, at: at, only: only}
}

func (d *discovered) add(one discoveredSource) {
	d.count++
	if one.Covered == byNobody {
		d.Uncovered++
		if one.Size != nil {
			d.size += *one.Size
		}
	}
	if !d.only || one.Covered == byNobody {
		d.Sources = append(d.Sources, one)
	}
}

// exitStatus is for who asked whether there is anything.
func (d *discovered) exitStatus() int {
	if d.only && d.Uncovered > 0 {
		return exitFailed
	}
	return 0
}

func (d *discovered) print(p *page) {
	what := "source"
	if d.at.Scheme == volume.SchemeRBD {
		what = "image"
	}
	switch {
	case d.only && d.Uncovered == 0 && p.terse: // cron would send it
		return
	case d.count == 0:
		p.line("there is nothing in %s that could be backed up", d.Place)
		return
	case d.Uncovered == 0:
		p.line("%s in %s", p.bold("nothing is left out: "+formatCount(d.count, what)), d.Place)
	default:
		p.line("%s", p.red(fmt.Sprintf("NOBODY backs up %d of %s in %s: %s", d.Uncovered, formatCount(d.count, what), d.Place, human.Size(d.size))))
	}
	if len(d.Sources) > 0 {
		rows := [][]cell{{left("SOURCE"), right("SIZE"), left("VOLUME"), left("NEWEST"), right("AGE"), left("COVERED")}}
		for i := range d.Sources {
			rows = append(rows, d.Sources[i].row(p))
		}
		p.table(rows)
	}
	if len(d.Configuration) > 0 {
		p.line("%s to cover them, below volumes: in %s", p.arrow(), d.configured())
		for _, line := range d.Configuration {
			p.line("%s", markup(harmless("  "+line))) // to be copied as it is
		}
	}
}

// configured is where the configuration is, or would be.
func (d *discovered) configured() string {
	if d.path == "" {
		return "/etc/varve/varve.yaml"
	}
	return d.path
}

func (d *discoveredSource) row(p *page) []cell {
	row := []cell{left(d.at.String()), right("?"), left(d.Volume.is.String()), left("none"), right("-"), left(d.Covered)}
	if d.Size != nil {
		row[1].text = human.Size(*d.Size)
	}
	if d.Volume.is == "" {
		row[2].text = "-"
	}
	if d.Revision != nil {
		row[3].text, row[4].text = d.Revision.Short(), formatAge(p.now.Sub(*d.Begun))
	}
	switch d.Covered {
	case byNobody:
		row[5] = cell{text: "NOBODY", paint: p.red}
		if d.Revision != nil {
			row[5].text += ", for it was renamed"
		}
	case byHand:
		row[5].text = "by hand"
	case excluded:
		row[5].text = "excluded by " + d.Pattern
	case byConfiguration:
		if d.Pattern != "" {
			row[5].text += " (" + d.Pattern + ")"
		}
	}
	return row
}
