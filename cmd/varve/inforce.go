package main

import (
	"context"
	"errors"
	"io/fs"
	"path/filepath"

	"varve/config"
	"varve/scheduler"
)

// useWhatIsInForce has a session whose configuration is wrong go by what the file said before,
// if a scheduler of this host goes by that. The scheduler tells it to its own user and to root;
// for everybody else, the configuration stays wrong.
func (s *session) useWhatIsInForce(ctx context.Context) {
	_, wrong := s.configuration()
	broken := new(configurationError)
	if !errors.As(wrong, &broken) || errors.Is(wrong, fs.ErrPermission) {
		return
	}
	path, err := filepath.Abs(broken.Path)
	if err != nil {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, askShort)
	defer cancel()
	for _, dir := range schedulersHere() {
		a, err := scheduler.Ask(ctx, dir, scheduler.Request{Do: scheduler.AskConfig})
		if err != nil || a.Config == nil || a.Config.Path != path {
			continue
		}
		conf, err := config.Parse(broken.Path, a.Config.Text)
		if err != nil {
			continue // it is another version of this program
		}
		conf.Changed = a.Config.Changed
		s.configured, s.zone, s.wrongNow = configured{sought: true, found: conf}, conf.Zone, wrong
		return
	}
}

// schedulersHere are where schedulers of this host may be, of whatever repository.
func schedulersHere() (dirs []string) {
	for _, state := range statesOfSchedulers() {
		found, err := filepath.Glob(filepath.Join(state, "*", "scheduler"))
		if err == nil { // else it has a name like [
			dirs = append(dirs, found...)
		}
	}
	return dirs
}
