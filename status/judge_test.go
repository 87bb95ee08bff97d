package status_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"varve/repository"
	"varve/revision"
	"varve/schedule"
	"varve/status"
)

var now = time.Date(2026, 11, 24, 3, 12, 0, 0, time.UTC)

// rev is a revision begun so long ago.
func rev(ago time.Duration, state repository.State) repository.Revision {
	begun := now.Add(-ago)
	r := repository.Revision{
		ID:        revision.ID(begun.Format("20060102T150405Z") + "-k3f9"),
		Statement: &revision.Statement{Begun: begun, Kind: revision.Delta, Consistency: revision.Still},
		Info:      repository.Info{State: state, Reason: "for a reason"},
	}
	r.Statement.Statistics.Stored = 1 << 30
	return r
}

func live(r repository.Revision) repository.Revision {
	r.Statement.Consistency, r.Statement.Reason = revision.Live, "mounted while it was read"
	return r
}

// summary is of a volume that has these revisions, oldest first.
func summary(name revision.Name, revisions ...repository.Revision) repository.Summary {
	s := repository.Summary{Volume: repository.Volume{Name: name}, Revisions: len(revisions)}
	for i := range revisions {
		s.Newest = &revisions[i]
		switch revisions[i].Info.State {
		case repository.Suspect, repository.Damaged:
			s.Troubled = append(s.Troubled, revisions[i])
		default:
			s.Good = &revisions[i]
		}
	}
	return s
}

func daily(t *testing.T, names ...revision.Name) (all []status.Expectation) {
	t.Helper()
	nightly, err := schedule.Parse("daily at 02:00")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		all = append(all, status.Expectation{Name: name, Plan: schedule.Plan{Schedule: nightly, Name: name.String()}})
	}
	return all
}

// gone says of what is expected that its source is not there.
func gone(all []status.Expectation, source string) []status.Expectation {
	for i := range all {
		all[i].Gone = source
	}
	return all
}

// since says of what is expected that it has been for so long.
func since(all []status.Expectation, ago time.Duration) []status.Expectation {
	for i := range all {
		all[i].Since = now.Add(-ago)
	}
	return all
}

func failure(name revision.Name, ago time.Duration, why string) repository.Event {
	return repository.Event{Time: now.Add(-ago), Op: repository.OpBackup, Result: repository.ResultFailed, Volume: name, Error: why}
}

func alarm(name revision.Name, ago time.Duration, why string) repository.Event {
	e := success(name, ago)
	e.Warnings, e.Alarms = []string{"it grew", why}, []string{why}
	return e
}

func success(name revision.Name, ago time.Duration) repository.Event {
	return repository.Event{Time: now.Add(-ago), Op: repository.OpBackup, Result: repository.ResultOK, Volume: name}
}

// made is a backup that went well, begun so long ago, of the volume of that uuid.
func made(name revision.Name, uuid byte, ago time.Duration) repository.Event {
	e := success(name, ago)
	e.UUID, e.Revision = &revision.UUID{uuid}, rev(ago, repository.Good).ID
	return e
}

// removed takes away a revision that was made so long before.
func removed(name revision.Name, uuid byte, was, ago time.Duration) repository.Event {
	e := made(name, uuid, was)
	e.Time, e.Op = now.Add(-ago), repository.OpRemove
	return e
}

// renamed gives the volume of that uuid a new name.
func renamed(name revision.Name, uuid byte, ago time.Duration) repository.Event {
	return repository.Event{Time: now.Add(-ago), Op: repository.OpRename, Result: repository.ResultOK, Volume: name, UUID: &revision.UUID{uuid}}
}

func withUUID(uuid byte, s repository.Summary) repository.Summary {
	s.Volume.UUID = revision.UUID{uuid}
	return s
}

const hour, day = time.Hour, 24 * time.Hour

func TestJudge(t *testing.T) {
	t.Parallel()
	const good, proven, suspect, damaged = repository.Good, repository.Proven, repository.Suspect, repository.Damaged
	full := rev(hour, damaged)
	full.Info.Lost = []repository.Extent{{Offset: 4096, Length: 8192}}
	for name, c := range map[string]struct {
		in    status.Input
		grade status.Grade
		cases string // kind volume: why, each on a line
	}{
		"nothing at all":           {},
		"a volume without promise": {in: status.Input{Volumes: []repository.Summary{summary("db", rev(900*day, good))}}},
		"one night ago": {
			in: status.Input{Expected: daily(t, "db"), Volumes: []repository.Summary{summary("db", rev(hour, good))}},
		},
		"within the promise": {
			in: status.Input{Expected: daily(t, "db"), Volumes: []repository.Summary{summary("db", rev(36*hour, proven))}},
		},
		"the last backup had to warn": {
			in: status.Input{
				Volumes: []repository.Summary{summary("db", rev(hour, good))},
				Events:  []repository.Event{success("db", 2*hour), alarm("db", hour, "the source is empty")},
			},
			grade: status.Warning, cases: "warned db: the source is empty",
		},
		"the last but one had": {
			in: status.Input{
				Volumes: []repository.Summary{summary("db", rev(hour, good))},
				Events:  []repository.Event{alarm("db", 2*hour, "the source is empty"), success("db", hour)},
			},
		},
		"overdue, nobody tried": {
			in:    status.Input{Expected: daily(t, "db"), Volumes: []repository.Summary{summary("db", rev(36*hour+1, good))}},
			grade: status.Critical, cases: "overdue db: nobody tried",
		},
		"overdue, tried in vain": {
			in: status.Input{
				Expected: daily(t, "db"), Volumes: []repository.Summary{summary("db", rev(72*hour, good))},
				Events: []repository.Event{
					success("db", 72*hour), failure("db", 48*hour, "EIO"), failure("other", 30*hour, "?"), failure("db", 24*hour, "no such image"),
				},
			},
			grade: status.Critical, cases: "overdue db: 2 tries: no such image",
		},
		"the last try failed": {
			in: status.Input{
				Expected: daily(t, "db"), Volumes: []repository.Summary{summary("db", rev(26*hour, good))},
				Events: []repository.Event{failure("db", 30*hour, "earlier"), failure("db", hour, "EIO")},
			},
			grade: status.Warning, cases: "failed db: EIO",
		},
		"failed, and then went well": {
			in: status.Input{
				Expected: daily(t, "db"), Volumes: []repository.Summary{summary("db", rev(hour, good))},
				Events: []repository.Event{failure("db", 40*time.Minute, "EIO"), success("db", 30*time.Minute)},
			},
		},
		"other operations fail": {
			in: status.Input{
				Volumes: []repository.Summary{summary("db", rev(hour, good))},
				Events:  []repository.Event{{Time: now, Op: repository.OpRestore, Result: repository.ResultFailed, Volume: "db"}},
			},
		},
		"never tried": {in: status.Input{Expected: daily(t, "db")}},
		"never tried, for as long as was promised": {
			in: status.Input{Expected: since(daily(t, "db"), 36*hour), Journal: []repository.Event{success("other", 90*day)}},
		},
		"never tried, for longer": {
			in:    status.Input{Expected: since(daily(t, "db"), 36*hour+1), Journal: []repository.Event{success("other", 90*day)}},
			grade: status.Critical, cases: "overdue db: it has no revision, and nobody tried since Sun 22 Nov 2026 15:11",
		},
		"never tried, of a repository that is new": {
			in: status.Input{Expected: since(daily(t, "db"), 90*day), Journal: []repository.Event{success("other", hour)}},
		},
		"a first backup that fails": {
			in:    status.Input{Expected: daily(t, "db"), Events: []repository.Event{failure("db", hour, "no such file")}},
			grade: status.Critical, cases: "failing db: no good revision; no such file",
		},
		"the directory of a first backup that failed": {
			in: status.Input{
				Expected: daily(t, "db"), Volumes: []repository.Summary{summary("db"), summary("typo")},
				Events: []repository.Event{failure("db", hour, "no such file")},
			},
			grade: status.Critical, cases: "failing db: no good revision; no such file",
		},
		"a first backup that failed long ago, and was not tried again": {
			in: status.Input{
				Expected: daily(t, "db"),
				Journal:  []repository.Event{failure("db", 30*day, "no such file")},
			},
			grade: status.Critical, cases: "failing db: no good revision; no such file",
		},
		"a volume that vanished": {
			in: status.Input{
				Expected: daily(t, "db"),
				Events:   []repository.Event{made("db", 1, hour)},
				Journal:  []repository.Event{made("db", 1, 30*day), made("db", 1, hour)},
			},
			grade: status.Critical, cases: "damaged db: 2 revisions that the journal tells of have vanished",
		},
		"a volume that was renamed, and vanished": {
			in: status.Input{
				Expected: daily(t, "db", "new"),
				Journal:  []repository.Event{made("db", 1, 30*day), renamed("new", 1, 20*day)},
			},
			grade: status.Critical, cases: "damaged new: 1 revision that the journal tells of has vanished",
		},
		"a name that was another volume's": {
			in: status.Input{
				Expected: daily(t, "db", "new"), Volumes: []repository.Summary{withUUID(1, summary("new", rev(hour, good)))},
				Events:  []repository.Event{renamed("new", 1, 20*hour)},
				Journal: []repository.Event{made("db", 1, 30*day), renamed("new", 1, 20*hour)},
			},
		},
		"a volume of which all was removed": {
			in: status.Input{
				Expected: daily(t, "db"),
				Journal:  []repository.Event{made("db", 1, 30*day), removed("db", 1, 30*day, day)},
			},
		},
		"a first backup that nobody expected": {
			in:    status.Input{Volumes: []repository.Summary{summary("typo")}, Events: []repository.Event{failure("typo", hour, "no room")}},
			grade: status.Warning, cases: "failed typo: a first backup failed; no room",
		},
		"damage": {
			in: status.Input{
				Expected: daily(t, "db"), Volumes: []repository.Summary{summary("db", rev(2*hour, good), full)},
			},
			grade: status.Critical, cases: "damaged db: k3f9 lost 8 KiB",
		},
		"damage of unknown extent": {
			in:    status.Input{Volumes: []repository.Summary{summary("db", rev(2*hour, damaged), rev(hour, good))}},
			grade: status.Critical, cases: "damaged db: k3f9: for a reason",
		},
		"the newest is suspect": {
			in:    status.Input{Volumes: []repository.Summary{summary("db", rev(2*hour, good), rev(hour, suspect))}},
			grade: status.Warning, cases: "suspect db: for a reason",
		},
		"an older one was suspect": {
			in: status.Input{Volumes: []repository.Summary{summary("db", rev(2*hour, suspect), rev(hour, good))}},
		},
		"nothing to be trusted": {
			in:    status.Input{Expected: daily(t, "db"), Volumes: []repository.Summary{summary("db", rev(hour, suspect))}},
			grade: status.Critical, cases: "overdue db: no revision is to be trusted\nsuspect db: for a reason",
		},
		"a live source": {
			in:    status.Input{Volumes: []repository.Summary{summary("db", live(rev(hour, good)))}},
			grade: status.Warning, cases: "live-source db: mounted while it was read: back up a snapshot of it",
		},
		"forgotten": {
			in: status.Input{
				Configured: true, Expected: daily(t, "db"),
				Volumes: []repository.Summary{summary("db", rev(hour, good)), summary("old", rev(90*day, good))},
			},
			grade: status.Warning, cases: "forgotten old: the configuration does not name it",
		},
		"an image of a pattern is gone": {
			in: status.Input{
				Configured: true, Expected: gone(daily(t, "db"), "/srv/db.img"), Volumes: []repository.Summary{summary("db", rev(hour, good))},
				Events: []repository.Event{failure("db", time.Minute, "no such file")},
			},
			grade: status.Warning, cases: "source-gone db: its source is gone: /srv/db.img",
		},
		"it is gone for longer than was promised": {
			in: status.Input{
				Configured: true, Expected: gone(daily(t, "db"), "/srv/db.img"), Volumes: []repository.Summary{summary("db", rev(50*hour, good))},
			},
			grade: status.Critical, cases: "overdue db: its source is gone: /srv/db.img",
		},
		"an entry finds nothing": {
			in: status.Input{
				Configured: true, Expected: daily(t, "db"), Volumes: []repository.Summary{summary("db", rev(hour, good))},
				NotFound: []error{errors.New("varve.yaml:3: there is nothing")},
			},
			grade: status.Warning, cases: "not-found : varve.yaml:3: there is nothing",
		},
		"retired": {
			in: status.Input{
				Configured: true, Expected: daily(t, "db", "old"),
				Volumes: []repository.Summary{
					summary("db", rev(hour, good)), {Volume: repository.Volume{Name: "old"}, Retired: true},
				},
			},
		},
		"retired, and damaged": {
			in: status.Input{
				Volumes: []repository.Summary{{Volume: repository.Volume{Name: "old"}, Retired: true, Troubled: []repository.Revision{full}}},
			},
			grade: status.Critical, cases: "damaged old: k3f9 lost 8 KiB",
		},
		"a volume that cannot be read": {
			in:    status.Input{Unread: []status.Unread{{Volume: "db", Err: errors.New("rot")}}},
			grade: status.Critical, cases: "unreadable db: rot",
		},
		"an expected volume that cannot be read": {
			in: status.Input{
				Expected: daily(t, "db"), Volumes: []repository.Summary{summary("db")},
				Unread: []status.Unread{{Volume: "db", Err: errors.New("rot")}},
			},
			grade: status.Critical, cases: "unreadable db: rot",
		},
		"a clock that ran ahead": {
			in:    status.Input{Expected: daily(t, "db"), Volumes: []repository.Summary{summary("db", rev(-400*day, good))}},
			grade: status.Critical, cases: "overdue db: the newest good revision is dated in the future, so that its age is not known",
		},
		"a clock that runs a little ahead": {
			in: status.Input{Expected: daily(t, "db"), Volumes: []repository.Summary{summary("db", rev(-5*time.Minute, good))}},
		},
		"soon full": {
			in: status.Input{
				Volumes: []repository.Summary{summary("db", rev(hour, good))}, Available: 10 << 30, Total: 1 << 40,
			},
			grade: status.Warning, cases: "filling-up : full in 10 days at the present rate",
		},
		"the worst first": {
			in: status.Input{
				Expected: daily(t, "a", "b", "c"),
				Volumes: []repository.Summary{
					summary("a", live(rev(hour, good))), summary("b", rev(50*hour, good)), summary("c", rev(90*hour, good)),
				},
			},
			grade: status.Critical,
			cases: "overdue c: nobody tried\noverdue b: nobody tried\nlive-source a: mounted while it was read: back up a snapshot of it",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c.in.Now = now
			r := status.Judge(c.in)
			var cases []string
			for _, found := range r.Cases {
				cases = append(cases, fmt.Sprintf("%s %s: %s", found.Kind, found.Volume, found.Why))
			}
			if got := strings.Join(cases, "\n"); got != c.cases || r.Grade != c.grade {
				t.Errorf("grade %d, want %d; cases:\n%s\nwant:\n%s", r.Grade, c.grade, got, c.cases)
			}
		})
	}
}

// A promise of centuries is one all the same.
func TestLongPromise(t *testing.T) {
	t.Parallel()
	rare, err := schedule.Parse("0 3 29 2 *")
	if err != nil {
		t.Fatal(err)
	}
	r := status.Judge(status.Input{
		Now: now, Volumes: []repository.Summary{summary("db", rev(hour, repository.Suspect))},
		Expected: []status.Expectation{{Name: "db", Plan: schedule.Plan{Schedule: rare}, Overdue: 1000}},
	})
	if promise := r.Volumes[0].Promise; promise < 50*365*day || r.Grade != status.Critical {
		t.Errorf("the promise is %s, the grade %d", promise, r.Grade)
	}
}

// The counts that a report gives.
// What is to be typed names the volume to a shell, whatever it is called.
func TestWhatToType(t *testing.T) {
	t.Parallel()
	r := status.Judge(status.Input{
		Configured: true,
		Volumes:    []repository.Summary{summary("it's bad", rev(hour, repository.Suspect))},
		Events:     []repository.Event{alarm("it's bad", hour, "why")},
	})
	lost := status.Judge(status.Input{
		Now: now, Configured: true, Expected: gone(daily(t, "it's lost"), "/srv/lost"),
		Volumes: []repository.Summary{summary("it's lost", rev(hour, repository.Good))},
	})
	if len(lost.Volumes) != 1 || !lost.Volumes[0].Due.IsZero() {
		t.Errorf("what is gone is due: %+v", lost.Volumes)
	}
	var got []string
	for _, c := range append(r.Cases, lost.Cases...) {
		got = append(got, c.Do)
	}
	want := []string{
		`varve history --volume 'it'\''s bad'`, `varve verify 'it'\''s bad@k3f9' --against SOURCE`, `varve retire 'it'\''s bad'`,
		`look for it; was it deleted on purpose: varve retire 'it'\''s lost'`,
	}
	if !slices.Equal(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
}

// What is worst of a volume stands first.
func TestWorstOfAVolume(t *testing.T) {
	t.Parallel()
	r := status.Judge(status.Input{
		Now: now, Volumes: []repository.Summary{summary("db", rev(2*hour, repository.Damaged), rev(hour, repository.Good))},
		Events: []repository.Event{alarm("db", hour, "the source is empty")},
	})
	v := r.Volumes[0]
	if len(v.Cases) != 2 || v.Cases[0].Kind != status.Damaged || v.Cases[1].Kind != status.Warned || v.Grade != status.Critical {
		t.Errorf("grade %d, cases %+v", v.Grade, v.Cases)
	}
}

func TestReport(t *testing.T) {
	t.Parallel()
	r := status.Judge(status.Input{
		Now: now, Expected: daily(t, "a", "b", "c", "new"),
		Volumes: []repository.Summary{
			summary("a", rev(hour, repository.Good)), summary("b", rev(30*hour, repository.Good)), summary("c", rev(80*hour, repository.Good)),
		},
		Available: 300 << 30, Total: 1 << 40,
	})
	if r.Good() != 2 || r.New != 1 || r.Troubled(status.Critical) != 1 || len(r.Volumes) != 4 {
		t.Errorf("%d good, %d new, %d in trouble, of %d", r.Good(), r.New, r.Troubled(status.Critical), len(r.Volumes))
	}
	if oldest := r.Oldest(); oldest == nil || oldest.Name != "b" {
		t.Errorf("the oldest is %v", oldest)
	}
	if next := r.Next(); next == nil || next.Name != "new" || !next.Due.Equal(now) {
		t.Errorf("the next is %v", next)
	}
	if n := r.DueBy(now.Add(23 * hour)); n != 4 {
		t.Errorf("%d are due within 23 hours", n)
	}
	if n := r.DueBy(now.Add(hour)); n != 1 {
		t.Errorf("%d are due within an hour", n)
	}
	if r.Growth != 2<<30 || r.FullIn != 150*day { // that of c is of another time
		t.Errorf("grows by %d a day, full in %s", r.Growth, r.FullIn)
	}
}

// What cannot be read is in the report of the volume that it is of, or may be of.
func TestReportOnly(t *testing.T) {
	t.Parallel()
	in := status.Input{
		Now: now, Expected: daily(t, "a", "b"), Volumes: []repository.Summary{summary("a", rev(hour, repository.Good)), summary("b")},
		Unread: []status.Unread{{Volume: "b", Err: errors.New("rot")}},
	}
	only := func(name revision.Name) func(revision.Name) bool {
		return func(n revision.Name) bool { return n == name }
	}
	r := status.Judge(in)
	if one := r.Only(only("a")); one.Grade != status.Safe || one.New != 0 {
		t.Errorf("a: grade %d, %d new", one.Grade, one.New)
	}
	if one := r.Only(only("b")); one.Grade != status.Critical || one.New != 0 {
		t.Errorf("b: grade %d, %d new", one.Grade, one.New)
	}
	in.Unread = append(in.Unread, status.Unread{Err: errors.New("a directory cannot be read")})
	if one := status.Judge(in).Only(only("a")); one.Grade != status.Safe {
		t.Errorf("a, which can be read where something cannot: grade %d", one.Grade)
	}
	in.Unread = in.Unread[1:]
	if one := status.Judge(in).Only(only("b")); one.Grade != status.Critical {
		t.Errorf("b, which is perhaps what cannot be read: grade %d", one.Grade)
	}
}

func TestDamageIsRepairedFromWhatMayHaveIt(t *testing.T) {
	t.Parallel()
	some, none := rev(2*hour, repository.Damaged), rev(hour, repository.Damaged)
	some.Info.Lost = []repository.Extent{{Offset: 4096, Length: 8192}}
	cases := status.Judge(status.Input{Now: now, Volumes: []repository.Summary{summary("my db", some, none)}}).Cases
	var got []string
	for _, c := range cases {
		got = append(got, c.Do)
	}
	want := []string{"varve scrub 'my db' --repair-from-source", "varve scrub 'my db' --repair-from-repo REPO"}
	if !slices.Equal(got, want) {
		t.Errorf("proposed: %q, want %q", got, want)
	}
}
