package main

import (
	"errors"
	"strings"
	"testing"
	"time"

	"varve/repository"
	"varve/revision"
	"varve/schedule"
	"varve/status"
)

// statusNow is when the pages below are looked at.
var statusNow = time.Date(2026, 11, 24, 3, 12, 0, 0, time.FixedZone("CET", 3600))

func statusRevision(ago time.Duration, state repository.State) repository.Revision {
	begun := statusNow.Add(-ago)
	return repository.Revision{
		ID: revision.ID(begun.UTC().Format("20060102T150405Z") + "-k3f9"), Info: repository.Info{State: state, Reason: "the tracker lied"},
		Statement: &revision.Statement{
			Begun: begun, Kind: revision.Delta, Consistency: revision.Still,
			Statistics: revision.Statistics{Stored: 38 << 20, Milliseconds: 360_000},
		},
	}
}

func statusVolume(name revision.Name, all ...repository.Revision) repository.Summary {
	s := repository.Summary{Volume: repository.Volume{Name: name}, Revisions: len(all)}
	for i := range all {
		s.Newest = &all[i]
		if all[i].Candidate().Trusted {
			s.Good = &all[i]
		} else {
			s.Troubled = append(s.Troubled, all[i])
		}
	}
	return s
}

func statusExpected(t *testing.T, names ...revision.Name) (all []status.Expectation) {
	t.Helper()
	nightly, err := schedule.Parse("daily at 02:00")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		all = append(all, status.Expectation{
			Name: name, Plan: schedule.Plan{Schedule: nightly, Zone: statusNow.Location(), Name: name.String()},
		})
	}
	return all
}

// Each state of a repository, and exactly what status and check say of it.
func TestStatusPages(t *testing.T) {
	t.Parallel()
	const hour = time.Hour
	lost := statusRevision(25*hour, repository.Damaged)
	lost.Info.Lost = []repository.Extent{{Offset: 8<<30 + 4096, Length: 8192}}
	live := statusRevision(hour, repository.Good)
	live.Statement.Consistency, live.Statement.Reason = revision.Live, "mounted read-write on /srv/web while it was read, and written to by four processes"
	for name, c := range map[string]struct {
		in    status.Input
		page  string
		check string // the first line
	}{
		"nothing": {
			page: `no volumes yet -> varve backup NAME /dev/VOLUME
repository  /srv/varve
`,
			check: "VARVE OK - 0 volumes, none in trouble | volumes=0 critical=0 warning=0",
		},
		"all is well": {
			in: status.Input{
				Expected:  statusExpected(t, "db1", "vms/vm-1"),
				Volumes:   []repository.Summary{statusVolume("db1", statusRevision(hour, repository.Good)), statusVolume("vms/vm-1", statusRevision(22*hour, repository.Proven))},
				Available: 3 << 40, Total: 14 << 40,
			},
			page: `SAFE: all 2 volumes are as safe as was promised
GOOD        2 volumes  oldest 22h (vms/vm-1)   2 due within a day, next db1 at Wed 25 Nov 02:00
repository  /srv/varve   3 TiB of 14 TiB free, +76 MiB a day
`,
			check: "VARVE OK - 2 volumes, none in trouble | volumes=2 critical=0 warning=0 free=3298534883328B",
		},
		"as bad as it gets": {
			in: status.Input{
				Configured: true,
				Expected:   statusExpected(t, "db1", "vms/vm-113", "web-old", "new"),
				Volumes: []repository.Summary{
					statusVolume("db1", lost, statusRevision(hour, repository.Good)),
					statusVolume("vms/vm-113", statusRevision(73*hour, repository.Good)),
					statusVolume("web-old", live),
					statusVolume("old", statusRevision(90*24*hour, repository.Good)),
				},
				Events: []repository.Event{
					{Time: statusNow.Add(-40 * hour), Op: repository.OpBackup, Result: repository.ResultFailed, Volume: "vms/vm-113", Error: "it is gone"},
					{Time: statusNow.Add(-20 * hour), Op: repository.OpBackup, Result: repository.ResultFailed, Volume: "vms/vm-113", Error: "image is in the trash of vms"},
				},
				Running: []repository.Running{{
					Holder: repository.Holder{Command: "backup", Since: statusNow.Add(-100 * time.Minute)}, Volume: "db1",
					Done: 1<<41 - 1<<36, Total: 5 << 40,
				}},
				Available: 400 << 20, Total: 14 << 40,
			},
			page: `NOT SAFE: 2 of 5 volumes are in trouble, 3 warnings
TROUBLE      VOLUME      LAST GOOD         AGE    PROMISE  WHY, AND WHAT TO DO
overdue      vms/vm-113  Sat 21 Nov 02:12  3d 1h  36h      2 tries: image is in the trash of vms
                                                           -> varve backup vms/vm-113
damaged      db1         Tue 24 Nov 02:12  1h     36h      k3f9 lost 8 KiB
                                                           -> varve scrub db1 --repair-from-source
WARNING
filling up                                                 full in 5 days at the present rate
forgotten    old         Wed 26 Aug 03:12  90d             the configuration does not name it
                                                           -> varve retire old
live source  web-old     Tue 24 Nov 02:12  1h     36h      mounted read-write on /srv/web while it
                                                           was read, and written to by four
                                                           processes: back up a snapshot of it
RUNNING  db1  38 %  1.9 of 5 TiB  339 MiB/s  ends ~05:50 (usually 6:00 min)
GOOD        0 volumes  1 without a revision yet   4 due within a day, next new at Tue 24 Nov 03:12
repository  /srv/varve   400 MiB of 14 TiB free, +76 MiB a day: full in 5 days
`,
			check: "VARVE CRITICAL - 2 troubles, 3 warnings: overdue vms/vm-113: 2 tries: image is in the trash of vms, and 4 more | " +
				"volumes=5 critical=2 warning=2 free=419430400B",
		},
		"a warning": {
			in: status.Input{
				Expected: statusExpected(t, "db1"),
				Volumes:  []repository.Summary{statusVolume("db1", statusRevision(20*hour, repository.Good), statusRevision(hour, repository.Suspect))},
			},
			page: `SAFE, with 1 warning
WARNING  VOLUME  LAST GOOD         AGE  PROMISE  WHY, AND WHAT TO DO
suspect  db1     Mon 23 Nov 07:12  20h  36h      the tracker lied
                                                 -> varve verify db1@k3f9 --against SOURCE
GOOD        0 volumes  1 due within a day, next db1 at Wed 25 Nov 02:00
repository  /srv/varve
`,
			check: "VARVE WARNING - 0 troubles, 1 warning: suspect db1: the tracker lied | age=72000s;;129600 volumes=1 critical=0 warning=1",
		},
		"what cannot be read": {
			in: status.Input{Unread: []status.Unread{{Err: errors.New("volumes/x%zz: bad name")}}},
			page: `NOT SAFE: the repository is in trouble
TROUBLE     VOLUME  LAST GOOD  AGE  PROMISE  WHY, AND WHAT TO DO
unreadable                                   volumes/x%zz: bad name
repository  /srv/varve
`,
			check: "VARVE CRITICAL - 1 trouble, 0 warnings: unreadable: volumes/x%zz: bad name | volumes=0 critical=0 warning=0",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c.in.Now = statusNow
			report := status.Judge(c.in)
			s := newSession(nil, nil, nil)
			s.about.repo = "/srv/varve"
			p := &page{now: statusNow}
			retold(t, newJudged(s, report, c.in)).print(p)
			if got := p.text.String(); got != c.page {
				t.Errorf("status:\n%swant:\n%s", got, c.page)
			}
			for line := range strings.Lines(p.text.String()) {
				if textWidth(strings.TrimSpace(line)) > widest {
					t.Errorf("a line of %d columns: %s", textWidth(line), line)
				}
			}
			p = &page{now: statusNow}
			answerCheck(checkFlags{}, report, c.in).print(p)
			if got, _, _ := strings.Cut(p.text.String(), "\n"); got != c.check {
				t.Errorf("check:\n%s\nwant:\n%s", got, c.check)
			}
		})
	}
}
