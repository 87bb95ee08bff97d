package repository

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path"
	"strings"
)

// journal holds each line of the journal against the hash that the next one has of it.
// A line that is not whole was torn by a power cut, and the next goes on from the last
// whole one; where that is not so, lines were lost or changed.
func (in *Inspection) journal(ctx context.Context) error {
	r := in.rd.repo
	hosts, err := r.fsys.ReadDir(journalDir)
	in.tell(Fault{Kind: FaultJournal, Path: journalDir, Err: err})
	for _, host := range hosts {
		if !host.IsDir() {
			continue
		}
		dir := path.Join(journalDir, host.Name())
		months, err := r.fsys.ReadDir(dir)
		in.tell(Fault{Kind: FaultJournal, Path: dir, Err: err})
		before, known := "", true // the hash of the last line, and whether that can be told
		for _, m := range months {
			if err := ctx.Err(); err != nil {
				return err
			}
			if !strings.HasSuffix(m.Name(), journalExt) {
				continue
			}
			name := path.Join(dir, m.Name())
			err := in.month(name, &before, &known)
			in.tell(Fault{Kind: FaultJournal, Path: name, Err: err})
		}
	}
	return nil
}

// month goes through one file. Before is the hash of the last whole line before it.
func (in *Inspection) month(name string, before *string, known *bool) (err error) {
	f, err := in.rd.repo.fsys.Open(name)
	if err != nil {
		*known = false
		return damagedFile(name, err)
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	lines := bufio.NewReaderSize(io.NewSectionReader(f, 0, info.Size()), maxJournalLine)
	torn, broken := 0, error(nil)
	for number := 1; ; number++ {
		line, err := lines.ReadSlice('\n')
		if errors.Is(err, bufio.ErrBufferFull) {
			torn++
			for errors.Is(err, bufio.ErrBufferFull) {
				_, err = lines.ReadSlice('\n')
			}
			continue
		}
		if err != nil && !errors.Is(err, io.EOF) {
			*known = false
			return damagedFile(name, fmt.Errorf("read %s: %w", name, err))
		}
		if len(line) > 0 {
			bare := bytes.TrimSuffix(line, []byte("\n"))
			prev, whole := prevOf(bare)
			switch {
			case !whole && len(bare) > 0:
				torn++
			case whole:
				if *known && prev != *before && broken == nil {
					broken = &DamagedFileError{Path: name, Cause: fmt.Errorf("%w: line %d does not follow the one before it: lines were changed or are gone", errBadContent, number)}
				}
				*before, *known = checksum(bare), true
			}
		}
		if err != nil {
			break
		}
	}
	if torn > 0 && broken == nil {
		in.opts.Fault(Fault{Kind: FaultJournal, Path: name, Harmless: true, Err: fmt.Errorf("%s: lines that are not whole: %d; whoever wrote them was cut off", name, torn)})
	}
	return broken
}

// prevOf reads which hash a line has of the one before it, if it is whole.
func prevOf(line []byte) (prev string, whole bool) {
	data, err := unsealData(append(line[:len(line):len(line)], '\n'))
	if err != nil {
		return "", false
	}
	var e struct {
		Prev string `json:"prev"`
	}
	return e.Prev, json.Unmarshal(data, &e) == nil
}
