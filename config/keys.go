package config

import (
	"time"

	"go.yaml.in/yaml/v4"

	"varve/internal/human"
	"varve/retention"
	"varve/schedule"
)

// This is the table of all keys. A new one is one entry here, and a place in the
// struct that it sets; everything else follows from the table.

// Reference lists all keys, in the order in which people read of them. Those that
// volumes have stand there once.
func Reference() []Key {
	var keys []Key
	for _, f := range documentFields() {
		key := f.Key
		key.Path = f.name
		keys = append(keys, key)
		for _, below := range f.inner {
			below.Path, below.Under = f.name+"."+below.Path, nil
			keys = append(keys, below)
		}
	}
	return append(keys, keysOf(volumeFields())...)
}

func documentFields() []field[document] {
	return []field[document]{
		value("repository", Key{
			Type: "directory", Example: "/srv/varve",
			Text: "The repository, if neither --repo nor VARVE_REPO names one. An absolute path.",
		}, absolutePath, func(d *document) *string { return &d.config.Repository }),
		value("timezone", Key{
			Type: "time zone", Example: "Europe/Berlin",
			Text: "Whose clock counts for schedules and windows, and in which times are shown and read. Without it, the host's. " +
				"Stored times are UTC.",
		}, timeZone, func(d *document) **time.Location { return &d.config.Zone }),
		block("limits", "What all backups of this host together keep to, whoever starts them.",
			limitFields(), func(d *document) *Limits { return &d.config.Limits }),
		block("ceph", "How the cluster of rbd: sources and targets is reached, by a program that was built with Ceph. What is not said here is as the rbd command does it: CEPH_CONF, "+
			"CEPH_KEYRING and CEPH_ARGS count.", cephFields(), func(d *document) *Ceph { return &d.config.Ceph }),
		block("monitor", "How others learn how it goes.", monitorFields(), func(d *document) *Monitor { return &d.config.Monitor }),
		notifyField(),
		block("anomaly", "When a new revision is told as unlike those before it: it is tagged \"anomaly\", status tells of it until the tag is taken off, and the last normal one is "+
			"pinned. It takes three deltas to say what is usual.", anomalyFields(), func(d *document) *Anomaly { return &d.config.Anomaly }),
		block("maintenance", "What varve scheduler does besides backups: one thing at a time, and when no backup runs or waits. What has waited for six hours does not wait any longer.",
			maintenanceFields(), func(d *document) *Maintenance { return &d.config.Maintenance }),
		{name: "defaults", in: anywhere, Key: Key{Type: "keys", Text: "What holds of all volumes that do not say otherwise."},
			read: func(d *decoder, n *yaml.Node) func(*document) {
				sets := section(d, n, volumeFields(), inDefaults)
				return func(doc *document) { doc.defaults, doc.defaultsAt = sets, n }
			}},
		{name: "groups", in: anywhere, Key: Key{Type: "names with keys", Text: "What holds of the volumes that name a group, and do not say otherwise."},
			read: readGroups},
		{name: "volumes", in: anywhere, Key: Key{
			Type: "names with keys",
			Text: "What to back up. A name with one * is a pattern: its source has one * too, and for each source there is, what * stands " +
				"for there stands for * in the volume's name. A volume with an entry of its own, by name or by source, is left " +
				"out of patterns. What a volume does not say, its group says, then the defaults, key by key.",
		}, read: readVolumes},
		{name: "sets", in: anywhere, inner: setKeys(), read: readSets, Key: Key{
			Type: "names with keys",
			Text: "Volumes that are backed up together: frozen together, and visible all at once. Whatever backs one of them up, but for --alone, backs up all.",
		}},
	}
}

func limitFields() []field[Limits] {
	return []field[Limits]{
		value("jobs", Key{
			Type: "number", Example: "2",
			Text: "How many volumes are read at once; others wait. Without it, any number, of which a scheduler begins four at a time.",
		}, wholeNumber(1, 1000), func(l *Limits) *int { return &l.Jobs }),
		{name: "limit_rate", in: anywhere, read: readRate, Key: Key{
			Type: "size, or sizes by time of day", Example: `{"08:00-18:00": 100MiB, else: 400MiB}`,
			Text: "How many bytes a second are read from sources, by all backups together. By time of day, the first window that is " +
				"open counts, and \"else\" where none is. Without it, any number.",
		}},
		value("min_free", Key{
			Type: "percentage or size", Default: "5%", Example: "5%",
			Text: "How much of the repository's file system stays free: backups stop there.",
		}, minFree, func(l *Limits) *MinFree { return &l.MinFree }),
		value("io_pressure", Key{
			Type: "percentage", Example: "40%",
			Text: "The share of time that something waited for a disk (\"some avg10\" in /proc/pressure/io) above which reading pauses. " +
				"Without it, reading never pauses.",
		}, percent, func(l *Limits) *float64 { return &l.IOPressure }),
	}
}

func cephFields() []field[Ceph] {
	return []field[Ceph]{
		value("conf", Key{
			Type: "file", Default: `""`, Example: "/etc/ceph/ceph.conf", Text: "The configuration of the cluster.",
		}, optionalPath, func(c *Ceph) *string { return &c.Conf }),
		value("user", Key{
			Type: "name", Default: `""`, Example: "varve",
			Text: "Who connects, without \"client.\". The user needs the capabilities mon 'profile rbd' and osd 'profile rbd pool=POOL'.",
		}, cephUser, func(c *Ceph) *string { return &c.User }),
		value("keyring", Key{
			Type: "file", Default: `""`, Example: "/etc/ceph/ceph.client.varve.keyring", Text: "Where the user's key is.",
		}, optionalPath, func(c *Ceph) *string { return &c.Keyring }),
		value("timeout", Key{
			Type: "duration", Default: "30s", Example: "30s", Text: "How long the cluster may take for one operation. What is made of a few, such as a snapshot, has four times that.",
		}, timeout, func(c *Ceph) *time.Duration { return &c.Timeout }),
	}
}

func monitorFields() []field[Monitor] {
	return []field[Monitor]{
		value("listen", Key{
			Type: "port, or HOST:PORT", Default: `""`, Example: "127.0.0.1:9750",
			Text: "Where varve scheduler gives the metrics of varve metrics, as http://HOST:PORT/metrics. They name volumes, to all who can connect; a port alone is on this host only. Empty: nowhere.",
		}, listenAddress, func(m *Monitor) *string { return &m.Listen }),
		value("textfile", Key{
			Type: "file", Default: `""`, Example: "/var/lib/prometheus/node-exporter/varve.prom",
			Text: "Where metrics are written, for the textfile collector of Prometheus' node exporter. Empty: nowhere.",
		}, optionalPath, func(m *Monitor) *string { return &m.Textfile }),
	}
}

func anomalyFields() []field[Anomaly] {
	return []field[Anomaly]{
		value("stored", Key{
			Type: "times, or never", Default: "10x", Example: "10x",
			Text: "So many times as much stored as the median of the last deltas of the volume is too much.",
		}, times, func(a *Anomaly) *float64 { return &a.Stored }),
		value("at_least", Key{
			Type: "size", Default: "1GiB", Example: "1GiB", Text: "A revision that stores less than that is not looked at.",
		}, human.ParseSize, func(a *Anomaly) *int64 { return &a.AtLeast }),
		value("ratio", Key{
			Type: "number, or never", Default: "0.95", Example: "0.95",
			Text: "What changed hardly compresses any more where this share of it is stored, and usually much less: it may have been encrypted.",
		}, share, func(a *Anomaly) *float64 { return &a.Ratio }),
		value("history", Key{
			Type: "number", Default: "7", Example: "7", Text: "How many of the last deltas say what is usual.",
		}, wholeNumber(3, 1000), func(a *Anomaly) *int { return &a.History }),
		value("pin", Key{
			Type: "duration", Default: "30d", Example: "30d",
			Text: "How long the last normal revision before one that is not is kept, whatever the rules say. 0s: no longer than they say.",
		}, human.ParseDuration, func(a *Anomaly) *time.Duration { return &a.Pin }),
	}
}

func maintenanceFields() []field[Maintenance] {
	return []field[Maintenance]{
		value("prune", Key{
			Type: "after-backup, or schedule", Default: "never", Example: "after-backup",
			Text: "When what the rules under keep do not keep is taken away: \"after-backup\", of a volume once it was backed up; by a schedule, of all.",
		}, pruning, func(m *Maintenance) *Pruning { return &m.Prune }),
		value("gc", Key{
			Type: "schedule", Default: "never", Example: "daily at 07:00", Text: "When the room of what no revision needs is made free.",
		}, schedule.Parse, func(m *Maintenance) *schedule.Schedule { return &m.GC }),
		block("scrub", "When what is stored is read back, as varve scrub does.", scrubFields(), func(m *Maintenance) *Scrub { return &m.Scrub }),
		block("drill", "When revisions are proven by use, as varve drill does.", drillFields(), func(m *Maintenance) *Drill { return &m.Drill }),
	}
}

func scrubFields() []field[Scrub] {
	return []field[Scrub]{
		value("schedule", Key{
			Type: "schedule", Default: "never", Example: "daily", Text: "When a scrub begins.",
		}, schedule.Parse, func(s *Scrub) *schedule.Schedule { return &s.Schedule }),
		value("older_than", Key{
			Type: "duration", Default: "30d", Example: "30d", Text: "What was proven since then is passed over; 0s: nothing is.",
		}, human.ParseDuration, func(s *Scrub) *time.Duration { return &s.OlderThan }),
		value("max_duration", Key{
			Type: "duration", Default: "2h", Example: "2h", Text: "After how long nothing more of a scrub is begun, so that it goes on the next time; 0s: it takes as long as it takes.",
		}, human.ParseDuration, func(s *Scrub) *time.Duration { return &s.MaxDuration }),
	}
}

func drillFields() []field[Drill] {
	return []field[Drill]{
		value("schedule", Key{
			Type: "schedule", Default: "never", Example: "daily", Text: "When a drill begins.",
		}, schedule.Parse, func(d *Drill) *schedule.Schedule { return &d.Schedule }),
		value("volumes", Key{
			Type: "number", Default: "5", Example: "5", Text: "How many volumes have their turn in a drill: those that had it longest ago.",
		}, wholeNumber(1, 10000), func(d *Drill) *int { return &d.Volumes }),
		value("exec", Key{
			Type: "command", Default: `""`, Example: `""`, Text: "What is run on the files of each, and has to end with 0.",
		}, anyText, func(d *Drill) *string { return &d.Exec }),
	}
}

func volumeFields() []field[Volume] {
	return []field[Volume]{
		only(inVolumes, value("source", Key{
			Type: "SOURCE", Example: "/dev/vg/db1",
			Text: "What is backed up: the absolute path of a raw file or a block device, or rbd:POOL/IMAGE. A pattern has one *.",
		}, source, func(v *Volume) *string { return &v.Source })),
		only(inVolumes, value("group", Key{
			Type: "name", Example: "gold", Text: "The group that the volume is of.",
		}, groupName, func(v *Volume) *string { return &v.Group })),
		only(inVolumes, list("exclude", Key{
			Type: "list of patterns", Example: `["scratch-*"]`,
			Text: "What is not backed up, by what * stands for. Of a pattern only.",
		}, glob, excludes)),
		value("schedule", Key{
			Type: "schedule", Default: "never", Example: "daily",
			Text: "When the volume is due. \"daily\": once in the window, at a time that its name decides, so that not all begin at once. " +
				"\"sunday\" or \"mon-fri\": the same on those days. \"daily at 02:00\", \"mon-fri at 02:00\", \"every 6h\" and lines of crontab(5) such as \"0 3 * * sun\": then, not spread. \"never\": only by hand. " +
				"A time that a change of clocks skips is made up for right after it; one that comes twice counts once.",
		}, schedule.Parse, func(v *Volume) *schedule.Schedule { return &v.Plan.Schedule }),
		value("window", Key{
			Type: "window", Default: "any", Example: `"22:00-06:00"`,
			Text: "When scheduled backups may begin, or \"any\". Due times outside of it do not count.",
		}, schedule.ParseWindow, func(v *Volume) *schedule.Window { return &v.Plan.Window }),
		value("overdue", Key{
			Type: "number", Default: "1.5", Example: "1.5",
			Text: "After how many times the gap between two due times a volume without a new revision is overdue.",
		}, decimal(1, 1000), func(v *Volume) *float64 { return &v.Overdue }),
		value("compare_all", Key{
			Type: "number", Default: "14", Example: "14",
			Text: "Within how many backups every chunk is compared with the source, also those that a change tracker calls unchanged.",
		}, wholeNumber(1, 10000), func(v *Volume) *int { return &v.CompareAll }),
		value("stall_timeout", Key{
			Type: "duration", Default: "10m", Example: "10m",
			Text: "How long a source may give nothing before the backup fails.",
		}, timeout, func(v *Volume) *time.Duration { return &v.StallTimeout }),
		list("tags", Key{
			Type: "list of tags", Default: "[]", Example: "[nightly]", Text: "Tags of each new revision.",
		}, tag, func(v *Volume) *[]string { return &v.Tags }),
		value("priority", Key{
			Type: "number", Default: "0", Example: "1",
			Text: "Of volumes that are due, those of larger numbers go first.",
		}, wholeNumber(-1000, 1000), func(v *Volume) *int { return &v.Priority }),
		block("keep", "Which revisions stay when the volume is pruned: those that any of these keeps, the newest, and those that are pinned. "+
			"Without any of them, nothing is pruned.",
			keepFields(), func(v *Volume) *retention.Rules { return &v.Keep }),
		value("undelete", Key{
			Type: "duration", Default: "7d", Example: "7d",
			Text: "How long a revision that was taken away can come back. Its room is free after that.",
		}, human.ParseDuration, func(v *Volume) *time.Duration { return &v.Undelete }),
		value("full_every", Key{
			Type: "number, or never", Default: "never", Example: "never",
			Text: "After how many deltas a full revision is made, of what is stored: the source is not read for it.",
		}, fullEvery, func(v *Volume) *int { return &v.FullEvery }),
		value("max_chain", Key{
			Type: "number", Default: "30", Example: "30",
			Text: "How many revisions there are from a full one to the last that builds on it. Longer chains are shortened, without reading the source.",
		}, wholeNumber(1, 10000), func(v *Volume) *int { return &v.MaxChain }),
		block("hooks", "Commands for /bin/sh around a backup. Those that are empty are not run.",
			hookFields(), func(v *Volume) *Hooks { return &v.Hooks }),
	}
}

func keepFields() []field[retention.Rules] {
	count := func(name, example, text string, at func(*retention.Rules) *int) field[retention.Rules] {
		return value(name, Key{Type: "number", Default: "0", Example: example, Text: text}, retention.ParseCount, at)
	}
	return []field[retention.Rules]{
		count("last", "3", "So many of the newest.", func(r *retention.Rules) *int { return &r.Last }),
		count("hourly", "24", "The newest of each of so many hours, the newest ones that hold a revision. An hour that a change of clocks shows twice is two.",
			func(r *retention.Rules) *int { return &r.Hourly }),
		count("daily", "7", "The newest of each of so many days that hold a revision.", func(r *retention.Rules) *int { return &r.Daily }),
		count("weekly", "4", "The newest of each of so many weeks that hold a revision. They begin on Monday.",
			func(r *retention.Rules) *int { return &r.Weekly }),
		count("monthly", "12", "The newest of each of so many months that hold a revision.", func(r *retention.Rules) *int { return &r.Monthly }),
		count("yearly", "3", "The newest of each of so many years that hold a revision.", func(r *retention.Rules) *int { return &r.Yearly }),
		value("within", Key{
			Type: "duration", Default: "0s", Example: "48h", Text: "All that were begun so long ago, or later.",
		}, retention.ParseWithin, func(r *retention.Rules) *time.Duration { return &r.Within }),
		list("tags", Key{
			Type: "list of tags", Default: "[]", Example: "[release]", Text: "All that have one of these tags.",
		}, retention.ParseTag, func(r *retention.Rules) *[]string { return &r.Tags }),
	}
}

func hookFields() []field[Hooks] {
	command := func(name, text string, at func(*Hooks) *string) field[Hooks] {
		return value(name, Key{Type: "command", Default: `""`, Example: `""`, Text: text}, anyText, at)
	}
	return []field[Hooks]{
		command("before", "Is run before anything is read. If it fails, so does the backup.", func(h *Hooks) *string { return &h.Before }),
		command("after", "Is run at the end, however the backup ended.", func(h *Hooks) *string { return &h.After }),
		command("freeze", "Makes the source hold still; needs thaw.", func(h *Hooks) *string { return &h.Freeze }),
		command("thaw", "Ends what freeze began. Is run whatever happens, perhaps when nothing is frozen.", func(h *Hooks) *string { return &h.Thaw }),
		value("freeze_timeout", Key{
			Type: "duration", Default: "10s", Example: "10s", Text: "How long freeze may take, and each try to thaw.",
		}, timeout, func(h *Hooks) *time.Duration { return &h.FreezeTimeout }),
		value("timeout", Key{
			Type: "duration", Default: "5m", Example: "5m", Text: "How long before and after may take.",
		}, timeout, func(h *Hooks) *time.Duration { return &h.Timeout }),
	}
}

// only says in which layers a field may stand.
func only[T any](in layer, f field[T]) field[T] {
	f.in = in
	return f
}
