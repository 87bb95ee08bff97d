package retention_test

import (
	"cmp"
	"fmt"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"varve/retention"
	"varve/revision"
)

const document = "../docs/retention.md"

// leastHistories is how many the document has at least: who removes one has to say so here.
const leastHistories = 27

var (
	heading = regexp.MustCompile(`^### (\d+)\. (.+)$`)
	columns = regexp.MustCompile(` {2,}`)
)

// The document tells histories, and what it says becomes of each revision does.
func TestDocument(t *testing.T) {
	text, err := os.ReadFile(document)
	if err != nil {
		t.Fatal(err)
	}
	title, histories := "", 0
	var block []string
	in := false
	for number, line := range strings.Split(string(text), "\n") {
		found := heading.FindStringSubmatch(line)
		switch {
		case found != nil:
			if title = found[2]; found[1] != strconv.Itoa(histories+1) {
				t.Errorf("line %d: history %s is the %d. one", number+1, found[1], histories+1)
			}
		case line == "```text":
			in, block = true, nil
		case in && line == "```":
			in = false
			histories++
			t.Run(title, func(t *testing.T) { checkHistory(t, number+1-len(block), block) })
		case in:
			block = append(block, line)
		}
	}
	if histories < leastHistories {
		t.Errorf("%s has %d histories, want %d", document, histories, leastHistories)
	}
}

// checkHistory plans a history whose lines begin at one of the document.
func checkHistory(t *testing.T, at int, lines []string) {
	parts := strings.Split(lines[0], " | ")
	if len(parts) != 3 {
		t.Fatalf("line %d: want keep RULES | ZONE | now TIME", at)
	}
	zone, err := time.LoadLocation(parts[1])
	if err != nil {
		t.Fatal(err)
	}
	rules := parseRules(t, strings.TrimPrefix(parts[0], "keep "))
	now := parseTime(t, strings.TrimPrefix(parts[2], "now "), zone)
	var history []retention.Revision
	var want []string
	for i, line := range lines[1:] {
		cells := columns.Split(strings.TrimSpace(line), -1)
		if len(cells) != 3 && len(cells) != 4 {
			t.Fatalf("line %d: %q has %d columns", at+1+i, line, len(cells))
		}
		number, err := strconv.ParseUint(cells[0], 10, 64)
		if err != nil {
			t.Fatalf("line %d: %v", at+1+i, err)
		}
		r := retention.Revision{Sequence: number, Begun: parseTime(t, cells[1], zone), Trusted: true}
		if len(cells) == 4 {
			note(t, &r, cells[2], zone)
		}
		history, want = append(history, r), append(want, cells[len(cells)-1])
	}
	plan := decide(t, history, rules, now, zone)
	for i, d := range plan.Decisions {
		if got := verdict(d); got != want[i] {
			t.Errorf("%s:%d: number %d: got\n%s\nwant\n%s", document, at+1+i, d.Sequence, got, want[i])
		}
	}
}

// verdict is how the document says what becomes of a revision.
func verdict(d retention.Decision) string {
	if !d.Stays() {
		return "goes"
	}
	var reasons []string
	for _, r := range d.Reasons {
		reasons = append(reasons, r.String())
	}
	return "stays: " + strings.Join(reasons, ", ")
}

// note sets what the document says is special about a revision.
func note(t *testing.T, r *retention.Revision, text string, zone *time.Location) {
	t.Helper()
	for word := range strings.SplitSeq(text, ", ") {
		tag, isTag := strings.CutPrefix(word, "tag ")
		until, ends := strings.CutPrefix(word, "pin until ")
		switch {
		case isTag:
			r.Tags = append(r.Tags, tag)
		case ends:
			r.Pin = &revision.Pin{Until: parseTime(t, until, zone)}
		case word == "pin":
			r.Pin = &revision.Pin{}
		case word == "suspect", word == "damaged":
			r.Trusted = false
		case word != "proven":
			t.Fatalf("unknown word %q", word)
		}
	}
}

func parseTime(t *testing.T, text string, zone *time.Location) time.Time {
	t.Helper()
	for _, layout := range []string{"2006-01-02 15:04", "2006-01-02 15:04:05"} {
		if at, err := time.ParseInLocation(layout, text, zone); err == nil {
			if at.Format(layout) != text {
				t.Fatalf("%s does not exist in %v", text, zone)
			}
			return at
		}
	}
	at, err := time.ParseInLocation("2006-01-02 15:04 -07:00", text, zone)
	if err != nil {
		t.Fatal(err)
	}
	return at
}

// parseRules reads what Rules.String writes.
func parseRules(t *testing.T, text string) (r retention.Rules) {
	t.Helper()
	counts := map[string]*int{
		"last": &r.Last, "hourly": &r.Hourly, "daily": &r.Daily, "weekly": &r.Weekly, "monthly": &r.Monthly, "yearly": &r.Yearly,
	}
	for part := range strings.SplitSeq(text, ", ") {
		name, value, _ := strings.Cut(part, " ")
		var err error
		switch {
		case counts[name] != nil:
			*counts[name], err = retention.ParseCount(value)
		case name == "within":
			r.Within, err = retention.ParseWithin(value)
		case name == "tag":
			_, err = retention.ParseTag(value)
			r.Tags = append(r.Tags, value)
		default:
			err = fmt.Errorf("unknown rule %q", part)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if got := cmp.Or(r.String(), "none"); got != text {
		t.Fatalf("the rules are %q, and write themselves %q", text, got)
	}
	return r
}
