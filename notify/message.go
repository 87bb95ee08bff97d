package notify

import (
	"fmt"
	"strings"
	"time"

	"varve/status"
)

// The grades of a [Trouble]. They are API.
const (
	Critical = "critical"
	Warning  = "warning"
)

// The kinds of trouble that are not of package status.
const (
	Unreachable = "unreachable" // the repository cannot be looked at
	Test        = "test"        // there is none: see [Try]
)

// A Trouble is one thing that is wrong. Its fields are API.
type Trouble struct {
	Kind     string     `json:"kind"`
	Grade    string     `json:"grade"`
	Volume   string     `json:"volume"`   // empty: it is about a set, or the repository
	Set      string     `json:"set"`      // empty: it is about none
	Revision string     `json:"revision"` // empty: it is about none
	LastGood *time.Time `json:"last_good"`
	Why      string     `json:"why"`
	Do       string     `json:"do"` // what helps; empty: nothing is known
}

// Troubles are the cases of a report.
func Troubles(cases []status.Case) (all []Trouble) {
	for _, c := range cases {
		t := Trouble{
			Kind: string(c.Kind), Grade: Warning, Volume: c.Volume.String(), Set: c.Set, Revision: c.Revision.String(), Why: c.Why, Do: c.Do,
		}
		if c.Kind.Grade() == status.Critical {
			t.Grade = Critical
		}
		if !c.LastGood.IsZero() {
			good := c.LastGood.UTC()
			t.LastGood = &good
		}
		all = append(all, t)
	}
	return all
}

// A key tells one trouble from another: the same one another night has the same key.
type key struct {
	about, volume, set, revision string
}

// key of a trouble that becomes another, such as a failure that lasts until the volume is
// overdue, stays the same.
func (t Trouble) key() key {
	k := key{t.Kind, t.Volume, t.Set, ""}
	switch status.Kind(t.Kind) {
	case status.Failed, status.Failing, status.Overdue, status.Gone:
		k.about = "backup"
	case status.SetApart, status.SetOverdue:
		k.about = "set"
	case status.Damaged, status.Anomaly: // that of another revision is another one
		k.revision = t.Revision
	}
	return k
}

// title is a trouble in a few words.
func (t Trouble) title() string {
	about := t.Volume
	if t.Set != "" {
		about = "set " + t.Set
	}
	return strings.TrimSpace(strings.ReplaceAll(t.Kind, "-", " ") + " " + about)
}

// A Message is what one channel is told at one time. Its fields are API.
type Message struct {
	Varve      int       `json:"varve"` // the version of this form
	Time       time.Time `json:"time"`
	Host       string    `json:"host"`
	Repository string    `json:"repository"`
	Verdict    string    `json:"verdict"` // safe, warning or not-safe
	Summary    string    `json:"summary"` // all of it in a line
	New        []Trouble `json:"new"`     // troubles that were not told yet
	Still      []Trouble `json:"still"`   // those that were, and last
	Over       []Trouble `json:"over"`    // those that are no more
	Open       int       `json:"open"`    // how many there are, told now or not
}

func (m *Message) isEmpty() bool { return len(m.New)+len(m.Still)+len(m.Over) == 0 }

// The verdicts. They are API.
const (
	safe     = "safe"
	warning  = "warning"
	notSafe  = "not-safe"
	thisForm = 1
)

// verdictOf judges troubles by the worst of them.
func verdictOf(troubles []Trouble) string {
	verdict := safe
	for _, t := range troubles {
		if t.Grade == Critical {
			return notSafe
		}
		verdict = warning
	}
	return verdict
}

// summarize writes the summary, once all else is there.
func (m *Message) summarize() {
	head := map[string]string{safe: "SAFE", warning: "SAFE, with a warning", notSafe: "NOT SAFE"}[m.Verdict]
	var parts []string
	for _, part := range []struct {
		what string
		of   []Trouble
	}{{"", m.New}, {"still ", m.Still}, {"over: ", m.Over}} {
		if len(part.of) > 0 {
			parts = append(parts, part.what+part.of[0].title()+more(len(part.of)-1))
		}
	}
	m.Summary = oneLine(head + ": " + strings.Join(parts, "; "))
}

func more(n int) string {
	if n == 0 {
		return ""
	}
	return fmt.Sprintf(" and %d more", n)
}

// oneLine is text without anything that would begin another line.
func oneLine(text string) string { return strings.Join(strings.Fields(text), " ") }

// maxListed bounds how many troubles of a kind of news a text lists.
const maxListed = 50

// text is the message for a person.
func (m *Message) text() string {
	var out strings.Builder
	fmt.Fprintf(&out, "%s\n\n", m.Summary)
	list := func(title string, of []Trouble) {
		if len(of) == 0 {
			return
		}
		fmt.Fprintf(&out, "%s\n", title)
		for _, t := range of[:min(maxListed, len(of))] {
			fmt.Fprintf(&out, "  %s: %s\n", t.title(), oneLine(t.Why))
			if t.LastGood != nil {
				fmt.Fprintf(&out, "      last good   %s\n", t.LastGood.In(m.Time.Location()).Format("Mon _2 Jan 2006 15:04 MST"))
			}
			if t.Do != "" {
				fmt.Fprintf(&out, "      what to do  %s\n", oneLine(t.Do))
			}
		}
		if rest := len(of) - maxListed; rest > 0 {
			fmt.Fprintf(&out, "  and %d more\n", rest)
		}
		out.WriteString("\n")
	}
	list("NEW", m.New)
	list("STILL SO", m.Still)
	list("OVER", m.Over)
	fmt.Fprintf(&out, "repository %s on %s; open in all: %d. varve status tells all of it.\n", m.Repository, m.Host, m.Open)
	return out.String()
}
