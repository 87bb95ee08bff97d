package scrub

import (
	"errors"
	"io/fs"
	"strings"
	"syscall"

	"varve/chunkstore"
	"varve/repository"
	"varve/revision"
)

// gradeOf tells damage from trouble with reading. That a disk does not give a byte says
// nothing about what was written; nor does what a newer program wrote.
func gradeOf(err error) Grade {
	switch {
	case errors.Is(err, syscall.EIO), errors.As(err, new(*revision.UnsupportedError)), errors.As(err, new(*repository.FormatError)),
		errors.As(err, new(*chunkstore.VersionError)), errors.As(err, new(*chunkstore.FeatureError)):
		return Trouble
	case repository.IsDamage(err), errors.As(err, new(*revision.ChainError)):
		return Damage
	}
	return Trouble
}

// causeOf says what is wrong without the name of the file, which a finding has by itself.
func causeOf(err error) string {
	var (
		file   *repository.DamagedFileError
		object *chunkstore.CorruptError
	)
	switch {
	case errors.As(err, &file):
		return causeOf(file.Cause)
	case errors.As(err, &object):
		return causeOf(object.Cause)
	}
	return strings.ReplaceAll(err.Error(), "\n", "; ")
}

func isGone(err error) bool { return errors.Is(err, fs.ErrNotExist) }
