package retention

import (
	"cmp"
	"slices"
	"time"

	"varve/revision"
)

// A Revision is what matters of one that may stay or go: one that is not in the trash.
type Revision struct {
	ID       revision.ID
	Sequence uint64 // which order they have; of equal ones, that in which they were given
	Begun    time.Time
	Tags     []string
	Trusted  bool // neither suspect nor damaged
	Pin      *revision.Pin
}

// A Decision says of one revision whether it stays.
type Decision struct {
	Revision
	Reasons []Reason // all for which it stays, by their causes; without one, it goes
}

// Stays tells whether the revision stays.
func (d Decision) Stays() bool { return len(d.Reasons) > 0 }

// A Plan says what becomes of each revision of a volume.
type Plan struct {
	Rules     Rules
	Now       time.Time  // in the zone of which the calendar is
	Clock     time.Time  // what Within and the ends of pins go by: Now, or earlier where the clock may have leapt
	Decisions []Decision // by number, the oldest first
}

// Going lists the revisions that go, the oldest first.
func (p Plan) Going() (ids []revision.ID) {
	for _, d := range p.Decisions {
		if !d.Stays() {
			ids = append(ids, d.ID)
		}
	}
	return ids
}

// Decide says which revisions of one volume stay by the rules, and why, and which
// go. They may come in any order. Periods are those of the calendar in a zone; nil
// is UTC. It fails with [ErrNoRules], or when a rule is out of its bounds.
func Decide(revisions []Revision, rules Rules, now time.Time, zone *time.Location) (Plan, error) {
	if err := rules.validate(); err != nil {
		return Plan{}, err
	}
	if zone == nil {
		zone = time.UTC
	}
	b := newBuilder(revisions, rules, now.In(zone))
	b.keepWhatAlwaysStays()
	b.rule(Last, b.keepLast)
	for _, kind := range kinds {
		if rules.of(kind) > 0 {
			b.keepPeriods(kind)
		}
	}
	b.rule(Within, b.keepWithin)
	return Plan{Rules: rules, Now: b.now, Clock: b.all.leap.clock.In(zone), Decisions: b.decisions}, nil
}

// builder makes a plan.
type builder struct {
	rules        Rules
	now          time.Time // in the zone of the calendar
	decisions    []Decision
	offsets      []int64 // by how many seconds the clock was ahead of UTC when each was begun
	all, trusted set
}

// set is what a rule is applied to.
type set struct {
	of   []int // places of decisions, by number
	leap leap
	kept []bool // by the rule that is applied, of all decisions
}

func newBuilder(revisions []Revision, rules Rules, now time.Time) *builder {
	b := &builder{rules: rules, now: now, decisions: make([]Decision, len(revisions)), offsets: make([]int64, len(revisions))}
	for i, r := range revisions {
		b.decisions[i].Revision = r
	}
	slices.SortStableFunc(b.decisions, func(x, y Decision) int { return cmp.Compare(x.Sequence, y.Sequence) })
	for i, d := range b.decisions {
		b.offsets[i] = offsetAt(d.Begun, now.Location())
		b.all.of = append(b.all.of, i)
		if d.Trusted {
			b.trusted.of = append(b.trusted.of, i)
		}
	}
	for _, s := range []*set{&b.all, &b.trusted} {
		s.leap = b.findLeap(s.of)
		s.kept = make([]bool, len(revisions))
	}
	return b
}

// rule asks what a rule keeps, of all revisions and of the trusted ones alone.
func (b *builder) rule(cause Cause, keep func(s *set)) {
	keep(&b.all)
	if len(b.trusted.of) < len(b.all.of) {
		keep(&b.trusted)
	}
	for i, d := range b.decisions {
		if !b.all.kept[i] && !b.trusted.kept[i] {
			continue
		}
		r := Reason{Cause: cause, Trusted: !b.all.kept[i]}
		switch cause {
		case Last:
		case Within:
			r.Text = formatSpan(b.rules.Within)
		default:
			r.Time = d.Begun.In(b.now.Location())
		}
		b.because(i, r)
	}
	clear(b.all.kept)
	clear(b.trusted.kept)
}

func (b *builder) because(i int, r Reason) {
	b.decisions[i].Reasons = append(b.decisions[i].Reasons, r)
}

// keepWhatAlwaysStays keeps the newest ones, those that are pinned, and those with a tag
// that a rule names.
func (b *builder) keepWhatAlwaysStays() {
	newest, newestTrusted := len(b.decisions)-1, -1
	if n := len(b.trusted.of); n > 0 {
		newestTrusted = b.trusted.of[n-1]
	}
	for i, d := range b.decisions {
		switch {
		case i == newest:
			b.because(i, Reason{Cause: Newest})
		case i == newestTrusted:
			b.because(i, Reason{Cause: NewestTrusted})
		}
		switch {
		case d.Pin == nil:
		case d.Pin.Until.IsZero():
			b.because(i, Reason{Cause: Pinned})
		case d.Pin.Until.After(b.all.leap.clock):
			b.because(i, Reason{Cause: Pinned, Time: d.Pin.Until.In(b.now.Location())})
		}
		for _, tag := range b.rules.Tags {
			if slices.Contains(d.Tags, tag) {
				b.because(i, Reason{Cause: Tagged, Text: tag})
			}
		}
	}
}

func (b *builder) keepLast(s *set) {
	for _, i := range s.of[max(0, len(s.of)-b.rules.Last):] {
		s.kept[i] = true
	}
}

// keepWithin keeps what was begun so long ago or later. A revision was not begun
// before one of a lower number, whatever its clock said, unless the other's is ahead
// of now.
func (b *builder) keepWithin(s *set) {
	if b.rules.Within == 0 {
		return
	}
	now, since := b.now.Unix(), s.leap.clock.Unix()-int64(b.rules.Within/time.Second)
	reached := false // by a clock up to here that is not ahead of now
	for _, i := range s.of {
		begun := b.decisions[i].Begun.Unix()
		reached = reached || begun >= since && begun <= now
		s.kept[i] = reached || begun > now
	}
}
