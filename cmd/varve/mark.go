package main

import (
	"context"
	"fmt"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"varve/repository"
	"varve/revision"
)

// marking is a change of what is noted of a revision.
type marking struct {
	op     string // as the journal names it
	doing  string // "tag of"
	change func(info *repository.Info) (detail string, err error)
}

// marked is the result of a command that changes what is noted. Its fields are API.
type marked struct {
	Volume   revision.Name `json:"volume"`
	Revision revision.ID   `json:"revision"`
	Changed  bool          `json:"changed"`
	noted
	was  repository.Info
	says func(p *page, m *marked) // how it reads
}

// name is the revision's address.
func (m *marked) name() string { return address(m.Volume, m.Revision) }

func (m *marked) print(p *page) { m.says(p, m) }

// mark makes a change to the revision that a person named, durably, and writes it
// into the journal. A change without a detail is none.
func (s *session) mark(ctx context.Context, text string, what marking) (*marked, error) {
	repo, err := s.openRepository(toList)
	if err != nil {
		return nil, err
	}
	defer s.close("close the repository", repo)
	rev, err := s.chooseExactly(repo, text)
	if err != nil {
		return nil, err
	}
	s.doing = what.doing + " " + address(rev.Volume.Name, rev.ID)
	begun := time.Now()
	m := &marked{Volume: rev.Volume.Name, Revision: rev.ID}
	var detail string
	var refused error
	err = repo.Mark(ctx, rev, func(info *repository.Info) {
		m.was = *info
		if detail, refused = what.change(info); refused != nil {
			*info = m.was
		}
		m.noted = newNoted(*info)
	})
	if err != nil {
		return nil, err
	}
	if refused != nil {
		return m, refused
	}
	m.Changed = detail != ""
	if m.Changed {
		s.record(ctx, repo, repository.Event{
			Op: what.op, Volume: rev.Volume.Name, UUID: &rev.Volume.UUID, Revision: rev.ID, Sequence: rev.Statement.Sequence,
			Seconds: time.Since(begun).Seconds(), Detail: detail,
		}, nil)
	}
	return m, nil
}

// needReason refuses an empty reason.
func needReason(command, reason string) error {
	if reason == "" {
		return &usageError{Text: "--reason is missing: say why, for who reads it later", Command: command}
	}
	return checkText(command, "--reason", reason)
}

// maxText bounds what a person notes, in bytes.
const maxText = 4096

// checkText refuses text that is longer than anybody reads, or more than a line of it.
func checkText(command, flag, text string) error {
	problem := ""
	switch {
	case len(text) > maxText:
		problem = fmt.Sprintf("%s has %d bytes, at most %d are possible", flag, len(text), maxText)
	case !utf8.ValidString(text):
		problem = flag + " is not UTF-8"
	case strings.ContainsFunc(text, unicode.IsControl):
		problem = flag + " is to be one line: it holds a newline, or another control character"
	default:
		return nil
	}
	return &usageError{Text: problem, Command: command}
}
