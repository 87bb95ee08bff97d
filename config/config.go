package config

import (
	"strings"
	"time"

	"varve/retention"
	"varve/revision"
	"varve/schedule"
)

// A Config is what a file says, with defaults for what it does not say.
type Config struct {
	Path       string         // of the file
	Changed    time.Time      // when the file was changed last; zero: it is none
	Text       []byte         // of the file, as it was read
	Repository string         // absolute; empty: not said
	Zone       *time.Location // never nil
	Limits     Limits
	Ceph       Ceph
	Monitor    Monitor
	Anomaly    Anomaly
	Notify     Notify

	Maintenance Maintenance

	base    Volume  // what defaults say, over those of each key
	entries []entry // of the volumes, in the order of the file
	byName  map[revision.Name]int
	sets    []Set
}

// Limits is what all runs of this host together keep to.
type Limits struct {
	Jobs       int // volumes read at once; 0: any number
	Rate       Rate
	MinFree    MinFree
	IOPressure float64 // percent of /proc/pressure/io "some avg10" above which reading pauses; 0: none
}

// Ceph is how a cluster is reached. What is empty is as the environment says.
type Ceph struct {
	Conf, User, Keyring string
	Timeout             time.Duration // of one operation
}

// MinFree is how much of the repository's file system is to stay free: bytes or
// percent, the other one is 0.
type MinFree struct {
	Bytes   int64
	Percent float64
}

// A Rate is how many bytes a second may be read from sources. The zero value is any.
type Rate struct {
	parts []ratePart // the first whose window is open counts
	zone  *time.Location
}

type ratePart struct {
	window schedule.Window
	bytes  int64
}

// IsZero tells whether any rate is right, at any time.
func (r Rate) IsZero() bool { return len(r.parts) == 0 }

// At is the rate at a moment, in bytes a second; 0: any.
func (r Rate) At(now time.Time) int64 {
	for _, part := range r.parts {
		if part.window.Contains(now.In(r.zone)) {
			return part.bytes
		}
	}
	return 0
}

// Monitor is how others learn how it goes.
type Monitor struct {
	Listen   string // where the scheduler gives metrics over HTTP, as host:port; empty: nowhere
	Textfile string // where metrics are written; absolute; empty: nowhere
}

// Anomaly is when a new revision is told as unlike those before it.
type Anomaly struct {
	Stored  float64       // from so many times on what deltas of the volume usually store; 0: never for that
	AtLeast int64         // bytes that it has to store
	Ratio   float64       // from that share on of what changed that is stored, where it usually is less; 0: never for that
	History int           // how many deltas say what is usual
	Pin     time.Duration // how long the last normal revision is pinned; 0: it is not
}

// DefaultAnomaly is that of an empty file, and of none.
func DefaultAnomaly() (a Anomaly) {
	setDefaults(&a, anomalyFields())
	return a
}

// Maintenance is what the scheduler does besides backups.
type Maintenance struct {
	Prune Pruning
	GC    schedule.Schedule // when what nothing needs goes; IsZero: never
	Scrub Scrub
	Drill Drill
}

// Scrub says when what is stored is read back.
type Scrub struct {
	Schedule    schedule.Schedule
	OlderThan   time.Duration // what was proven since is passed over; 0: nothing is
	MaxDuration time.Duration // 0: as long as it takes
}

// Drill says when revisions are proven by use.
type Drill struct {
	Schedule schedule.Schedule
	Volumes  int    // at a time, those whose turn was longest ago
	Exec     string // a command that proves more; empty: none
}

// Pruning says when volumes are pruned by their rules. The zero value is never.
type Pruning struct {
	AfterBackup bool              // a volume, whenever it was backed up
	Schedule    schedule.Schedule // all volumes, then
}

// A Volume is what is wanted of one volume.
type Volume struct {
	Name         revision.Name
	Source       string // as volume.ParseLocation reads it; a path is absolute
	Group        string // empty: none
	Line         int    // of the file, where it or its pattern is
	Pattern      string // of which it comes, such as vms/*; empty: it has an entry of its own
	Plan         schedule.Plan
	Overdue      float64       // times the gap between two due times
	CompareAll   int           // backups within which every chunk is compared
	StallTimeout time.Duration // after which a source that gives nothing is given up
	Tags         []string
	Priority     int // larger ones go first
	Hooks        Hooks
	Keep         retention.Rules // which revisions stay; IsZero: nothing is to be pruned
	Undelete     time.Duration   // how long what was taken away can come back
	FullEvery    int             // a full revision after so many deltas; 0: never
	MaxChain     int             // revisions from a full one on; longer chains are shortened
	exclude      []revision.Glob
}

// Hooks are commands for /bin/sh around a backup. Those that are empty are not run.
type Hooks struct {
	Before, After          string
	Freeze, Thaw           string
	Timeout, FreezeTimeout time.Duration // of before and after; of freeze and each try to thaw
}

// entry is a volume, or a pattern of volumes, as the file has it. For a pattern,
// name and source are cut at their stars.
type entry struct {
	volume         Volume
	isPattern      bool
	prefix, suffix string // of the name
	source         [2]string
	column         int
}

// fits gives what * stands for if a name is of the pattern.
func (e *entry) fits(name string) (part string, fits bool) {
	part, hasPrefix := strings.CutPrefix(name, e.prefix)
	part, hasSuffix := strings.CutSuffix(part, e.suffix)
	return part, hasPrefix && hasSuffix && part != "" && !strings.Contains(part, "/") && !e.excludes(part)
}

func (e *entry) excludes(part string) bool {
	for _, glob := range e.volume.exclude {
		if glob.Match(revision.Name(part)) {
			return true
		}
	}
	return false
}

// of is the volume for which * stands for part.
func (e *entry) of(part string) (Volume, error) {
	name, err := revision.ParseName(e.prefix + part + e.suffix)
	if err != nil {
		return Volume{}, err
	}
	v := e.volume
	v.Name, v.Plan.Name = name, name.String()
	v.Source = e.source[0] + part + e.source[1]
	return v, nil
}
