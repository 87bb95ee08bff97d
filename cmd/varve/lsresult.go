package main

import (
	"fmt"
	"io/fs"
	"strings"
	"time"

	"varve/disk"
	"varve/internal/human"
	"varve/repository"
	"varve/revision"
)

// lsResult is the result of ls. Its fields are API.
type lsResult struct {
	Volume     revision.Name `json:"volume"`
	Revision   revision.ID   `json:"revision"`
	Table      disk.Table    `json:"table"` // empty: the disk has none
	Partitions []partition   `json:"partitions"`
	Path       string        `json:"path"`      // empty: the disk was asked for
	Partition  *int          `json:"partition"` // that has it
	Entries    []file        `json:"entries"`
	Unreadable []string      `json:"-"` // they are the error
}

// partition is a part of a disk. Its fields are API.
type partition struct {
	Number int `json:"number"` // 0: the whole disk
	repository.Extent
	Type    string    `json:"type"`
	Name    string    `json:"name"`
	Holds   disk.Kind `json:"holds"`
	Label   string    `json:"label"`
	UUID    string    `json:"uuid"`
	Unclean bool      `json:"unclean"`
	Problem string    `json:"problem"`
	what    string
}

// file is a file in an image. Its fields are API.
type file struct {
	Name     string    `json:"name"`
	Kind     string    `json:"kind"`
	Mode     string    `json:"mode"` // permissions, in octal
	UID      uint32    `json:"uid"`
	GID      uint32    `json:"gid"`
	Size     int64     `json:"size"`
	Modified time.Time `json:"modified"`
	Target   string    `json:"target"` // of a symbolic link

	mode         fs.FileMode
	major, minor uint32
}

func kindOfFile(mode fs.FileMode) string {
	switch mode.Type() {
	case 0:
		return "file"
	case fs.ModeDir:
		return "directory"
	case fs.ModeSymlink:
		return "link"
	case fs.ModeNamedPipe:
		return "pipe"
	case fs.ModeSocket:
		return "socket"
	case fs.ModeDevice:
		return "block-device"
	case fs.ModeDevice | fs.ModeCharDevice:
		return "character-device"
	}
	return "unknown"
}

// modeBits writes permissions as chmod takes them.
func modeBits(mode fs.FileMode) string {
	bits := uint32(mode.Perm())
	for i, is := range []fs.FileMode{fs.ModeSticky, fs.ModeSetgid, fs.ModeSetuid} {
		if mode&is != 0 {
			bits |= 0o1000 << i
		}
	}
	return fmt.Sprintf("%04o", bits)
}

// modeText writes a mode as ls does: drwxr-sr-x.
func modeText(mode fs.FileMode) string {
	kinds := map[fs.FileMode]byte{
		fs.ModeDir: 'd', fs.ModeSymlink: 'l', fs.ModeNamedPipe: 'p', fs.ModeSocket: 's', fs.ModeDevice: 'b', fs.ModeDevice | fs.ModeCharDevice: 'c', fs.ModeIrregular: '?',
	}
	text := []byte("----------")
	if kind, known := kinds[mode.Type()]; known {
		text[0] = kind
	}
	for i := range 9 {
		if mode&(1<<(8-i)) != 0 {
			text[1+i] = "rwx"[i%3]
		}
	}
	for _, special := range []struct {
		is     fs.FileMode
		at     int
		letter byte
	}{{fs.ModeSetuid, 3, 's'}, {fs.ModeSetgid, 6, 's'}, {fs.ModeSticky, 9, 't'}} {
		switch {
		case mode&special.is == 0:
		case text[special.at] == 'x':
			text[special.at] = special.letter
		default:
			text[special.at] = special.letter - 'a' + 'A' // without the right to execute
		}
	}
	return string(text)
}

func (out *lsResult) print(p *page) {
	if out.Path == "" {
		out.printParts(p)
		return
	}
	rows := [][]cell{{left("MODE"), right("OWNER"), right("SIZE"), left("MODIFIED"), left("NAME")}}
	for _, f := range out.Entries {
		size := human.Size(f.Size)
		if f.mode&fs.ModeDevice != 0 {
			size = fmt.Sprintf("%d, %d", f.major, f.minor)
		}
		if f.mode.IsDir() {
			size = "–"
			if !p.unicode {
				size = "-"
			}
		}
		rows = append(rows, []cell{
			left(modeText(f.mode)), right(fmt.Sprintf("%d:%d", f.UID, f.GID)), right(size), left(formatMinute(f.Modified, p.now)),
			left(visibleName(f.Name) + prefixed(" -> ", visibleName(f.Target))),
		})
	}
	p.table(rows)
	for _, text := range out.Unreadable {
		p.line("%s  %s", p.red("UNREADABLE"), text)
	}
}

// visibleName writes a name so that it stays on its line.
func visibleName(name string) string {
	if strings.ContainsAny(name, "\n\t\r") {
		return quote(name)
	}
	return name
}

func (out *lsResult) printParts(p *page) {
	switch {
	case len(out.Partitions) == 0:
		p.line(emptyTable)
		return
	case out.Table == disk.NoTable:
		p.line("the disk has no partitions: it is %s%s%s", out.Partitions[0].what, prefixed(", label ", out.Partitions[0].Label), prefixed("; ", out.Partitions[0].Problem))
		return
	}
	rows := [][]cell{{right("PARTITION"), right("BEGINS"), right("SIZE"), left("HOLDS"), left("LABEL"), left("TYPE"), left("NOTES")}}
	for _, part := range out.Partitions {
		var notes []string
		if part.Name != "" {
			notes = append(notes, part.Name)
		}
		if part.Unclean {
			notes = append(notes, "was in use")
		}
		if part.Problem != "" {
			notes = append(notes, part.Problem)
		}
		number := fmt.Sprint(part.Number)
		if part.Number == 0 {
			number = "whole"
		}
		rows = append(rows, []cell{
			right(number), right(human.Size(part.Offset)), right(human.Size(part.Length)), left(string(part.Holds)), left(part.Label), left(part.Type),
			left(strings.Join(notes, "; ")),
		})
	}
	p.table(rows)
}
