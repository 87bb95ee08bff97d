package status

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"varve/internal/human"
	"varve/repository"
	"varve/revision"
)

// An ExpectedSet is volumes that the configuration has backed up together.
type ExpectedSet struct {
	Name    string
	Volumes []revision.Name
	// Last is when the newest set was begun of which each volume has a revision that is
	// there and to be trusted; zero: there is none. Needed where [Set.Apart] says so.
	Last time.Time
}

// Set is what there is to say of one, beside what there is of each of its volumes.
type Set struct {
	Name     string
	Volumes  []revision.Name // without those that are retired
	Grade    Grade
	LastGood time.Time     // when the newest was begun of which all revisions are there and good; zero: there is none, or none can be yet
	Promise  time.Duration // how old that may be; zero: nothing was promised
	Apart    bool          // the newest good revisions of its volumes were not made together
	Cases    []Case        // one at most
}

// judgeSets says how safe sets are. Where a volume has no revision, that is told of it.
func (r *Report) judgeSets(in Input) {
	for _, expected := range in.Sets {
		s := Set{Name: expected.Name}
		var members []*Volume
		for i := range r.Volumes {
			if v := &r.Volumes[i]; v.Expectation != nil && slices.Contains(expected.Volumes, v.Name) {
				members, s.Volumes = append(members, v), append(s.Volumes, v.Name)
			}
		}
		if len(members) > 0 {
			s.judge(in, expected, members)
			r.Sets, r.Cases = append(r.Sets, s), append(r.Cases, s.Cases...)
		}
	}
}

func (s *Set) judge(in Input, expected ExpectedSet, members []*Volume) {
	together := map[string]bool{}
	for _, v := range members {
		if v.Promise > 0 && (s.Promise == 0 || v.Promise < s.Promise) {
			s.Promise = v.Promise
		}
		if v.Summary == nil || v.Summary.Good == nil {
			s.LastGood = time.Time{}
			return
		}
		good := v.Summary.Good.Statement
		together[good.Set] = true
		if s.LastGood.IsZero() || good.Begun.Before(s.LastGood) {
			s.LastGood = good.Begun
		}
	}
	if len(together) == 1 && !together[""] {
		return // if it is too old, so is each of its volumes
	}
	s.Apart, s.LastGood = true, expected.Last
	c := Case{Kind: SetApart, Set: s.Name, LastGood: s.LastGood, Promise: s.Promise, Do: backUpSet(s.Name)}
	c.Why = "the newest revisions of " + inWords(s.Volumes) + " were not made together"
	if s.LastGood.IsZero() {
		c.Why += "; there is no set of all of them"
	}
	// A set that was configured a moment ago is not too old yet.
	if since := latest(s.LastGood, members[0].Expectation.Since); s.Promise > 0 && in.Now.Sub(since) > s.Promise {
		c.Kind = SetOverdue
	}
	s.Cases, s.Grade = []Case{c}, c.Kind.Grade()
}

func latest(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// inWords lists a few names.
func inWords(names []revision.Name) string {
	const few = 4
	var words []string
	for _, n := range names[:min(few, len(names))] {
		words = append(words, n.String())
	}
	if more := len(names) - few; more > 0 {
		words = append(words, fmt.Sprintf("%d more", more))
	}
	last := len(words) - 1
	if last == 0 {
		return words[0]
	}
	return strings.Join(words[:last], ", ") + " and " + words[last]
}

func backUpSet(name string) string { return "varve backup --set " + human.ShellWord(name) }

// Again is the command that backs the volume up: its set, where it is of one.
func (v *Volume) Again() string {
	if v.Expectation != nil && v.Expectation.Set != "" {
		return backUpSet(v.Expectation.Set)
	}
	return "varve backup " + v.typed("")
}

// waiting finds the revisions of sets that were cut off. One that somebody is just making
// may be among what was seen.
func (v *Volume) waiting(in Input) {
	if v.Summary == nil || slices.ContainsFunc(in.Running, func(r repository.Running) bool { return r.Volume == v.Name }) {
		return
	}
	for _, rev := range v.Summary.Waiting {
		v.add(Waiting, rev.ID, rev.ID.Short()+" is of a set that was cut off: it counts for nothing, and the next backup puts it into the trash", v.Again())
	}
}
