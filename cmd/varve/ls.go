package main

import (
	"context"
	"io/fs"
	"path"

	"github.com/urfave/cli/v2"

	"varve/disk"
	"varve/loopmount"
	"varve/repository"
)

func lsCommand(s *session) *command {
	var part partitionFlag
	return &command{
		name: "ls", group: everyDay, args: "VOLUME[@REV][:/PATH]", asks: true,
		summary: "list the partitions of a disk, or files in one",
		about: `Without a PATH: lists the partitions of the revision's disk, and what each of
them holds. With one: lists the directory PATH of the file system in it, or a
file. Nothing is restored for that.

Where several partitions hold a file system, it is the one that has PATH; if
more than one has it, --partition says which. A disk without partitions can
hold a file system as a whole.

Files are read by this host's kernel, as root alone may have it do: ext2 to
ext4, xfs, btrfs, and whatever else it knows. The file system is mounted
read-only, where nobody else sees it, and its journal is left alone; where that
has something which is nowhere else, a warning says so. What lies in LVM, in
LUKS or on several disks is not opened. Owners are numbers: their names are in
the image.`,
		example: `varve ls db1                                # what is on the disk
varve ls db1@yesterday:/etc
varve ls vms/web@k3f9:/var/lib --partition 2`,
		codes: "3  stored data, or the file system, is damaged: what could be read is listed",
		flags: []cli.Flag{partitionFlagFor(&part)},
		run:   func(ctx context.Context, args []string) (result, error) { return runLs(ctx, s, part, args[0]) },
	}
}

func partitionFlagFor(n *partitionFlag) cli.Flag {
	return &cli.GenericFlag{Name: "partition", Value: n, Usage: "look into partition `N` alone; 0 is the disk as a whole", DefaultText: "the one that has PATH"}
}

func runLs(ctx context.Context, s *session, want partitionFlag, text string) (_ result, err error) {
	at, name := cutPath(text)
	l, err := s.lookInto(ctx, at)
	if err != nil {
		return nil, err
	}
	defer l.close()
	out := &lsResult{Volume: l.rev.Volume.Name, Revision: l.rev.ID, Table: l.layout.Table, Partitions: []partition{}, Entries: []file{}}
	parts, err := l.parts(want)
	if err != nil {
		return nil, err
	}
	if name == "" {
		for _, p := range parts {
			out.Partitions = append(out.Partitions, newPartition(p))
		}
		return out, nil
	}
	f, err := l.find(name, want, true)
	if err != nil {
		return nil, err
	}
	out.Partitions, out.Path, out.Partition = append(out.Partitions, newPartition(f.fsys.Part)), name, &f.fsys.Part.Number
	err = out.list(ctx, f)
	s.close("close a file", f.node)
	return out, err
}

// list lists a directory, or a file alone. What cannot be read is a finding.
func (out *lsResult) list(ctx context.Context, f *inner) error {
	if !f.node.Mode.IsDir() {
		entry, err := newFile(f.node)
		out.Entries = append(out.Entries, entry)
		return err
	}
	findings := new(findingsError)
	names, err := f.node.Names()
	if err != nil {
		findings.Texts = append(findings.Texts, err.Error())
	}
	for _, name := range names {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if err := out.add(f.node, name); err != nil {
			findings.Texts = append(findings.Texts, err.Error())
		}
	}
	out.Unreadable = findings.Texts
	if len(findings.Texts) > 0 {
		return findings
	}
	return nil
}

// add adds an entry of a directory.
func (out *lsResult) add(dir *loopmount.Node, name string) error {
	node, err := dir.Child(name)
	if err != nil {
		return err
	}
	entry, err := newFile(node)
	out.Entries = append(out.Entries, entry)
	if closeErr := node.Close(); err == nil {
		err = closeErr
	}
	return err
}

// newFile describes a file. With an error, all but where a link leads is told.
func newFile(n *loopmount.Node) (file, error) {
	f := file{
		Name: path.Base(n.Path), Kind: kindOfFile(n.Mode), Mode: modeBits(n.Mode), UID: n.UID, GID: n.GID, Size: n.Size, Modified: n.Modified.UTC(),
		mode: n.Mode, major: n.Major, minor: n.Minor,
	}
	if n.Mode.Type() != fs.ModeSymlink {
		return f, nil
	}
	target, err := n.Target()
	f.Target = target
	return f, err
}

// newPartition describes a part of a disk.
func newPartition(p disk.Part) partition {
	return partition{
		Number: p.Number, Extent: repository.Extent{Offset: p.Offset, Length: p.Length}, Type: p.Type, Name: p.Name,
		Holds: p.Kind, Label: p.Label, UUID: p.UUID, Unclean: p.Unclean, Problem: p.Problem, what: p.What,
	}
}
