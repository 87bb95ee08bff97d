package main

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"varve/repository"
	"varve/revision"
)

func tagCommand(s *session) *command {
	f := &tagFlags{}
	return &command{
		name: "tag", group: keepAndDelete, args: "VOLUME@REV",
		summary: "change the tags and the note of a revision",
		about: `Gives the revision tags, or takes some away, and changes its note. A tag finds
the revision again (VOLUME@tag:T), and protects it where a rule of retention
names the tag; nothing but a pin protects it from rm.

Here, a time names only a revision of that very day, minute or second.`,
		example: `varve tag db1@k3f9 --add release --add v14.2
varve tag db1@yesterday --remove nightly --note "before the upgrade"
varve tag db1@k3f9 --note ""                # takes the note away`,
		codes: "3  the revision's file is damaged",
		flags: []cli.Flag{
			&cli.GenericFlag{Name: "add", Value: &f.add, Usage: "give it the tag `T`; may be repeated"},
			&cli.GenericFlag{Name: "remove", Value: &f.remove, Usage: "take the tag `T` away; may be repeated"},
			&cli.GenericFlag{Name: "note", Value: &f.note, Usage: "give it another note, a line of `TEXT`; empty: none"},
		},
		run: func(ctx context.Context, args []string) (result, error) { return runTag(ctx, s, f, args[0]) },
	}
}

type tagFlags struct {
	add, remove tags
	note        note
}

// note is text that may be empty, and may not be given at all.
type note struct {
	given bool
	text  string
}

// Set implements [flag.Value].
func (n *note) Set(text string) error {
	*n = note{given: true, text: text}
	return nil
}

func (n *note) String() string { return n.text }

func runTag(ctx context.Context, s *session, f *tagFlags, text string) (result, error) {
	misuse := func(format string, args ...any) error {
		return &usageError{Text: fmt.Sprintf(format, args...), Command: s.command}
	}
	if len(f.add)+len(f.remove) == 0 && !f.note.given {
		return nil, misuse("say what to change: --add T, --remove T or --note TEXT")
	}
	for _, t := range f.add {
		if slices.Contains(f.remove, t) {
			return nil, misuse("the tag %q is to be added and removed", t)
		}
	}
	if err := checkText(s.command, "--note", f.note.text); err != nil {
		return nil, err
	}
	m, err := s.mark(ctx, text, marking{op: repository.OpTag, doing: "tag of", change: f.change})
	if err != nil {
		return nil, err
	}
	m.says = (*page).tagged
	return m, nil
}

// change applies the flags to what is noted.
func (f *tagFlags) change(info *repository.Info) (detail string, err error) {
	var done []string
	list := slices.Clone(info.Tags)
	for _, t := range f.add {
		if !slices.Contains(list, t) {
			list, done = append(list, t), append(done, "+"+t)
		}
	}
	for _, t := range f.remove {
		if i := slices.Index(list, t); i >= 0 {
			list, done = slices.Delete(list, i, i+1), append(done, "-"+t)
		}
	}
	if len(list) > revision.MaxTags {
		return "", fmt.Errorf("%d tags are too many, at most %d are possible", len(list), revision.MaxTags)
	}
	if f.note.given && f.note.text != info.Note {
		done = append(done, "note "+quote(f.note.text))
		info.Note = f.note.text
	}
	info.Tags = list
	return strings.Join(done, " "), nil
}

// tagged says which tags and which note a revision has.
func (p *page) tagged(m *marked) {
	what := "no tags"
	if len(m.Tags) > 0 {
		what = "tags " + strings.Join(m.Tags, " ")
	}
	if m.Note != "" {
		what += "; note " + quote(m.Note)
	}
	if !m.Changed {
		what += " (as before: nothing was to change)"
	}
	p.line("%s  %s", p.bold(m.name()), what)
}
