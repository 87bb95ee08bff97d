package main

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"varve/repository"
	"varve/revision"
	"varve/status"
)

// judgedSet is a set of the configuration in a few words. Its fields are API.
type judgedSet struct {
	Name     string          `json:"name"`
	Volumes  []revision.Name `json:"volumes"`
	State    string          `json:"state"` // "good", "new", or the kind of its case
	LastGood *time.Time      `json:"last_good"`
	Promise  known[float64]  `json:"promise"` // seconds
}

func newJudgedSets(r *status.Report) []judgedSet {
	sets := []judgedSet{}
	for _, set := range r.Sets {
		j := judgedSet{
			Name: set.Name, Volumes: set.Volumes, State: "good", LastGood: timeOrNil(set.LastGood), Promise: known[float64]{set.Promise.Seconds()},
		}
		switch {
		case len(set.Cases) > 0:
			j.State = string(set.Cases[0].Kind)
		case set.LastGood.IsZero():
			j.State = "new"
		}
		sets = append(sets, j)
	}
	return sets
}

// setsInWords says of how many sets the volumes were backed up together.
func (j *judged) setsInWords(p *page) string {
	var facts []string
	for _, set := range j.Sets {
		if set.LastGood == nil {
			facts = append(facts, set.Name+" never")
			continue
		}
		facts = append(facts, set.Name+" "+formatLong(p.now.Sub(*set.LastGood))+" ago")
	}
	const few = 5
	if more := len(facts) - few; more > 0 {
		facts = append(facts[:few], fmt.Sprintf("%d more", more))
	}
	return "made together: " + strings.Join(facts, ", ")
}

// subject is what a case is about: a volume, a set, or neither.
func (c *judgedCase) subject() string {
	return cmp.Or(c.Volume.is.String(), c.Set.is)
}

// findLastSets finds, for the sets that are apart, the newest of which each volume has a
// revision that is there and to be trusted.
func (s *session) findLastSets(repo *repository.Repository, in *status.Input, judged []status.Set) {
	sets, err := repo.Sets()
	if err != nil {
		s.warn("%v", err) // those that can be read are there
	}
	uuids := map[revision.Name]revision.UUID{}
	for i := range in.Volumes {
		uuids[in.Volumes[i].Volume.Name] = in.Volumes[i].Volume.UUID
	}
	there := s.revisionsOf(repo, sets)
	for i := range in.Sets {
		k := slices.IndexFunc(judged, func(set status.Set) bool { return set.Name == in.Sets[i].Name })
		if k < 0 || !judged[k].Apart {
			continue
		}
		for _, set := range slices.Backward(sets) {
			if hasAll(set, judged[k].Volumes, uuids, there) {
				in.Sets[i].Last = set.Begun
				break
			}
		}
	}
}

// hasAll tells whether a set has a revision of each volume that is there and to be trusted.
func hasAll(set repository.Set, names []revision.Name, uuids map[revision.Name]revision.UUID, there map[memberKey]repository.Revision) bool {
	for _, name := range names {
		if !slices.ContainsFunc(set.Members, func(m repository.Member) bool {
			rev, is := there[memberKey{m.Volume, m.Revision}]
			return m.Volume == uuids[name] && is && rev.Candidate().Trusted
		}) {
			return false
		}
	}
	return true
}
