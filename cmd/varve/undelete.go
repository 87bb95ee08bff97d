package main

import (
	"context"
	"fmt"
	"io/fs"
	"slices"
	"time"

	"varve/repository"
	"varve/revision"
)

func undeleteCommand(s *session) *command {
	return &command{
		name: "undelete", group: keepAndDelete, args: "VOLUME@ID",
		summary: "bring a revision back that was taken away",
		about: `Brings the revision back out of the trash, with its id, its tags and what was
noted of it. What is in the trash, varve log --deleted lists: what rm, prune and
merge took away, until its time is over. A volume that went with its last
revision comes back with it.`,
		example: `varve log db1 --deleted
varve undelete db1@k3f9`,
		codes: "3  its map, or one that it is built on, cannot be read any more\n4  the volume is being backed up",
		run:   func(ctx context.Context, args []string) (result, error) { return runUndelete(ctx, s, args[0]) },
	}
}

// undeleted is the result of undelete. Its fields are API.
type undeleted struct {
	entry
}

func runUndelete(ctx context.Context, s *session, text string) (result, error) {
	name, selector, err := revision.SplitAddress(text)
	if err != nil {
		return nil, &usageError{Text: err.Error(), Command: s.command}
	}
	if selector == "" {
		return nil, &usageError{Text: "which revision? varve log " + name.String() + " --deleted lists them", Command: s.command}
	}
	repo, err := s.openRepository(toWrite)
	if err != nil {
		return nil, err
	}
	defer s.close("close the repository", repo)
	t, err := s.inTrash(repo, name, selector)
	if err != nil {
		return nil, err
	}
	s.doing = "undelete of " + address(name, t.ID)
	rev, err := repo.Undelete(ctx, t, time.Duration(s.globals.wait))
	if err != nil {
		return nil, err
	}
	return &undeleted{newEntry(*rev)}, nil
}

// inTrash finds what was taken away, by its id or the short part of that.
func (s *session) inTrash(repo *repository.Repository, name revision.Name, id string) (repository.Trashed, error) {
	all, err := s.trash(repo, name)
	if err != nil {
		return repository.Trashed{}, err
	}
	all = slices.DeleteFunc(all, func(t repository.Trashed) bool { return t.ID.String() != id && t.ID.Short() != id })
	switch len(all) {
	case 0:
		return repository.Trashed{}, &notInTrashError{Volume: name, ID: id}
	case 1:
		return all[0], nil
	}
	return repository.Trashed{}, &usageError{
		Text: fmt.Sprintf("%s names %d revisions of volumes that had the name: use a whole id", id, len(all)), Command: s.command,
	}
}

// trash lists what was taken away of the volumes that have, or had, a name; of all, if
// it is empty.
func (s *session) trash(repo *repository.Repository, name revision.Name) ([]repository.Trashed, error) {
	all, err := repo.Trash()
	if err != nil {
		s.warn("%v", err) // what can be read is there
	}
	if name == "" {
		return all, nil
	}
	v, err := repo.Volume(name)
	return slices.DeleteFunc(all, func(t repository.Trashed) bool {
		return t.Volume.Name != name && (err != nil || t.Volume.UUID != v.UUID)
	}), nil
}

// A notInTrashError reports a revision that is not in the trash.
type notInTrashError struct {
	Volume revision.Name
	ID     string
}

func (e *notInTrashError) Error() string {
	return fmt.Sprintf("revision %s@%s is not in the trash", e.Volume, e.ID)
}

func (e *notInTrashError) Is(target error) bool { return target == fs.ErrNotExist }

func (u *undeleted) print(p *page) {
	p.line("%s, of %s", p.bold(address(u.Volume, u.ID)+" is back"), formatTime(u.Begun, p.now))
}
