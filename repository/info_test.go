package repository_test

import (
	"testing"
	"time"

	"varve/repository"
)

// What is suspect and what is damaged are two facts: neither is forgotten for the other.
func TestSuspectAndDamaged(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 11, 24, 1, 0, 3, 0, time.UTC)
	lost := []repository.Extent{{Length: 4096}}
	damage := func(i *repository.Info) { i.Damage("rot", lost) }
	distrust := func(i *repository.Info) { i.Distrust("a lie") }
	prove := func(i *repository.Info) { i.Prove(*i, at) }
	clear := func(i *repository.Info) { i.Clear() }
	for name, c := range map[string]struct {
		do      []func(*repository.Info)
		state   repository.State
		reason  string
		suspect bool
	}{
		"distrusted, damaged":                          {[]func(*repository.Info){distrust, damage}, repository.Damaged, "rot", true},
		"distrusted, damaged, damaged, proven":         {[]func(*repository.Info){distrust, damage, damage, prove}, repository.Suspect, "a lie", true},
		"damaged, distrusted, proven":                  {[]func(*repository.Info){damage, distrust, prove}, repository.Suspect, "a lie", true},
		"damaged, distrusted, proven, proven, cleared": {[]func(*repository.Info){damage, distrust, prove, prove, clear}, repository.Proven, "", false},
		"damaged, distrusted, cleared":                 {[]func(*repository.Info){damage, distrust, clear}, repository.Damaged, "rot", false},
		"damaged, distrusted, cleared, proven":         {[]func(*repository.Info){damage, distrust, clear, prove}, repository.Proven, "", false},
		"distrusted, cleared":                          {[]func(*repository.Info){distrust, clear}, repository.Good, "", false},
		"damaged, proven":                              {[]func(*repository.Info){damage, prove}, repository.Proven, "", false},
	} {
		info := repository.Info{State: repository.Good}
		for _, step := range c.do {
			step(&info)
		}
		if info.State != c.state || info.Reason != c.reason || info.IsSuspect() != c.suspect || (len(info.Lost) > 0) != (c.state == repository.Damaged) {
			t.Errorf("%s: %+v", name, info)
		}
	}
	info := repository.Info{State: repository.Proven}
	seen := info
	damage(&info)
	if info.Prove(seen, at) || info.State != repository.Damaged || !info.Proven.IsZero() {
		t.Errorf("damage that came meanwhile is gone: %+v", info)
	}
}
