package main

import (
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"varve/filecopy"
	"varve/internal/human"
	"varve/repository"
	"varve/revision"
)

// copied is the result of cp. Its fields are API.
type copied struct {
	Volume      revision.Name `json:"volume"`
	Revision    revision.ID   `json:"revision"`
	Made        []string      `json:"made"` // the paths of what PATHs became
	Files       int64         `json:"files"`
	Directories int64         `json:"directories"`
	Links       int64         `json:"links"`
	Others      int64         `json:"others"`
	Bytes       int64         `json:"bytes"`
	Problems    []copyProblem `json:"problems"`
	Seconds     float64       `json:"seconds"`
}

// copyProblem is what is not in a copy as it is in the image. Its fields are API.
type copyProblem struct {
	Kind  filecopy.ProblemKind `json:"kind"`
	Path  string               `json:"path"`
	Text  string               `json:"text"`
	Count int                  `json:"count"`
}

func newCopied(rev repository.Revision, dir string, r *filecopy.Report, took time.Duration) *copied {
	out := &copied{
		Volume: rev.Volume.Name, Revision: rev.ID, Made: []string{}, Files: r.Files, Directories: r.Directories, Links: r.Links, Others: r.Others,
		Bytes: r.Bytes, Problems: []copyProblem{}, Seconds: took.Seconds(),
	}
	for _, name := range r.Made {
		out.Made = append(out.Made, filepath.Join(dir, name))
	}
	for _, p := range r.Problems {
		out.Problems = append(out.Problems, copyProblem(p))
	}
	return out
}

// failure is what the problems come to.
func (out *copied) failure() error {
	var unreadable []string
	for _, p := range out.Problems {
		if p.Kind == filecopy.Unreadable {
			unreadable = append(unreadable, visibleName(p.Path)+": "+p.Text)
		}
	}
	if len(unreadable) > 0 {
		return &findingsError{Texts: unreadable}
	}
	if len(out.Problems) > 0 {
		return &notKeptError{Count: len(out.Problems)}
	}
	return nil
}

// A notKeptError reports that the target's file system could not take everything.
type notKeptError struct{ Count int }

func (e *notKeptError) Error() string {
	return formatThey(e.Count, "thing", "is not in the copy as it was", "are not in the copy as they were")
}

func (out *copied) lasting() string {
	if len(out.Made) == 0 {
		return "nothing was made"
	}
	return "made, and complete: " + strings.Join(out.Made, ", ")
}

func (out *copied) print(p *page) {
	var counts []string
	for _, c := range []struct {
		n    int64
		one  string
		many string
	}{
		{out.Files, "file", "files"}, {out.Directories, "directory", "directories"}, {out.Links, "link", "links"},
		{out.Others, "device, pipe or socket", "devices, pipes and sockets"},
	} {
		if c.n > 0 {
			counts = append(counts, formatCountOf(c.n, c.one, c.many))
		}
	}
	if len(out.Made) > 0 {
		paint := p.bold
		if len(out.Problems) > 0 {
			paint = p.red
		}
		p.line("%s to %s: %s, %s in %s", paint("copied from "+address(out.Volume, out.Revision)), strings.Join(out.Made, ", "), strings.Join(counts, ", "), human.Size(out.Bytes),
			formatDuration(time.Duration(out.Seconds*float64(time.Second))))
	}
	for _, problem := range out.Problems {
		word := map[filecopy.ProblemKind]string{filecopy.Unreadable: "UNREADABLE", filecopy.NotMade: "NOT MADE", filecopy.NotKept: "NOT KEPT"}[problem.Kind]
		more := ""
		if problem.Count > 1 {
			more = fmt.Sprintf(" and %s", formatCount(problem.Count-1, "other"))
		}
		p.line("%s  %s%s: %s", p.red(word), visibleName(problem.Path), more, problem.Text)
	}
}
