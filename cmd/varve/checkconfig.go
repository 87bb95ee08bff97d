package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"varve/config"
	"varve/revision"
)

func checkConfigCommand(s *session) *command {
	return &command{
		name: "check-config", group: sources, asks: true,
		summary: "say what the configuration means, or all that is wrong with it",
		about: `Reads the configuration, looks for the sources of its patterns, and lists the
volumes with their sources, schedules and next due times; or everything that is
wrong, with file and line. It reads no source and needs no repository.

The configuration is the first of these that exists: what --config or
VARVE_CONFIG names, varve/varve.yaml in $XDG_CONFIG_HOME (or ~/.config), and
/etc/varve/varve.yaml.`,
		example: `varve check-config
varve check-config --config ./varve.yaml    # before it is put in its place`,
		run: func(ctx context.Context, _ []string) (result, error) { return runCheckConfig(ctx, s) },
	}
}

// checkedConfig is the result of check-config. Its fields are API.
type checkedConfig struct {
	Path       string             `json:"path"`
	Repository string             `json:"repository"` // empty: it names none
	Zone       string             `json:"timezone"`
	Volumes    []configuredVolume `json:"volumes"`
	Sets       []configuredSet    `json:"sets"`
	Problems   []configProblem    `json:"problems"`
}

// configuredSet is a set as it is wanted. Its fields are API.
type configuredSet struct {
	Set        string          `json:"set"`
	Volumes    []revision.Name `json:"volumes"`
	Consistent bool            `json:"consistent"`
	Line       int             `json:"line"`
}

// configuredVolume is a volume as it is wanted. Its fields are API.
type configuredVolume struct {
	Volume   revision.Name `json:"volume"`
	Source   string        `json:"source"`
	Pattern  string        `json:"pattern"` // of which it comes; empty: it has an entry of its own
	Group    string        `json:"group"`
	Schedule string        `json:"schedule"`
	Window   string        `json:"window"`
	Next     *time.Time    `json:"due"`
	Line     int           `json:"line"`
}

// configProblem is something that is wrong. Its fields are API.
type configProblem struct {
	Path   string     `json:"path"`
	Line   known[int] `json:"line"` // null: it is of the file as a whole
	Column known[int] `json:"column"`
	Key    string     `json:"key"`
	Text   string     `json:"text"`
	Hint   string     `json:"hint"` // empty: nothing comes to mind
	whole  string     // with the path
}

func runCheckConfig(ctx context.Context, s *session) (result, error) {
	c, err := s.configuration()
	var wrong *config.Error
	switch {
	case errors.As(err, &wrong):
		return badConfig(wrong)
	case err != nil:
		return nil, err
	case c == nil:
		return nil, &usageError{
			Text: "there is no configuration at " + strings.Join(configPlaces(), " or "), Command: s.command,
		}
	}
	checked := &checkedConfig{
		Path: c.Path, Repository: c.Repository, Zone: c.Zone.String(), Volumes: []configuredVolume{}, Sets: []configuredSet{}, Problems: []configProblem{},
	}
	for _, set := range c.Sets() {
		checked.Sets = append(checked.Sets, configuredSet{Set: set.Name, Volumes: set.Volumes, Consistent: set.Consistent, Line: set.Line})
	}
	volumes, errs := c.Volumes(s.lister(ctx))
	for _, v := range volumes {
		checked.Volumes = append(checked.Volumes, s.newConfiguredVolume(v))
		if err := s.checkSource(ctx, v.Source, c.Repository); err != nil {
			s.warn("volume %s: its source cannot be read now: %v", v.Name, err)
		}
	}
	if len(errs) == 0 {
		return checked, nil
	}
	wrong = &config.Error{Path: c.Path}
	for _, err := range errs {
		if problem := new(config.Problem); errors.As(err, &problem) {
			wrong.Problems = append(wrong.Problems, *problem)
		}
	}
	bad, err := badConfig(wrong)
	checked.Problems = bad.Problems
	return checked, err
}

// badConfig lists what is wrong with a configuration.
func badConfig(wrong *config.Error) (*checkedConfig, error) {
	bad := &checkedConfig{Path: wrong.Path, Volumes: []configuredVolume{}, Sets: []configuredSet{}}
	for i := range wrong.Problems {
		bad.Problems = append(bad.Problems, newConfigProblem(&wrong.Problems[i]))
	}
	return bad, &configurationError{Path: wrong.Path, Listed: true, Err: wrong}
}

// newConfigProblem tells of a problem where it is, as far as that is known.
func newConfigProblem(err error) configProblem {
	p := new(config.Problem)
	if !errors.As(err, &p) {
		return configProblem{Text: err.Error(), whole: err.Error()}
	}
	return configProblem{
		Path: p.Path, Line: known[int]{p.Line}, Column: known[int]{p.Column}, Key: p.Key, Text: p.Text, Hint: hint(p, about{}), whole: p.Error(),
	}
}

// entry is the name of the entry that it is about.
func (p *configProblem) entry() string { return strings.TrimPrefix(p.Key, "volumes.") }

// place is where in the file it is.
func (p *configProblem) place() string { return fmt.Sprintf("%s:%d", p.Path, p.Line.is) }

func (s *session) newConfiguredVolume(v config.Volume) configuredVolume {
	w := configuredVolume{
		Volume: v.Name, Source: v.Source, Pattern: v.Pattern, Group: v.Group,
		Schedule: v.Plan.Schedule.String(), Window: v.Plan.Window.String(), Line: v.Line,
	}
	if next := v.Plan.Next(s.begun); !next.IsZero() {
		next = next.UTC()
		w.Next = &next
	}
	return w
}

func (c *checkedConfig) print(p *page) {
	if len(c.Problems) > 0 {
		p.line("%s: %s", p.red(c.Path+" is WRONG"), formatCount(len(c.Problems), "problem"))
		for _, problem := range c.Problems {
			p.line("%s", problem.whole)
		}
		return
	}
	p.line("%s: %s", p.bold(c.Path+" is right"), formatCount(len(c.Volumes), "volume"))
	zone := c.Zone
	if zone == time.Local.String() {
		zone = "this host's, " + p.now.In(time.Local).Format("MST (-07:00)")
	}
	p.facts("repository", c.Repository, "time zone", zone)
	for _, set := range c.Sets {
		var names []string
		for _, name := range set.Volumes {
			names = append(names, name.String())
		}
		p.facts("set", set.Set+"   "+strings.Join(names, ", "))
	}
	if len(c.Volumes) == 0 {
		return
	}
	rows := [][]cell{{left("VOLUME"), left("SOURCE"), left("SCHEDULE"), left("WINDOW"), left("NEXT DUE")}}
	for _, v := range c.Volumes {
		next := "-"
		if v.Next != nil {
			next = formatTime(*v.Next, p.now)
		}
		rows = append(rows, []cell{left(v.Volume.String()), left(v.Source), left(v.Schedule), left(v.Window), left(next)})
	}
	p.table(rows)
}
