package config_test

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"varve/config"
	"varve/revision"
	"varve/schedule"
)

const whole = `# a comment
repository: /srv/varve
timezone: Europe/Berlin
limits:
  jobs: 2
  limit_rate: {"08:00-18:00": 100MiB, "18:00-20:00": 200MiB, else: 400MiB}
  min_free: 10GiB
  io_pressure: 40%
defaults:
  schedule: daily
  window: "22:00-06:00"
  overdue: 2
  tags: [nightly, "2026", nightly]
  hooks: {freeze: f, thaw: t, timeout: 1m}
  keep: {last: 3, daily: 7, weekly: 4, tags: [release, audit, release]}
  undelete: 2w
groups:
  gold:
    priority: 1
    overdue: 1.25
    hooks: {before: "echo gold", freeze_timeout: 3s}
    keep: {hourly: 24, daily: 0, tags: []}
    max_chain: 7
volumes:
  db1: {source: /dev/vg/db1, group: gold, tags: [], stall_timeout: 1h}
  archive: {source: /srv/images/archive.img, schedule: "0 3 * * sun", window: any, compare_all: 3, hooks: {freeze: "", thaw: ""}, full_every: 90}
  "vms/*": {source: "/srv/vms/*.img", exclude: ["scratch-*"], group: gold, keep: {last: 0, monthly: 12, yearly: 5, within: 48h, tags: [own]}}
monitor: {textfile: /var/lib/x/varve.prom, listen: 9750}
maintenance: {prune: after-backup, gc: daily at 07:00, scrub: {schedule: daily, max_duration: 3h}, drill: {schedule: "0 9 * * sat", volumes: 7, exec: "true"}}
anomaly: {stored: 2.5x, at_least: 1MiB, ratio: never, pin: 0s}
notify: {command: c, webhook: "https://example.org/hook?x=1", email: "Ops <ops@example.org>, root", smtp: "mail.example.org:465", smtp_user: u, smtp_password_file: /p, again: 1h}
`

func TestWholeFile(t *testing.T) {
	c := good(t, whole)
	if c.Path != "varve.yaml" || c.Repository != "/srv/varve" || c.Zone.String() != "Europe/Berlin" || c.Monitor.Textfile != "/var/lib/x/varve.prom" || c.Monitor.Listen != "127.0.0.1:9750" {
		t.Errorf("got %+v", c)
	}
	if m := c.Maintenance; !m.Prune.AfterBackup || !m.Prune.Schedule.IsZero() || m.GC.String() != "daily at 07:00" ||
		m.Scrub.Schedule.String() != "daily" || m.Scrub.OlderThan != 30*24*time.Hour || m.Scrub.MaxDuration != 3*time.Hour ||
		m.Drill.Schedule.IsZero() || m.Drill.Volumes != 7 || m.Drill.Exec != "true" {
		t.Errorf("maintenance %+v", m)
	}
	if l := c.Limits; l.Jobs != 2 || l.MinFree != (config.MinFree{Bytes: 10 << 30}) || l.IOPressure != 40 {
		t.Errorf("limits %+v", l)
	}
	wanted := config.Notify{
		Command: "c", Webhook: "https://example.org/hook?x=1", Email: []string{"ops@example.org", "root"}, SMTP: "mail.example.org:465",
		User: "u", PasswordFile: "/p", Again: time.Hour, Timeout: 30 * time.Second,
	}
	if !reflect.DeepEqual(c.Notify, wanted) {
		t.Errorf("notify %+v, want %+v", c.Notify, wanted)
	}
	if a := (config.Anomaly{Stored: 2.5, AtLeast: 1 << 20, History: 7}); c.Anomaly != a {
		t.Errorf("anomaly %+v, want %+v", c.Anomaly, a)
	}
	if a := good(t, "").Anomaly; a != config.DefaultAnomaly() || a.Stored != 10 || a.Pin != 30*24*time.Hour {
		t.Errorf("without a word, anomaly is %+v", a)
	}
	for hour, want := range map[int]int64{7: 400 << 20, 8: 100 << 20, 17: 100 << 20, 18: 200 << 20, 20: 400 << 20} {
		at := time.Date(2026, 11, 24, hour, 30, 0, 0, c.Zone).UTC()
		if got := c.Limits.Rate.At(at); got != want {
			t.Errorf("at %d:30 the rate is %d, want %d", hour, got, want)
		}
	}
	// What a volume does not say, its group says, then the defaults, key by key.
	for name, want := range map[string]string{
		"db1": "db1 /dev/vg/db1 gold 25 pattern= daily/22:00-06:00/Europe/Berlin/db1 overdue=1.25 compare=14 stall=1h0m0s tags=[] priority=1 " +
			"{Before:echo gold After: Freeze:f Thaw:t Timeout:1m0s FreezeTimeout:3s} keep last 3, hourly 24, weekly 4 undelete=336h0m0s full=0 chain=7",
		"archive": "archive /srv/images/archive.img  26 pattern= 0 3 * * sun/any/Europe/Berlin/archive overdue=2 compare=3 stall=10m0s tags=[nightly 2026] priority=0 " +
			"{Before: After: Freeze: Thaw: Timeout:1m0s FreezeTimeout:10s} keep last 3, daily 7, weekly 4, tag release, tag audit undelete=336h0m0s full=90 chain=30",
		"vms/a": "vms/a /srv/vms/a.img gold 27 pattern=vms/* daily/22:00-06:00/Europe/Berlin/vms/a overdue=1.25 compare=14 stall=10m0s tags=[nightly 2026] priority=1 " +
			"{Before:echo gold After: Freeze:f Thaw:t Timeout:1m0s FreezeTimeout:3s} keep hourly 24, weekly 4, monthly 12, yearly 5, within 2d, tag own " +
			"undelete=336h0m0s full=0 chain=7",
	} {
		v, found := c.Volume(revision.Name(name))
		if got := describe(v); !found || got != want {
			t.Errorf("got\n%s\nwant\n%s", got, want)
		}
	}
}

func describe(v config.Volume) string {
	return fmt.Sprintf("%s %s %s %d pattern=%s %v/%v/%v/%s overdue=%v compare=%d stall=%v tags=%v priority=%d %+v keep %v undelete=%v full=%d chain=%d",
		v.Name, v.Source, v.Group, v.Line, v.Pattern, v.Plan.Schedule, v.Plan.Window, v.Plan.Zone, v.Plan.Name,
		v.Overdue, v.CompareAll, v.StallTimeout, v.Tags, v.Priority, v.Hooks, v.Keep, v.Undelete, v.FullEvery, v.MaxChain)
}

func TestDefaults(t *testing.T) {
	for _, text := range []string{"", "# nothing\n", "---\n", "{}", "volumes:\nlimits:\ngroups:\ndefaults:\n"} {
		c := good(t, text)
		if c.Repository != "" || c.Zone != time.Local || c.Limits.Jobs != 0 || c.Limits.IOPressure != 0 || c.Monitor.Textfile != "" ||
			c.Limits.MinFree != (config.MinFree{Percent: 5}) || c.Limits.Rate.At(time.Now()) != 0 {
			t.Errorf("%q: %+v", text, c)
		}
		if all, errs := c.Volumes(nil); len(all) != 0 || len(errs) != 0 {
			t.Errorf("%q: %v, %v", text, all, errs)
		}
	}
	v, _ := good(t, "volumes: {a: {source: /a}}").Volume("a")
	want := config.Volume{
		Name: "a", Source: "/a", Line: 1, Plan: schedule.Plan{Zone: time.Local, Name: "a"}, Overdue: 1.5, CompareAll: 14,
		StallTimeout: 10 * time.Minute, Undelete: 7 * 24 * time.Hour, MaxChain: 30,
		Hooks: config.Hooks{FreezeTimeout: 10 * time.Second, Timeout: 5 * time.Minute},
	}
	if describe(v) != describe(want) {
		t.Errorf("got\n%s\nwant\n%s", describe(v), describe(want))
	}
	none := (*config.Config)(nil).Unlisted()
	none.Name, none.Source, none.Line, none.Plan.Name, none.Plan.Zone = "a", "/a", 1, "a", time.Local
	if describe(none) != describe(want) {
		t.Errorf("of what stands in no configuration:\n%s\nwant\n%s", describe(none), describe(want))
	}
	if !v.Keep.IsZero() {
		t.Errorf("without a rule, %v are kept", v.Keep)
	}
	if got := good(t, "limits: {limit_rate: 7M}").Limits.Rate.At(time.Now()); got != 7<<20 {
		t.Errorf("a plain rate is %d", got)
	}
}

// Of defaults, what is about stored revisions holds of volumes that nobody named, and
// nothing that would take some of them away, or run a command.
func TestUnlisted(t *testing.T) {
	t.Parallel()
	c := good(t, `defaults:
  undelete: 30d
  max_chain: 5
  full_every: 4
  keep: {last: 1}
  tags: [nightly]
  schedule: daily
  hooks: {before: "true"}
volumes: {a: {source: /a, undelete: 1d}}
`)
	got, want := c.Unlisted(), (*config.Config)(nil).Unlisted()
	if want.Undelete == 30*24*time.Hour || want.MaxChain == 5 || want.FullEvery == 4 {
		t.Fatal("the defaults of keys are those of the file")
	}
	want.Undelete, want.MaxChain, want.FullEvery = 30*24*time.Hour, 5, 4
	if describe(got) != describe(want) {
		t.Errorf("got\n%s\nwant\n%s", describe(got), describe(want))
	}
}

func TestProblems(t *testing.T) {
	volume := func(keys string) string { return "volumes:\n  a: {source: /a, " + keys + "}" }
	tests := []struct{ name, text, want string }{ // want: lines
		{"unknown at the top", "repositry: /x", `:1: unknown key "repositry"; did you mean "repository"?`},
		{"unknown below", "limits: {job: 1}", `:1: limits: unknown key "job"; did you mean "jobs"?`},
		{"unknown, and like nothing", "x: 1", `:1: unknown key "x"`},
		{"unknown in hooks", volume("hooks: {bofore: x}"), `:2: volumes.a.hooks: unknown key "bofore"; did you mean "before"?`},
		{"of volumes only", "defaults: {source: /a}", `:1: defaults: the key "source" stands under volumes.NAME only`},
		{"of volumes only, in a group", "groups:\n  g:\n    group: h", `:3: groups.g: the key "group" stands under volumes.NAME only`},
		{"twice", "repository: /a\ntimezone: UTC\nrepository: /b", `:3: the key "repository" stands in line 1 already`},
		{"twice, a volume", "volumes:\n  a: {source: /a}\n  a: {source: /b}", `:3: volumes: the key "a" stands in line 2 already`},
		{"a list for a mapping", "limits: [1]", `:1: limits: want keys and values, not a list`},
		{"a word for a mapping", "volumes: all", `:1: volumes: want keys and values, not "all"`},
		{"a word for everything", "hello", `:1: want keys and values, not "hello"`},
		{"a mapping for a value", "repository: {a: b}", `:1: repository: want a single value, not keys and values`},
		{"a list for a value", volume("schedule: [daily]"), `:2: volumes.a.schedule: want a single value, not a list`},
		{"a value for a list", volume("tags: nightly"), `:2: volumes.a.tags: want a list such as [a, b], not "nightly"`},
		{"nothing for a value", "repository:", `:1: repository: there is no value; leave the key out, or write one`},
		{"nothing for a list", volume("tags:"), `:2: volumes.a.tags: want a list such as [a, b], not nothing`},
		{"nothing in a list", volume("tags: [~]"), `:2: volumes.a.tags: there is no value; leave the key out, or write one`},
		{"a key that is a list", "[a]: b", `:1: want a single value, not a list`},
		{"a tag of YAML", "repository: !secret /x", `:1: repository: the tag "!secret" means nothing here`},
		{"an alias", "defaults: &d {priority: 1}\ngroups: {g: *d}", `:2: groups.g: want keys and values, not an alias; aliases are not read, groups serve instead`},
		{"a merge key", "groups: {g: {<<: {priority: 1}}}", `:1: groups.g: unknown key "<<"`},
		{"a relative repository", "repository: varve", `:1: repository: bad value "varve": want an absolute path`},
		{"a webhook that is none", "notify: {webhook: hooks.example.org/SECRET}", `:1: notify.webhook: bad value "...": want a URL such as https://example.org/hook`},
		{"an address that is none", "notify: {email: \"ops@example.org, @\"}", `:1: notify.email: bad value "@": want an address such as ops@example.org`},
		{"addresses with nothing between", "notify: {email: \"ops@example.org,,root\"}", `:1: notify.email: bad value "ops@example.org,,root": there is nothing between two commas`},
		{"a server without a port", "notify: {smtp: mail.example.org}", `:1: notify.smtp: bad value "mail.example.org": want a host and a port such as mail.example.org:587`},
		{"a password without a user", "notify: {smtp: \"m:25\", smtp_password_file: /p}", `:1: notify: smtp_user and smtp_password_file belong together`},
		{"a user without a server", "notify: {smtp_user: u, smtp_password_file: /p}", `:1: notify: smtp_user and smtp_password_file are for a server: say smtp, too`},
		{"again and again", "notify: {again: 0s}", `:1: notify.again: bad value "0s": want more than nothing`},
		{"a factor without its sign", "anomaly: {stored: 10}", `:1: anomaly.stored: bad value "10": want a factor from 1 on such as 10x, or never`},
		{"a factor that is none", "anomaly: {stored: 0.5x}", `:1: anomaly.stored: bad value "0.5x": want a factor from 1 on such as 10x, or never`},
		{"a share in percent", "anomaly: {ratio: 95%}", `:1: anomaly.ratio: bad value "95%": want a number such as 0.95, up to 1, or never`},
		{"a share of more than all", "anomaly: {ratio: 1.5}", `:1: anomaly.ratio: bad value "1.5": want a number such as 0.95, up to 1, or never`},
		{"a history of two", "anomaly: {history: 2}", `:1: anomaly.history: bad value "2": want a number between 3 and 1000`},
		{"no port", "monitor: {listen: 127.0.0.1}", `:1: monitor.listen: bad value "127.0.0.1": want a port such as 9750, or one with a host, such as 127.0.0.1:9750`},
		{"a port that there is not", "monitor: {listen: 127.0.0.1:65536}", `:1: monitor.listen: bad value "127.0.0.1:65536": want a port such as 9750, or one with a host, such as 127.0.0.1:9750`},
		{"no time to prune", "maintenance: {prune: after-restore}", `:1: maintenance.prune: bad schedule "after-restore": want daily, daily at 02:00, mon-fri at 02:00, sunday, every 6h, never, or a cron line of five fields such as 0 3 * * sun`},
		{"a relative textfile", "monitor: {textfile: x}", `:1: monitor.textfile: bad value "x": want an absolute path`},
		{"a zone", "timezone: Europe/Belrin", `:1: timezone: unknown time zone "Europe/Belrin": want one such as Europe/Berlin or UTC`},
		{"a zone outside", "timezone: ../../etc/passwd", `:1: timezone: unknown time zone "../../etc/passwd": want one such as Europe/Berlin or UTC`},
		{"no jobs", "limits: {jobs: 0}", `:1: limits.jobs: bad value "0": want a number between 1 and 1000`},
		{"jobs in hexadecimal", "limits: {jobs: 0x2}", `:1: limits.jobs: bad value "0x2": want a number between 1 and 1000`},
		{"a rate", "limits: {limit_rate: fast}", `:1: limits.limit_rate: bad value "fast": want a size such as 4096, 200MiB, 10G or 5GB`},
		{"a rate of nothing", "limits: {limit_rate: 0}", `:1: limits.limit_rate: bad value "0": nothing would ever be read; leave the key out for any rate`},
		{"rates", "limits:\n  limit_rate:\n    \"8-18\": 1M\n    else: x\n    \"08:00-09:00\": [1]",
			`:3: limits.limit_rate: want a window such as 08:00-18:00, or else: bad window "8-18": "8" is no time of day such as 02:00` + "\n" +
				`:4: limits.limit_rate: bad value "x": want a size such as 4096, 200MiB, 10G or 5GB` + "\n" +
				`:5: limits.limit_rate: want a single value, not a list`},
		{"room", "limits: {min_free: some}", `:1: limits.min_free: bad value "some": want a percentage such as 5%, or a size such as 10GiB`},
		{"too much room", "limits: {min_free: 101%}", `:1: limits.min_free: bad value "101%": that is more than all`},
		{"pressure", "limits: {io_pressure: 0.4}", `:1: limits.io_pressure: bad value "0.4": want a percentage such as 5% or 12.5%`},
		{"no pressure", "limits: {io_pressure: 0%}", `:1: limits.io_pressure: bad value "0%": want more than 0%`},
		{"a schedule", volume("schedule: hourly"), `:2: volumes.a.schedule: bad schedule "hourly": want daily, daily at 02:00, mon-fri at 02:00, sunday, every 6h, never, or a cron line of five fields such as 0 3 * * sun`},
		{"a window", volume("window: 22-06"), `:2: volumes.a.window: bad window "22-06": "22" is no time of day such as 02:00`},
		{"overdue", volume("overdue: 0.5"), `:2: volumes.a.overdue: bad value "0.5": want a number such as 1.5, between 1 and 1000`},
		{"overdue by much", volume("overdue: .inf"), `:2: volumes.a.overdue: bad value ".inf": want a number such as 1.5, between 1 and 1000`},
		{"compare_all", volume("compare_all: -1"), `:2: volumes.a.compare_all: bad value "-1": want a number between 1 and 10000`},
		{"a duration", volume("stall_timeout: 10"), `:2: volumes.a.stall_timeout: bad value "10": want a duration such as 90s, 15m, 6h, 7d or 4w`},
		{"no duration", volume("hooks: {timeout: 0s}"), `:2: volumes.a.hooks.timeout: bad value "0s": want more than nothing`},
		{"a rule", volume("keep: {dayly: 7}"), `:2: volumes.a.keep: unknown key "dayly"; did you mean "daily"?`},
		{"a count", volume("keep: {last: -1, daily: all}"),
			`:2: volumes.a.keep.last: bad value "-1": want a number between 0 and 1000000` + "\n" +
				`:2: volumes.a.keep.daily: bad value "all": want a number between 0 and 1000000`},
		{"a span of a rule", volume("keep: {within: 48}"), `:2: volumes.a.keep.within: bad value "48": want a duration such as 90s, 15m, 6h, 7d or 4w`},
		{"a tag of a rule", volume("keep: {tags: [a b]}"), `:2: volumes.a.keep.tags: bad tag "a b": want letters, digits and . _ - only`},
		{"a list of rules", volume("keep: [last]"), `:2: volumes.a.keep: want keys and values, not a list`},
		{"undelete", volume("undelete: never"), `:2: volumes.a.undelete: bad value "never": want a duration such as 90s, 15m, 6h, 7d or 4w`},
		{"full_every", volume("full_every: 0"), `:2: volumes.a.full_every: bad value "0": want a number between 1 and 10000, or never`},
		{"max_chain", volume("max_chain: 0"), `:2: volumes.a.max_chain: bad value "0": want a number between 1 and 10000`},
		{"a tag", volume("tags: [a b, c]"), `:2: volumes.a.tags: bad tag "a b": want letters, digits and . _ - only`},
		{"a pattern that is none", "volumes: {\"a*\": {source: \"/x/*\", exclude: [\"[\"]}}", `:1: volumes.a*.exclude: bad pattern "[": a "[" without its "]"`},
		{"a name", "volumes: {a@b: {source: /a}}", `:1: volumes.a@b: bad volume name "a@b": "@" begins a revision`},
		{"a name that is empty", "volumes: {\"\": {source: /a}}", `:1: volumes.: bad volume name "": it is empty`},
		{"no source", "volumes:\n  a: {}\n  b:\n  \"c*\":", ":2: volumes.a: the source is missing\n:3: volumes.b: the source is missing\n:4: volumes.c*: the source is missing"},
		{"a relative source", "volumes: {a: {source: disk.img}}", `:1: volumes.a.source: bad value "disk.img": want an absolute path`},
		{"a source from standard input", "volumes: {a: {source: \"-\"}}", `:1: volumes.a.source: bad value "-": want a path; standard input is no source here`},
		{"a source of no kind", "volumes: {a: {source: nbd:x}}", `:1: volumes.a.source: location "nbd:x": unknown scheme "nbd" (a file of that name is written "./nbd:x")`},
		{"a pattern for a name", "volumes: {a: {source: /x/*}}", `:1: volumes.a: the source "/x/*" is a pattern, and the name is none`},
		{"a name for a pattern", "volumes: {\"a*\": {source: /x}}", `:1: volumes.a*: the name is a pattern, so its source needs one * too: "/x"`},
		{"two stars", "volumes: {\"a*\": {source: /*/*}}", `:1: volumes.a*: the name is a pattern, so its source needs one * too: "/*/*"`},
		{"two stars in the name", "volumes: {\"*a*\": {source: /*}}", `:1: volumes.*a*: the name has more than one *`},
		{"a pattern of bad names", "volumes: {\"a@*\": {source: /*}}", `:1: volumes.a@*: bad volume name "a@x": "@" begins a revision`},
		{"exclude without a pattern", volume("exclude: [x]"), `:2: volumes.a: only a pattern can exclude something`},
		{"no such group", volume("group: gold"), `:2: volumes.a: there is no group "gold"`},
		{"a group without a name", "groups: {\"\": {}}", `:1: groups.: a group needs a name`},
		{"a schedule that never comes", volume("schedule: daily at 12:00, window: \"22:00-06:00\""),
			`:2: volumes.a: the schedule "daily at 12:00" never falls into the window 22:00-06:00`},
		{"the same from the defaults, told once", "defaults: {schedule: daily at 12:00, window: \"22:00-06:00\"}\nvolumes: {a: {source: /a}, b: {source: /b}}",
			`:1: defaults: the schedule "daily at 12:00" never falls into the window 22:00-06:00`},
		{"the same of two layers", "defaults: {window: \"22:00-06:00\"}\ngroups:\n  g: {schedule: daily at 12:00}\n",
			`:3: groups.g: the schedule "daily at 12:00" never falls into the window 22:00-06:00`},
		{"freeze without thaw", volume("hooks: {freeze: x}"), `:2: volumes.a: hooks.freeze and hooks.thaw need one another`},
		{"two documents", "{}\n---\n{}", `:2: a second document begins here; want one`},
		{"all at once, in order", "limits: {jobs: x}\nvolumes:\n  a: {source: b, tags: [\"\"], window: y}\nfoo: 1\n",
			`:1: limits.jobs: bad value "x": want a number between 1 and 1000` + "\n" +
				`:3: volumes.a.source: bad value "b": want an absolute path` + "\n" +
				`:3: volumes.a.tags: bad tag "": want 1 to 64 characters` + "\n" +
				`:3: volumes.a.window: bad window "y": want "any" or one such as 22:00-06:00` + "\n" +
				`:4: unknown key "foo"`},
	}
	for _, test := range tests {
		if got := strings.Join(problems(t, test.text), "\n"); got != test.want {
			t.Errorf("%s: got\n%s\nwant\n%s", test.name, got, test.want)
		}
	}
}

func TestProblemHasAPlace(t *testing.T) {
	_, err := config.Parse("varve.yaml", []byte("\nlimits: {jobs: 1,\n  job: 1}"))
	var wrong *config.Error
	want := config.Problem{Path: "varve.yaml", Line: 3, Column: 3, Key: "limits", Text: `unknown key "job"; did you mean "jobs"?`}
	if !errors.As(err, &wrong) || len(wrong.Problems) != 1 || wrong.Problems[0] != want {
		t.Errorf("got %+v, want %+v", err, want)
	}
}

func TestNoYAML(t *testing.T) {
	for text, want := range map[string]string{
		"a: b: c":         ":1",
		"volumes:\n\tx: ": ":2",
		"a: [1":           ":2",
		"{}\n---\n[":      ":4",
		"a: \"":           ":1",
		"%YAML 9.9\n---":  ":1",
		"*x":              ":1",
	} {
		got := problems(t, text)
		if len(got) != 1 || !strings.HasPrefix(got[0], want+": this is no YAML: ") {
			t.Errorf("%q: got %q, want one at %s", text, got, want)
		}
	}
}

func TestRightTexts(t *testing.T) {
	for _, text := range []string{
		"volumes: {a: {source: rbd:vms/a}, b: {source: \"file:/x:y\"}, \"c*\": {source: \"rbd:vms/*\"}}",
		"volumes: {\"a*\": {source: \"/*\", exclude: []}}",
		"limits: {limit_rate: {else: 1M}, min_free: 0%}",
		"defaults: {schedule: daily at 12:00, window: any}\nvolumes: {a: {source: /a, schedule: never, window: \"22:00-06:00\"}}",
		"defaults: {hooks: {freeze: a, thaw: b}}\nvolumes: {a: {source: /a, hooks: {freeze: \"\", thaw: \"\"}}}",
		"monitor: {textfile: \"\"}",
		"volumes: {a: {source: /a, keep: {}, full_every: 10000, undelete: 0s}}",
		"defaults: {keep:}",
	} {
		if got := problems(t, text); len(got) > 0 {
			t.Errorf("%q: %q", text, got)
		}
	}
}

// Problems stand in the order of the file, and are not so many that nobody reads them.
func TestManyProblems(t *testing.T) {
	var text strings.Builder
	for i := range 5000 {
		fmt.Fprintf(&text, "key%d: 1\n", i)
	}
	got := problems(t, text.String())
	if len(got) != 101 || got[100] != ": and 4900 more problems" {
		t.Errorf("got %d, the last %q", len(got), got[len(got)-1])
	}
	if want := `:7: unknown key "key6"`; !slices.Contains(got, want) {
		t.Errorf("got %q, without %q", got[:10], want)
	}
}
