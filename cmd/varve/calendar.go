package main

import (
	"fmt"

	"varve/internal/human"
	"varve/retention"
)

// calendar shows what would go, and why the rest stays.
func (v *prunedVolume) calendar(p *page, named bool) {
	if named {
		p.line("%s", p.bold(v.Volume.String()))
	}
	keeps, goes, none := "k", "·", "–"
	if !p.unicode {
		goes, none = "x", "-"
	}
	p.line("rules  %s (%s)    %s keep  %s goes  %s none", v.Rules, v.From, keeps, goes, none)
	p.line("       Mo Tu We Th Fr Sa Su")
	marks := map[retention.Mark]string{retention.Outside: " ", retention.None: none, retention.Goes: goes, retention.Keeps: keeps}
	for _, w := range v.plan.Weeks() {
		if w.Skipped > 0 {
			p.line("       %s without a revision", formatCount(w.Skipped, "week"))
		}
		row := w.Monday.Format("Jan 02")
		for _, d := range w.Days {
			row += "  " + marks[d.Mark]
		}
		p.line("%s   %s", row, because(w.Because))
	}
	if v.plan.Clock.Before(v.plan.Now) {
		p.line("%s  the newest is far from those before it: until the next backup, time stands still at %s",
			p.yellow("NOTE"), inProse(v.plan.Clock, p.now))
	}
	if len(v.Removed) == 0 {
		p.line("%s. Nothing was changed.", p.bold("nothing goes"))
		return
	}
	freed := ""
	if v.Frees != nil {
		freed = fmt.Sprintf("; about %s are freed after that", human.Size(*v.Frees))
	}
	p.line("%s, recoverable for %s%s. Nothing was changed.",
		p.bold(formatThey(len(v.Removed), "revision", "goes", "go")), formatAge(v.undelete), freed)
}

// because joins the reasons of a week: "daily 17 18 19, weekly".
func because(all []retention.Because) (text string) {
	for i, b := range all {
		if i > 0 {
			text += ", "
		}
		if b.Reason.Trusted {
			text += "trusted "
		}
		text += b.Reason.Cause.String()
		if b.Reason.Text != "" {
			text += " " + b.Reason.Text
		}
		if len(all) > 1 || len(b.Dates) > 1 {
			for _, date := range b.Dates {
				text += date.Format(" 2")
			}
		}
	}
	return text
}
