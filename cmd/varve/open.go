package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"varve/internal/durable"
	"varve/repository"
)

// purpose says what a repository is opened for.
type purpose string

// Who only lists needs nothing of this host's; who reads makes nothing on it.
const (
	toList  purpose = "list"
	toRead  purpose = "read"
	toWrite purpose = "write"
)

// repositoryDir is the directory that the flag or the environment names; if neither
// does, the configuration. One that is wrong is used by nobody, in no part.
func (s *session) repositoryDir() (string, error) {
	c, err := s.configuration()
	switch {
	case err != nil && s.globals.repo == "":
		return "", err
	case errors.Is(err, fs.ErrPermission):
		s.say("the configuration is not used: %v", err)
	case err != nil: // on the worst day, that must not stand in the way
		s.warn("the configuration is not used, for it is wrong: varve check-config lists what is")
	case s.globals.repo == "" && c != nil:
		s.globals.repo = c.Repository
	}
	if s.globals.repo == "" {
		return "", errNoRepository
	}
	return s.globals.repo, nil
}

// openRepository opens the repository. The caller closes it.
func (s *session) openRepository(why purpose) (*repository.Repository, error) {
	dir, err := s.repositoryDir()
	if err != nil {
		return nil, err
	}
	s.about.repo = dir
	tree, err := durable.OpenTree(dir)
	if info, serr := os.Stat(dir); errors.Is(err, fs.ErrNotExist) || err != nil && serr == nil && !info.IsDir() {
		return nil, explainAbsence(dir)
	}
	if err != nil {
		return nil, fmt.Errorf("open %q: %w", dir, err)
	}
	repo, err := repository.Open(tree, repository.Options{StateDir: stateFor(why), Command: s.command, Log: s.log, Memory: s.memory})
	if errors.Is(err, repository.ErrNoRepository) {
		return nil, explainAbsence(dir)
	}
	if err != nil {
		return nil, fmt.Errorf("open %q: %w", dir, err)
	}
	return repo, nil
}

func stateFor(why purpose) string {
	dir := stateDir()
	if whole, err := filepath.Abs(dir); err == nil && dir != "" { // who serves a mount leaves the directory it was started in
		dir = whole
	}
	switch why {
	case toList:
		return ""
	case toRead:
		if _, err := os.Stat(dir); err != nil {
			return ""
		}
	}
	return dir
}

// openReader takes a lease, and tells if there is none.
func (s *session) openReader(ctx context.Context, repo *repository.Repository) (*repository.Reader, error) {
	rd, err := repo.NewReader(ctx)
	if err != nil {
		return nil, err
	}
	if why := rd.Unprotected(); why != nil && !isFrozen(s.globals.repo, why) {
		s.warn("reading without a lease (%v): a gc that runs at the same time may take away what is being read", why)
	}
	return rd, nil
}

// isFrozen tells whether there is no lease because nobody can write there, so that
// nothing can be taken away either.
func isFrozen(dir string, why error) bool {
	if durable.IsReadOnly(why) || !errors.Is(why, fs.ErrPermission) {
		return durable.IsReadOnly(why)
	}
	for _, name := range []string{".", "packs", "locks", "locks/leases"} {
		if info, err := os.Stat(filepath.Join(dir, name)); err != nil || info.Mode()&0o222 != 0 {
			return false
		}
	}
	return true
}
