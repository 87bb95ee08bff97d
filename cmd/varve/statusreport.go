package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"time"

	"varve/repository"
	"varve/revision"
	"varve/scheduler"
	"varve/status"
)

// reported is what status says: read from the repository, or as the scheduler says, which has
// most of it in mind. It is told to the same program alone.
type reported struct {
	Program  build    `json:"program"`
	Warnings []string `json:"warnings"`
	All      *judged  `json:"all"` // of all volumes; nil: of one
	One      *one     `json:"one"`
}

// readReport reads from the repository how safe all volumes are, or the one that has a name.
func (s *session) readReport(ctx context.Context, repo *repository.Repository, volumeName string) (*reported, error) {
	report, in, err := s.judge(ctx, repo)
	if err != nil {
		return nil, err
	}
	if volumeName == "" {
		return &reported{All: newJudged(s, report, in)}, nil
	}
	one, err := statusOf(s, repo, report, in, volumeName)
	return &reported{One: one}, err
}

// askReport asks the scheduler of a repository. Nil: none runs, it goes by something else than
// we do, or it would rather have us look.
func (s *session) askReport(ctx context.Context, id revision.UUID, volumeName string) *reported {
	r := scheduler.Request{Do: scheduler.AskReport}
	if volumeName != "" {
		r.Names = []string{volumeName}
	}
	conf, err := s.configuration()
	if s.wrongNow != nil || err != nil && !errors.Is(err, fs.ErrPermission) {
		return nil
	}
	if conf != nil {
		own := goesBy(conf)
		own.Text = nil // which may be secret, and is of no interest
		r.Config = &own
	}
	ctx, cancel := context.WithTimeout(ctx, askShort)
	defer cancel()
	a, err := s.askScheduler(ctx, id, r)
	if err != nil {
		s.log.Debug("the scheduler does not say how safe the volumes are", "why", err)
		return nil
	}
	told := new(reported)
	if err := json.Unmarshal(a.Report, told); err != nil || told.Program != *thisVersion() || (told.All == nil) == (told.One == nil) {
		return nil // it is another version of this program
	}
	s.log.Debug("the scheduler says how safe the volumes are")
	return told
}

// heard takes up what the scheduler said as if it had been read here.
func (told *reported) heard(s *session) {
	for _, w := range told.Warnings {
		s.warn("%s", w)
	}
	if told.All != nil {
		told.All.Repository.Directory = s.about.repo
	}
}

// report implements what [scheduler.Options] wants to report. What depends on sources that are not
// found, who asks has to see himself: they may be there by now.
func (d *daemon) report(ctx context.Context, is *scheduler.Status, r scheduler.Request) ([]byte, error) {
	conf := d.conf.Load()
	if own := goesBy(conf); r.Config != nil && !r.Config.IsSame(own) {
		return nil, fmt.Errorf("the scheduler goes by %s of %s", own.Path, own.Changed)
	}
	s := d.s.beside(conf, d.repo)
	s.ownStatus = is
	list, all := d.listed(conf)
	if s.listed = list; !all || time.Since(d.seen.Load().at) > listOld {
		return nil, errors.New("the sources of the volumes are not known")
	}
	repo, err := d.open(s)
	if err != nil {
		return nil, err
	}
	defer s.close("close the repository", repo)
	volumeName := ""
	if len(r.Names) > 0 {
		volumeName = r.Names[0]
	}
	told, err := s.readReport(ctx, repo, volumeName)
	if err != nil {
		return nil, err
	}
	if told.dependsOnSources() {
		return nil, errors.New("of the configuration, sources were not found")
	}
	told.Program, told.Warnings = *thisVersion(), s.warnings.list()
	return json.Marshal(told)
}

// dependsOnSources tells whether a case is that a source is not there.
func (told *reported) dependsOnSources() bool {
	isGone := func(c judgedCase) bool { return c.Kind == status.Gone || c.Kind == status.NotFound }
	if told.One != nil {
		return slices.ContainsFunc(told.One.Cases, isGone)
	}
	return slices.ContainsFunc(told.All.Warnings, isGone) || slices.ContainsFunc(told.All.Trouble, isGone)
}
