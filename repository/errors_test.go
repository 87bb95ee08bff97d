package repository_test

import (
	"errors"
	"fmt"
	"io/fs"
	"syscall"
	"testing"

	"varve/chunkstore"
	"varve/repository"
	"varve/revision"
)

func TestIsDamage(t *testing.T) {
	damage := map[string]error{
		"a file":                       &repository.DamagedFileError{Path: "config.json", Cause: errors.New("cut short")},
		"an object":                    &chunkstore.CorruptError{Cause: errors.New("another hash")},
		"an object that is gone":       chunkstore.ErrNotFound,
		"a map":                        &revision.CorruptError{},
		"a chain of other regions":     &repository.DamagedRevisionError{Cause: &revision.ChainError{Cause: errors.New("another hash")}},
		"an object, and what was done": fmt.Errorf("restore: %w", &chunkstore.CorruptError{Cause: errors.New("another hash")}),
	}
	for what, err := range damage {
		if !repository.IsDamage(err) {
			t.Errorf("%s is no damage: %v", what, err)
		}
	}
	for what, err := range map[string]error{
		"nothing": nil, "a disk that fails": syscall.EIO, "a file that is gone": fs.ErrNotExist,
		"a newer program": &chunkstore.VersionError{}, "a repository that is busy": &repository.BusyError{},
	} {
		if repository.IsDamage(err) {
			t.Errorf("%s is damage: %v", what, err)
		}
	}
}
