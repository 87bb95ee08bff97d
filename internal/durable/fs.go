package durable

import (
	"io"
	"io/fs"
)

// FS is one tree of directories and files. Names are slash-separated, relative
// to its root, and "." is the root. Symbolic links are never followed: a name
// that is or passes through one gives [ErrLink].
//
// Errors wrap those of package io/fs ([fs.ErrExist], [fs.ErrNotExist],
// [fs.ErrPermission]) and the system's own numbers where they apply.
type FS interface {
	// Create makes a new file and opens it for reading and writing. It fails
	// with fs.ErrExist when the name is taken.
	Create(name string) (File, error)
	// Open opens an existing regular file for reading.
	Open(name string) (File, error)
	// OpenWrite opens an existing regular file for reading and writing.
	OpenWrite(name string) (File, error)
	// Mkdir makes one directory. It is durable after SyncDir of its parent.
	Mkdir(name string) error
	// ReadDir lists a directory, sorted by name.
	ReadDir(name string) ([]fs.DirEntry, error)
	// Lstat describes what the name itself is.
	Lstat(name string) (fs.FileInfo, error)
	// Link gives a file a second name. It fails with fs.ErrExist when that is taken.
	Link(oldName, newName string) error
	// Rename moves a file or directory, replacing a file that has the new name.
	Rename(oldName, newName string) error
	// RenameNew moves a file or directory to a name that is free, and fails
	// with fs.ErrExist when it is not.
	RenameNew(oldName, newName string) error
	// Remove removes a file or an empty directory.
	Remove(name string) error
	// SyncDir makes the entries of a directory durable.
	SyncDir(name string) error
	// Free tells how many bytes a user without privileges may still write, and
	// how many there are in all.
	Free() (available, total int64, err error)
	// Close gives up the tree. Open files are not closed by it.
	Close() error
}

// File is an open file of an [FS].
type File interface {
	io.ReaderAt
	io.WriterAt
	// Close also ends the lock that this handle holds.
	io.Closer
	// Name is the name the file was opened by, relative to the tree.
	Name() string
	Stat() (fs.FileInfo, error)
	Truncate(size int64) error
	// Sync makes content and size durable. After an error the content is
	// unknown: the file is to be removed, and Sync not to be called again.
	Sync() error
	// TryLock takes the exclusive lock of this file (flock) without waiting,
	// and tells whether it got it. A second call on the same handle succeeds,
	// so every acquisition needs a handle of its own.
	TryLock() (bool, error)
	// Is tells whether the name still leads to this very file.
	Is(name string) (bool, error)
}
