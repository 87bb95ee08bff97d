package main

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"varve/repository"
	"varve/revision"
	"varve/status"
)

func metricsCommand(s *session) *command {
	var textfile string
	return &command{
		name: "metrics", group: sources, asks: true,
		summary: "print the state of all volumes for Prometheus",
		about: `Prints metrics in the text format of Prometheus. With --textfile they go to a
file for node_exporter's textfile collector, which is replaced in one step;
the configuration's "monitor: textfile" names one, too. A scheduler gives them over
HTTP, where "monitor: listen" says.

varve_backups_total counts the backups of the whole journal. What was counted of
it is kept in this host's state, so that only what is new is read; a user who can
keep nothing there waits for all of it.

All times are timestamps, never ages, so that an alarm on them also rings when
this command does not run any more.`,
		example: `varve metrics
varve metrics --textfile /var/lib/prometheus/node-exporter/varve.prom`,
		flags: []cli.Flag{
			&cli.StringFlag{Name: "textfile", Destination: &textfile, Usage: "write to `PATH`, in one step"},
		},
		run: func(ctx context.Context, _ []string) (result, error) { return runMetrics(ctx, s, textfile) },
	}
}

// metrics is the result of metrics.
type metrics struct {
	Metrics  []metric `json:"metrics"`
	Textfile string   `json:"textfile"` // empty: they are printed
}

// metric is one number with its labels. Its fields are API.
type metric struct {
	Name   string            `json:"name"`
	Labels map[string]string `json:"labels"`
	Value  float64           `json:"value"`
	label  string            // as in the text format
}

func runMetrics(ctx context.Context, s *session, textfile string) (result, error) {
	s.useWhatIsInForce(ctx)
	if textfile == "" {
		configured, err := s.textfile()
		if err != nil {
			return nil, err
		}
		textfile = configured
	}
	repo, err := s.openRepository(toList)
	if err != nil {
		return nil, err
	}
	defer s.close("close the repository", repo)
	m, err := s.measure(ctx, repo)
	if err != nil || textfile == "" {
		return m, err
	}
	m.Textfile, s.asks = textfile, false // what was asked for is in the file
	if err := replaceFile(textfile, m.text(), true); err != nil {
		return nil, fmt.Errorf("write %q: %w", textfile, err)
	}
	return m, nil
}

// measure collects all metrics there are.
func (s *session) measure(ctx context.Context, repo *repository.Repository) (*metrics, error) {
	report, in, err := s.judge(ctx, repo)
	if err != nil {
		return nil, err
	}
	m := new(metrics)
	m.collect(report, in)
	m.beat(s.scheduler.beat)
	if backups, err := repo.TallyBackups(stateDir()); err == nil {
		m.count(backups)
	} else {
		s.warn("how many backups there were cannot be told: %v", err)
	}
	if hurt, err := repo.KnownDamage(); err == nil {
		hurt = slices.DeleteFunc(hurt, func(k repository.KnownDamage) bool { return k.Spared })
		m.add("varve_repository_damaged_objects", "", "", float64(len(hurt)))
	} else {
		s.warn("how many objects are hurt cannot be told: %v", err)
	}
	if trash, err := repo.Trash(); err == nil {
		m.add("varve_repository_trash_bytes", "", "", float64(storedBy(trash)))
	} else {
		s.warn("how much is in the trash cannot be told: %v", err)
	}
	return m, nil
}

// storedBy is what revisions in the trash added to the repository, as far as they can be read.
func storedBy(trash []repository.Trashed) (stored int64) {
	for _, t := range trash {
		if t.Statement != nil {
			stored += int64(t.Statement.Statistics.Stored)
		}
	}
	return stored
}

// collect measures.
func (m *metrics) collect(r *status.Report, in status.Input) {
	for i := range r.Volumes {
		m.ofVolume(&r.Volumes[i])
		m.troubles(r.Volumes[i].Cases)
	}
	for _, set := range r.Sets {
		m.ofSet(set)
	}
	m.troubles(slices.DeleteFunc(slices.Clone(r.Cases), func(c status.Case) bool { return c.Volume != "" }))
	for _, name := range slices.Sorted(maps.Keys(in.Proofs)) {
		m.add("varve_volume_oldest_unproven_timestamp_seconds", "volume", name.String(), float64(in.Proofs[name].Oldest.Unix()))
	}
	if in.Total > 0 {
		m.add("varve_repository_size_bytes", "", "", float64(in.Total))
		m.add("varve_repository_free_bytes", "", "", float64(in.Available))
	}
	m.add("varve_build_info", "version", version, 1)
}

// troubles counts cases, by volume and kind.
func (m *metrics) troubles(cases []status.Case) {
	at := map[string]int{} // in m.Metrics
	for _, c := range cases {
		grade := "warning"
		if c.Kind.Grade() == status.Critical {
			grade = "critical"
		}
		pairs := []string{"volume", c.Volume.String(), "kind", string(c.Kind), "grade", grade}
		if c.Set != "" {
			pairs = append(pairs, "set", c.Set)
		}
		label := labels(pairs...)
		if i, found := at[label]; found {
			m.Metrics[i].Value++
			continue
		}
		at[label] = len(m.Metrics)
		one := metric{Name: "varve_trouble", Labels: map[string]string{}, Value: 1, label: label}
		for k := 0; k+1 < len(pairs); k += 2 {
			one.Labels[pairs[k]] = pairs[k+1]
		}
		m.Metrics = append(m.Metrics, one)
	}
}

// beat adds when the scheduler last showed that it lives.
func (m *metrics) beat(at time.Time) {
	if !at.IsZero() {
		m.add("varve_scheduler_heartbeat_timestamp_seconds", "", "", float64(at.Unix()))
	}
}

// count adds how many backups there ever were, by how they ended.
func (m *metrics) count(backups map[string]int64) {
	for _, name := range []string{repository.ResultOK, repository.ResultFindings, repository.ResultFailed} {
		m.add("varve_backups_total", "result", name, float64(backups[name]))
	}
}

func (m *metrics) ofVolume(v *status.Volume) {
	name := v.Name.String()
	if good := v.LastGood(); !good.IsZero() {
		m.add("varve_volume_last_success_timestamp_seconds", "volume", name, float64(good.Unix()))
	}
	if v.Promise > 0 {
		m.add("varve_volume_promise_seconds", "volume", name, v.Promise.Seconds())
	}
	overdue, unreadable := 0.0, false
	for _, c := range v.Cases {
		switch c.Kind {
		case status.Unreadable:
			overdue, unreadable = 1, true
		case status.Overdue, status.Failing:
			overdue = 1
		}
	}
	m.add("varve_volume_overdue", "volume", name, overdue)
	if unreadable {
		return
	}
	if v.Summary == nil {
		m.add("varve_volume_revisions", "volume", name, 0)
		return
	}
	m.add("varve_volume_revisions", "volume", name, float64(v.Summary.Revisions))
	if last := v.Summary.Drill; last != nil && last.Outcome != repository.DrillNotApplicable {
		m.add("varve_volume_last_drill_timestamp_seconds", "volume", name, float64(last.Time.Unix()))
		m.add("varve_volume_last_drill_success", "volume", name, oneIf(last.Outcome == repository.DrillPassed))
		m.add("varve_volume_last_drill_restore_seconds", "volume", name, last.Restore)
	}
	newest := v.Summary.Newest
	if newest == nil {
		return
	}
	for _, state := range []repository.State{repository.Good, repository.Proven, repository.Suspect, repository.Damaged} {
		m.Metrics = append(m.Metrics, metric{
			Name: "varve_volume_state", Labels: map[string]string{"volume": name, "state": string(state)}, Value: oneIf(newest.Info.State == state),
			label: labels("volume", name, "state", string(state)),
		})
	}
	if st := newest.Statement; st != nil {
		m.add("varve_volume_last_duration_seconds", "volume", name, st.Statistics.Duration().Seconds())
		m.add("varve_volume_last_stored_bytes", "volume", name, float64(st.Statistics.Stored))
		m.add("varve_volume_size_bytes", "volume", name, float64(st.Size))
		m.add("varve_volume_live", "volume", name, oneIf(st.Consistency == revision.Live))
	}
}

func (m *metrics) ofSet(set status.Set) {
	if !set.LastGood.IsZero() {
		m.add("varve_set_last_success_timestamp_seconds", "set", set.Name, float64(set.LastGood.Unix()))
	}
	if set.Promise > 0 {
		m.add("varve_set_promise_seconds", "set", set.Name, set.Promise.Seconds())
	}
}

func oneIf(yes bool) float64 {
	if yes {
		return 1
	}
	return 0
}

func (m *metrics) add(name, key, value string, number float64) {
	one := metric{Name: name, Labels: map[string]string{}, Value: number}
	if key != "" {
		one.Labels[key], one.label = value, labels(key, value)
	}
	m.Metrics = append(m.Metrics, one)
}

// labels writes {key="value",…}.
func labels(pairs ...string) string {
	var all []string
	escape := strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`)
	for i := 0; i+1 < len(pairs); i += 2 {
		all = append(all, pairs[i]+`="`+escape.Replace(pairs[i+1])+`"`)
	}
	return "{" + strings.Join(all, ",") + "}"
}

// metricHelp says what each metric is, in the order in which they are printed.
var metricHelp = [][2]string{
	{"varve_volume_last_success_timestamp_seconds", "When the newest good revision was begun."},
	{"varve_volume_promise_seconds", "How old the newest good revision may be."},
	{"varve_volume_overdue", "1 if it is older, if there is none and the last backup failed, or if that cannot be told."},
	{"varve_trouble", "How many troubles of a kind and grade varve status lists; there is none of what is well. Without a volume, it is a set's, the repository's or the configuration's."},
	{"varve_set_last_success_timestamp_seconds", "When the newest set was begun of which all revisions are there and good."},
	{"varve_set_promise_seconds", "How old that may be: what was promised of its volumes."},
	{"varve_volume_state", "1 for the state of the newest revision."},
	{"varve_volume_live", "1 if the source was in use while the newest revision was read."},
	{"varve_volume_last_duration_seconds", "How long the newest revision took."},
	{"varve_volume_last_stored_bytes", "Bytes that the newest revision added to the repository."},
	{"varve_volume_size_bytes", "The size of the volume in the newest revision."},
	{"varve_volume_revisions", "The number of revisions."},
	{"varve_volume_oldest_unproven_timestamp_seconds", "Since when a byte of the volume waits to be read again by a scrub; if none ever did, when its oldest revision was begun."},
	{"varve_volume_last_drill_timestamp_seconds", "When the last drill had ended that passed or failed."},
	{"varve_volume_last_drill_success", "1 if it passed."},
	{"varve_volume_last_drill_restore_seconds", "How long a restore would take to read all of the image, as it was measured then."},
	{"varve_backups_total", "Backups in the journal by how they ended."},
	{"varve_scheduler_heartbeat_timestamp_seconds", "When the scheduler of this host last showed that it lives; there is none where none ever ran."},
	{"varve_repository_size_bytes", "The size of the file system that the repository lies on."},
	{"varve_repository_free_bytes", "What of it is free."},
	{"varve_repository_trash_bytes", "What the revisions that are in the trash added to the repository when they were made; gc frees of it what nothing else needs."},
	{"varve_repository_damaged_objects", "Copies of stored objects that are known to be hurt, without those by which, as a scrub or a repair found out, nothing is lost."},
	{"varve_build_info", "The version of the program, as a label."},
}

// text is the text format of Prometheus: metrics of one name stand together.
func (m *metrics) text() string {
	var out strings.Builder
	for _, help := range metricHelp {
		headed := false
		for _, one := range m.Metrics {
			if one.Name != help[0] {
				continue
			}
			if !headed {
				fmt.Fprintf(&out, "# HELP %s %s\n# TYPE %s %s\n", help[0], help[1], help[0], typeOf(help[0]))
				headed = true
			}
			fmt.Fprintf(&out, "%s%s %s\n", one.Name, one.label, strconv.FormatFloat(one.Value, 'f', -1, 64))
		}
	}
	return out.String()
}

// typeOf is what Prometheus is told of a metric: what only grows has such a name.
func typeOf(name string) string {
	if strings.HasSuffix(name, "_total") {
		return "counter"
	}
	return "gauge"
}

func (m *metrics) print(p *page) {
	if m.Textfile != "" {
		p.line("%s written to %s", formatCount(len(m.Metrics), "metric"), m.Textfile)
		return
	}
	p.line("%s", markup(strings.TrimRight(m.text(), "\n")))
}
