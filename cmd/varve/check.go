package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"varve/repository"
	"varve/revision"
	"varve/status"
)

// checkName is the command that monitoring calls. Whatever happens to it ends with
// one of the four codes below, and with a line on standard output.
const checkName = "check"

// What monitoring plugins answer (Monitoring Plugins Development Guidelines).
const (
	pluginOK = iota
	pluginWarning
	pluginCritical
	pluginUnknown
)

var pluginWords = []string{"OK", "WARNING", "CRITICAL", "UNKNOWN"}

func checkCommand(s *session) *command {
	var f checkFlags
	return &command{
		name: checkName, group: areWe, asks: true,
		summary: "answer a monitoring system",
		about: `Answers as Nagios, Icinga and their like ask: one line with the verdict and,
behind a bar, performance data; then a line for each trouble. Damage, a broken
promise and a first backup that fails are critical; see varve help status.

-w and -c say besides how old the newest good revision of a volume may be; one
that has none is too old. Without them, a volume that was never tried is no
trouble as long as its promise could still hold: it is from when the file of the
configuration was changed last.

It needs no more than to read the repository: any user of its group can.`,
		example: `varve check                                 # all volumes
varve check --volume db1 -w 26h -c 50h      # one, whatever its schedule
varve check --volume 'vms/*'`,
		answers: []exitNote{
			{"0", "OK"}, {"1", "WARNING"}, {"2", "CRITICAL"}, {"3", "UNKNOWN: it cannot be told, or wrong usage"},
		},
		flags: []cli.Flag{
			&cli.GenericFlag{Name: "warning", Aliases: []string{"w"}, Value: &f.warning, DefaultText: "none",
				Usage: "warn of a newest good revision that is older than `DURATION`"},
			&cli.GenericFlag{Name: "critical", Aliases: []string{"c"}, Value: &f.critical, DefaultText: "none",
				Usage: "the same is critical from `DURATION` on"},
			&cli.StringFlag{Name: "volume", Destination: &f.volume, Usage: "only `VOLUME`, which may be a pattern such as 'vms/*'"},
		},
		run: func(ctx context.Context, _ []string) (result, error) { return runCheck(ctx, s, f) },
	}
}

type checkFlags struct {
	warning  duration
	critical duration
	volume   string
}

// checked is the result of check.
type checked struct {
	State    string       `json:"state"` // OK, WARNING, CRITICAL or UNKNOWN
	Summary  string       `json:"summary"`
	Trouble  []judgedCase `json:"trouble"`
	Warnings []judgedCase `json:"warnings"`
	Metrics  []perfdata   `json:"performance"`
	state    int
}

// perfdata is a number for a graph. Its fields are API.
type perfdata struct {
	Label    string   `json:"label"`
	Value    float64  `json:"value"`
	Unit     string   `json:"unit"`
	Warning  *float64 `json:"warning"`
	Critical *float64 `json:"critical"`
}

// exitStatus implements [verdictResult].
func (c *checked) exitStatus() int { return c.state }

func runCheck(ctx context.Context, s *session, f checkFlags) (result, error) {
	if f.warning > 0 && f.critical > 0 && f.warning > f.critical {
		return nil, &usageError{Text: "--warning is longer than --critical", Command: s.command}
	}
	var glob revision.Glob
	if f.volume != "" {
		var err error
		if glob, err = revision.ParseGlob(f.volume); err != nil {
			return nil, &usageError{Text: err.Error(), Command: s.command}
		}
	}
	s.useWhatIsInForce(ctx)
	repo, err := s.openRepository(toList)
	if err != nil {
		return nil, err
	}
	defer s.close("close the repository", repo)
	report, in, err := s.judge(ctx, repo)
	if err != nil {
		return nil, err
	}
	if f.volume != "" {
		report = report.Only(glob.Match)
		report.Retired = retiredAmong(in.Volumes, glob.Match)
		if len(report.Volumes)+report.Retired == 0 {
			return nil, &usageError{Text: fmt.Sprintf("no volume %q", f.volume), Command: s.command}
		}
	}
	return answerCheck(f, report, in), nil
}

// retiredAmong counts the volumes that are wanted and retired.
func retiredAmong(all []repository.Summary, wanted func(revision.Name) bool) (n int) {
	for i := range all {
		if all[i].Retired && wanted(all[i].Volume.Name) {
			n++
		}
	}
	return n
}

// answerCheck answers of the volumes of a report.
func answerCheck(f checkFlags, report *status.Report, in status.Input) *checked {
	c := &checked{Trouble: []judgedCase{}, Warnings: []judgedCase{}}
	for _, found := range report.Cases {
		c.add(found)
	}
	for i := range report.Volumes {
		f.tooOld(c, &report.Volumes[i], in.Now)
	}
	c.measure(f, report, in)
	c.conclude(report)
	return c
}

func (c *checked) add(found status.Case) {
	if found.Kind.Grade() == status.Critical {
		c.Trouble = append(c.Trouble, newJudgedCase(found))
	} else {
		c.Warnings = append(c.Warnings, newJudgedCase(found))
	}
	c.state = max(c.state, int(found.Kind.Grade()))
}

// tooOld holds a volume against the ages that were given. One without a revision is
// older than any.
func (f checkFlags) tooOld(c *checked, v *status.Volume, now time.Time) {
	age, limit := v.Age(now), time.Duration(0)
	isEmpty := v.Summary == nil || v.Summary.Newest == nil
	if isEmpty && v.Grade == status.Critical || v.Summary != nil && v.Summary.Retired {
		return // why, is said; or nothing is expected
	}
	switch {
	case f.critical > 0 && age > time.Duration(f.critical):
		limit = time.Duration(f.critical)
	case f.warning > 0 && age > time.Duration(f.warning):
		limit = time.Duration(f.warning)
	default:
		return
	}
	found := judgedCase{
		Kind: status.Overdue, Volume: known[revision.Name]{v.Name}, LastGood: timeOrNil(v.LastGood()), Promise: known[float64]{limit.Seconds()},
		Why: "older than " + formatLong(limit), Do: v.Again(),
	}
	switch {
	case isEmpty:
		found.Why = "it has no revision, and is to have one not older than " + formatLong(limit)
	case v.LastGood().IsZero():
		found.Why = "none of its revisions is to be trusted, and one is to be not older than " + formatLong(limit)
	}
	if limit == time.Duration(f.critical) {
		c.Trouble, c.state = append(c.Trouble, found), pluginCritical
	} else {
		c.Warnings, c.state = append(c.Warnings, found), max(c.state, pluginWarning)
	}
}

// measure collects performance data: of one volume its age, of several their numbers.
func (c *checked) measure(f checkFlags, report *status.Report, in status.Input) {
	if len(report.Volumes) == 1 && !report.Volumes[0].LastGood().IsZero() {
		v := &report.Volumes[0]
		critical := f.critical
		if critical == 0 {
			critical = duration(v.Promise)
		}
		c.Metrics = append(c.Metrics, perfdata{
			Label: "age", Value: in.Now.Sub(v.LastGood()).Seconds(), Unit: "s", Warning: threshold(f.warning), Critical: threshold(critical),
		})
	}
	c.Metrics = append(c.Metrics,
		perfdata{Label: "volumes", Value: float64(len(report.Volumes))},
		perfdata{Label: "critical", Value: float64(volumesOf(c.Trouble, nil))},
		perfdata{Label: "warning", Value: float64(volumesOf(c.Warnings, c.Trouble))},
	)
	if in.Total > 0 {
		c.Metrics = append(c.Metrics, perfdata{Label: "free", Value: float64(in.Available), Unit: "B"})
	}
}

// volumesOf counts the volumes that cases are of, without those of others.
func volumesOf(cases, others []judgedCase) int {
	volumes := map[revision.Name]bool{}
	for _, found := range cases {
		volumes[found.Volume.is] = true
	}
	for _, found := range others {
		delete(volumes, found.Volume.is)
	}
	delete(volumes, "") // it is about the repository
	return len(volumes)
}

func threshold(d duration) *float64 {
	if d == 0 {
		return nil
	}
	seconds := time.Duration(d).Seconds()
	return &seconds
}

// conclude puts the verdict into words.
func (c *checked) conclude(report *status.Report) {
	volumes := report.Volumes
	c.State = pluginWords[c.state]
	worst := slices.Concat(c.Trouble, c.Warnings)
	switch {
	case len(worst) == 0 && len(volumes) == 0 && report.Retired > 0:
		c.Summary = formatThey(report.Retired, "volume", "is retired", "are retired")
	case len(worst) == 0 && len(volumes) == 1 && volumes[0].LastGood().IsZero():
		c.Summary = volumes[0].Name.String() + " has no revision yet"
	case len(worst) == 0 && len(volumes) == 1:
		c.Summary = volumes[0].Name.String() + " is as safe as was promised"
	case len(worst) == 0:
		c.Summary = formatCount(len(volumes), "volume") + ", none in trouble"
	default:
		first := worst[0]
		c.Summary = fmt.Sprintf("%s, %s: %s%s", formatCount(len(c.Trouble), "trouble"), formatCount(len(c.Warnings), "warning"),
			strings.TrimSpace(first.Kind.Words()+" "+first.subject())+": "+first.Why, more(len(worst)-1))
	}
}

func more(n int) string {
	if n == 0 {
		return ""
	}
	return fmt.Sprintf(", and %d more", n)
}

func (c *checked) print(p *page) {
	var data []string
	for _, m := range c.Metrics {
		data = append(data, m.String())
	}
	p.line("VARVE %s - %s%s", c.State, unbarred(c.Summary), prefixed(" | ", strings.Join(data, " ")))
	for _, found := range slices.Concat(c.Trouble, c.Warnings) {
		do := found.Do
		if strings.Contains(do, "|") { // without it, it would name another volume
			do = ""
		}
		p.line("%s", unbarred(strings.TrimSpace(found.Kind.Words()+" "+found.subject())+": "+found.Why+prefixed("; ", do)))
	}
}

// unbarred keeps what came from elsewhere on one line, and from looking like performance data.
func unbarred(text string) string { return strings.NewReplacer("|", "/", "\n", " ").Replace(text) }

// String writes 'label'=value[unit];[warning];[critical].
func (m perfdata) String() string {
	text := fmt.Sprintf("%s=%.0f%s", m.Label, m.Value, m.Unit)
	if m.Warning == nil && m.Critical == nil {
		return text
	}
	limit := func(f *float64) string {
		if f == nil {
			return ""
		}
		return fmt.Sprintf("%.0f", *f)
	}
	return text + ";" + limit(m.Warning) + ";" + limit(m.Critical)
}

// cannotTell is what check answers when it cannot tell.
func cannotTell(err error, next string) *checked {
	text := strings.ReplaceAll(err.Error(), "\n", "; ")
	return &checked{
		State: pluginWords[pluginUnknown], Summary: text + prefixed("; ", next), state: pluginUnknown,
		Trouble: []judgedCase{}, Warnings: []judgedCase{}, Metrics: []perfdata{},
	}
}
