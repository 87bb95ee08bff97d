package status_test

import (
	"testing"
	"time"

	"varve/revision"
	"varve/status"
)

func TestUnproven(t *testing.T) {
	t.Parallel()
	early, late := time.Unix(1000, 0), time.Unix(2000, 0)
	for name, c := range map[string]struct {
		proofs map[revision.Name]status.Proof
		oldest time.Time
		never  int
	}{
		"nothing":                   {},
		"no scrub":                  {map[revision.Name]status.Proof{"a": {Oldest: early}}, time.Time{}, 1},
		"all of it":                 {map[revision.Name]status.Proof{"a": {Oldest: late, Scrubbed: true}, "b": {Oldest: early, Scrubbed: true}}, early, 0},
		"one came after the scrub":  {map[revision.Name]status.Proof{"a": {Oldest: early, Scrubbed: true}, "b": {Oldest: late}}, early, 1},
		"the oldest is one of them": {map[revision.Name]status.Proof{"a": {Oldest: late, Scrubbed: true}, "b": {Oldest: early}}, early, 1},
	} {
		in := status.Input{Proofs: c.proofs}
		if oldest, never := in.Unproven(); !oldest.Equal(c.oldest) || never != c.never {
			t.Errorf("%s: %v, %d; want %v, %d", name, oldest, never, c.oldest, c.never)
		}
	}
}
