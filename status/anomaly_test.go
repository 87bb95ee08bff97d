package status_test

import (
	"math"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"varve/repository"
	"varve/revision"
	"varve/status"
)

const gib = 1 << 30

// delta is a revision that stored that much of what changed.
func delta(stored, changed uint64) *revision.Statement {
	st := &revision.Statement{Kind: revision.Delta}
	st.Statistics.Stored, st.Statistics.Changed = stored, changed
	return st
}

func full(stored uint64) *revision.Statement {
	st := delta(stored, stored)
	st.Kind = revision.Full
	return st
}

// usual is a history of deltas.
func usual(n int, stored, changed uint64) (all []*revision.Statement) {
	for range n {
		all = append(all, delta(stored, changed))
	}
	return all
}

var someRules = status.AnomalyRules{Stored: 10, AtLeast: gib, Ratio: 0.95, History: 7}

func TestAnomalies(t *testing.T) {
	t.Parallel()
	noRatio, noStored := someRules, someRules
	noRatio.Ratio, noStored.Stored = 0, 0
	for name, c := range map[string]struct {
		rules  status.AnomalyRules
		before []*revision.Statement
		st     *revision.Statement
		want   string // part of why; empty: it is normal
	}{
		"as ever":                   {someRules, usual(7, gib, 3*gib), delta(gib, 3*gib), ""},
		"ten times as much":         {someRules, usual(7, gib, 3*gib), delta(10*gib, 30*gib), ""},
		"and a byte":                {someRules, usual(7, gib, 3*gib), delta(10*gib+1, 30*gib), "it stored 10 GiB, 10 times the usual 1 GiB"},
		"much, and no rule of it":   {noStored, usual(7, gib, 3*gib), delta(100*gib, 300*gib), ""},
		"much, for a small volume":  {someRules, usual(7, 1000, 3000), delta(gib-1, gib-1), ""},
		"just enough":               {someRules, usual(7, 1000, 3000), delta(gib, 3*gib), "it stored 1 GiB, 1073742 times the usual 1000 bytes"},
		"usually nothing":           {someRules, usual(7, 0, 0), delta(gib, 3*gib), "it stored 1 GiB, and those before it usually nothing"},
		"the first":                 {someRules, nil, delta(100*gib, 100*gib), ""},
		"too few before it":         {someRules, usual(2, 1000, 3000), delta(100*gib, 100*gib), ""},
		"three":                     {someRules, usual(3, 1000, 3000), delta(100*gib, 100*gib), "it stored 100 GiB"},
		"fulls are not counted":     {someRules, append(usual(2, 1000, 3000), full(1), full(1)), delta(100*gib, 100*gib), ""},
		"a full":                    {someRules, usual(7, 1000, 3000), full(100 * gib), ""},
		"what was long ago":         {someRules, append(usual(20, 1000, 3000), usual(7, 10*gib, 30*gib)...), delta(20*gib, 60*gib), ""},
		"one like it before":        {someRules, append(usual(6, 1000, 3000), delta(9*gib, 9*gib)), delta(9*gib, 27*gib), "it stored 9 GiB"},
		"it becomes usual":          {someRules, append(usual(3, gib, 3*gib), usual(4, 90*gib, 270*gib)...), delta(90*gib, 270*gib), ""},
		"encrypted":                 {someRules, usual(7, gib, 3*gib), delta(3*gib, 3*gib), "it hardly compresses: 100 % of the 3 GiB that changed was stored, usually 33 %"},
		"stored with what is about": {someRules, usual(7, gib, 3*gib), delta(33*gib/10, 3*gib), "110 %"},
		"not quite":                 {someRules, usual(7, gib, 3*gib), delta(94*gib/33, 3*gib), ""},
		"encrypted, and no rule":    {noRatio, usual(7, gib, 3*gib), delta(3*gib, 3*gib), ""},
		"it never compressed":       {someRules, usual(7, 99*gib/33, 3*gib), delta(3*gib, 3*gib), ""},
		"it hardly ever did":        {someRules, usual(7, 91*gib/33, 3*gib), delta(96*gib/33, 3*gib), "97 %"},
		"it was found":              {someRules, usual(7, gib, 3*gib), delta(gib, 9*gib), ""},
		"nights without a change":   {someRules, append(usual(5, 2*gib, 6*gib)[:2], usual(5, gib, 0)...), delta(3*gib, 3*gib), ""},
		"no rules":                  {status.AnomalyRules{}, usual(7, 1, 3), delta(math.MaxInt64, math.MaxInt64), ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			why := c.rules.Judge(c.before, c.st)
			if c.want == "" && why != "" || !strings.Contains(why, c.want) {
				t.Errorf("got %q, want %q", why, c.want)
			}
		})
	}
}

// Whatever the nights were like.
func TestAnomaliesProperties(t *testing.T) {
	t.Parallel()
	amount := rapid.Uint64Range(0, 1<<40)
	rapid.Check(t, func(rt *rapid.T) {
		rules := status.AnomalyRules{
			Stored: rapid.Float64Range(1, 100).Draw(rt, "stored"), AtLeast: rapid.Int64Range(0, 1<<30).Draw(rt, "at least"),
			Ratio: rapid.Float64Range(0.5, 1).Draw(rt, "ratio"), History: rapid.IntRange(3, 9).Draw(rt, "history"),
		}
		var before []*revision.Statement
		for range rapid.IntRange(0, 12).Draw(rt, "nights") {
			before = append(before, delta(amount.Draw(rt, "stored"), amount.Draw(rt, "changed")))
		}
		st := delta(amount.Draw(rt, "stored"), amount.Draw(rt, "changed"))
		why := rules.Judge(before, st)
		if less := delta(st.Statistics.Stored/2, st.Statistics.Changed); why == "" && rules.Judge(before, less) != "" {
			rt.Errorf("%d is normal, and %d is not", st.Statistics.Stored, less.Statistics.Stored)
		}
		if why := rules.Judge(usual(rules.History, st.Statistics.Stored, st.Statistics.Changed), st); why != "" {
			rt.Errorf("it is as ever: %s", why)
		}
		// What happened longer ago than counts changes nothing, and neither do fulls in between.
		if len(before) >= rules.History {
			older := append([]*revision.Statement{full(amount.Draw(rt, "full")), delta(amount.Draw(rt, "older"), 1)}, before...)
			older = append(older, full(amount.Draw(rt, "late full")))
			if again := rules.Judge(older, st); again != why {
				rt.Errorf("with older ones %q, without %q", again, why)
			}
		}
		if scaled := func(by uint64) string {
			var more []*revision.Statement
			for _, one := range before {
				more = append(more, delta(one.Statistics.Stored*by, one.Statistics.Changed*by))
			}
			r := rules
			r.AtLeast *= int64(by)
			return r.Judge(more, delta(st.Statistics.Stored*by, st.Statistics.Changed*by))
		}(4); (scaled == "") != (why == "") {
			rt.Errorf("at four times the size it is %q, else %q", scaled, why)
		}
	})
}

// A revision with the tag is told until the tag is taken off.
func TestAnomalousRevisionsAreTold(t *testing.T) {
	t.Parallel()
	odd := rev(30*hour, repository.Good)
	odd.Info.Tags, odd.Info.Note = []string{"nightly", repository.AnomalyTag}, "it stored 12 GiB, 40 times the usual 300 MiB"
	v := summary("db", odd, rev(hour, repository.Good))
	v.Anomalous = []repository.Revision{odd}
	r := status.Judge(status.Input{Now: now, Volumes: []repository.Summary{v}})
	if len(r.Cases) != 1 || r.Grade != status.Warning {
		t.Fatalf("the cases are %+v", r.Cases)
	}
	c := r.Cases[0]
	if c.Kind != status.Anomaly || c.Revision != odd.ID || c.Why != "k3f9 is unlike those before it: "+odd.Info.Note || c.Do != "varve tag db@k3f9 --remove anomaly, if it was meant" {
		t.Errorf("the case is %+v", c)
	}
}
