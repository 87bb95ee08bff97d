package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"varve/backup"
	"varve/internal/human"
)

// sample is how far an operation is.
type sample struct {
	done, total int64
	changed     int64
	packs       bool // counted in packs, not bytes
	findings    int64
}

// watch shows how far an operation is, as the flags ask, until the returned
// function is called; that function returns when nothing more will be shown.
func (s *session) watch(verb string, read func() sample) (stop func()) {
	ticks := time.Duration(0)
	show := func(view) {}
	switch {
	case s.globals.progress.is("json"):
		ticks, show = time.Second, s.showJSON
	case s.globals.progress.is("never"), s.globals.quiet:
	case s.globals.progress.is("always"), canErase(s.stderr.w):
		ticks, show = 100*time.Millisecond, s.showBar
	}
	done, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		s.showUntil(done, ticks, show, newViewer(verb, read))
	}()
	return func() {
		close(done)
		<-ended
	}
}

func (s *session) showUntil(done <-chan struct{}, every time.Duration, show func(view), v *viewer) {
	var tick <-chan time.Time // without ticks, only those who ask are told
	if every > 0 {
		ticker := time.NewTicker(every)
		defer ticker.Stop()
		tick = ticker.C
	}
	for {
		select {
		case now := <-tick:
			show(v.at(now)) // what cannot be shown does no harm
		case <-s.asked:
			_, _ = fmt.Fprintln(s.stderr, v.at(time.Now()).line(80, false, false)) // likewise
		case <-done:
			if s.globals.progress.is("json") {
				show(v.at(time.Now())) // a program that follows sees the end
			}
			_ = s.stderr.draw("", false) // likewise
			return
		}
	}
}

// meterOf reads a meter as a sample.
func meterOf(m *backup.Meter) func() sample {
	return func() sample {
		return sample{done: m.Done.Load(), total: m.Total.Load(), changed: m.Changed.Load()}
	}
}

// sumOf reads several meters as one sample.
func sumOf(meters []backup.Meter) func() sample {
	return func() (sum sample) {
		for i := range meters {
			one := meterOf(&meters[i])()
			sum.done, sum.total, sum.changed = sum.done+one.done, sum.total+one.total, sum.changed+one.changed
		}
		return sum
	}
}

// viewer turns samples into views: it knows the rate.
type viewer struct {
	verb  string
	read  func() sample
	begun time.Time
	marks []mark // of the last seconds, the oldest first
}

type mark struct {
	at   time.Time
	done int64
}

func newViewer(verb string, read func() sample) *viewer {
	now := time.Now()
	return &viewer{verb: verb, read: read, begun: now, marks: []mark{{at: now}}}
}

// window is the time over which the rate is measured.
const window = 10 * time.Second

// at takes a sample.
func (v *viewer) at(now time.Time) view {
	s := v.read()
	v.marks = append(v.marks, mark{now, s.done})
	for len(v.marks) > 2 && now.Sub(v.marks[1].at) > window {
		v.marks = v.marks[1:]
	}
	first := v.marks[0]
	out := view{sample: s, Verb: v.verb, Seconds: now.Sub(v.begun).Seconds()}
	if passed := now.Sub(first.at).Seconds(); passed > 0 && s.done > first.done {
		out.Rate = float64(s.done-first.done) / passed
		out.Left = float64(s.total-s.done) / out.Rate
	}
	return out
}

// view is what is shown of an operation at one moment.
type view struct {
	sample
	Verb    string
	Seconds float64
	Rate    float64 // per second; 0: not known yet
	Left    float64 // seconds
}

// barWidth is the number of characters of the bar itself.
const barWidth = 20

// line writes a view into so many columns: fields that do not fit are left out. Of how
// much, and so what part, is not known at first, and never of a stream.
func (v view) line(columns int, bar, unicode bool) string {
	fields := []string{v.Verb}
	if bar && v.total > 0 {
		fields[0] += " " + drawBar(v.done, v.total, unicode)
	}
	if v.total > 0 {
		fields = append(fields, fmt.Sprintf("%3d %%", v.done*100/v.total))
	}
	fields = append(fields, v.part())
	if !v.packs && v.Rate > 0 {
		fields = append(fields, human.Size(int64(v.Rate))+"/s")
	}
	if !v.packs && v.changed > 0 {
		fields = append(fields, "changed "+human.Size(v.changed))
	}
	if v.findings > 0 {
		fields = append(fields, formatCount(v.findings, "finding"))
	}
	if v.Rate > 0 && v.total > 0 && v.Seconds >= 1 {
		fields = append(fields, formatLeft(time.Duration(v.Left*float64(time.Second)))+" left")
	}
	for len(fields) > 1 && cells(strings.Join(fields, "  ")) > columns {
		fields = fields[:len(fields)-1]
	}
	return strings.Join(fields, "  ")
}

// part says how much is done, and of how much if that is known already.
func (v view) part() string {
	switch {
	case v.total > 0 && v.packs:
		return fmt.Sprintf("%d of %d packs", v.done, v.total)
	case v.total > 0:
		return human.Part(v.done, v.total)
	case v.packs:
		return formatCount(v.done, "pack") + " so far"
	}
	return human.Size(v.done) + " so far"
}

// drawBar draws a bar with half steps, or one of ASCII.
func drawBar(done, total int64, unicode bool) string {
	halves := 0
	if total > 0 {
		halves = int(min(done, total) * 2 * barWidth / total)
	}
	full, half, empty := "#", "-", "."
	if unicode {
		full, half, empty = "━", "╸", " "
	}
	text := strings.Repeat(full, halves/2)
	if halves%2 == 1 {
		text += half
	}
	return text + strings.Repeat(empty, barWidth-(halves+1)/2)
}

func (s *session) showBar(v view) {
	p := s.page(s.stderr.w)
	columns := cmp.Or(p.width, 80) - 1                                            // the last one makes some terminals go on below
	hasRoom := columns >= len(v.Verb)+1+barWidth+len("  100 %")                   // for the bar itself
	_ = s.stderr.draw(v.line(columns, hasRoom, p.unicode), !canErase(s.stderr.w)) // what cannot be shown does no harm
}

// progressLine is what --progress json prints, once a second. Its fields are API.
type progressLine struct {
	Progress string         `json:"progress"` // what is being done
	Command  string         `json:"command"`
	Unit     string         `json:"unit"` // of done, total and rate: bytes or packs
	Done     int64          `json:"done"`
	Total    known[int64]   `json:"total"` // null: it is not known
	Changed  int64          `json:"changed"`
	Rate     known[float64] `json:"rate"`    // per second; null: not known yet
	Seconds  float64        `json:"seconds"` // since it began
	Left     *float64       `json:"left"`    // seconds; null: not known
}

func (s *session) showJSON(v view) {
	unit := "bytes"
	if v.packs {
		unit = "packs"
	}
	line := progressLine{
		Progress: v.Verb, Command: s.command, Unit: unit, Done: v.done, Total: known[int64]{v.total}, Changed: v.changed,
		Rate: known[float64]{v.Rate}, Seconds: v.Seconds,
	}
	if v.Rate > 0 && v.total > 0 {
		line.Left = &v.Left
	}
	_ = json.NewEncoder(s.stderr).Encode(line) // what cannot be shown does no harm
}
