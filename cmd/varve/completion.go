package main

import (
	"context"
	_ "embed"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"varve/revision"
)

// What shells need to complete words. Each asks completeCommand.
var (
	//go:embed completion.bash
	bashScript string
	//go:embed completion.zsh
	zshScript string
	//go:embed completion.fish
	fishScript string
)

func completionCommand() *command {
	return &command{
		name: "completion", group: plumbing, args: "bash|zsh|fish", asks: true,
		summary: "print a script that completes words in a shell",
		about:   "Prints a script for the shell, which then completes commands, flags,\nvolumes and revisions.",
		example: `varve completion bash >/etc/bash_completion.d/varve
varve completion zsh >"${fpath[1]}/_varve"
varve completion fish >~/.config/fish/completions/varve.fish`,
		run: func(_ context.Context, args []string) (result, error) { return completionScript(args[0]) },
	}
}

// script is the result of completion.
type script struct {
	Shell string `json:"shell"`
	Text  string `json:"script"`
}

func (s *script) print(p *page) { p.line("%s", markup(strings.TrimRight(s.Text, "\n"))) }

func completionScript(shell string) (result, error) {
	text, known := map[string]string{"bash": bashScript, "zsh": zshScript, "fish": fishScript}[shell]
	if !known {
		return nil, &usageError{Text: "unknown shell " + quote(shell), Command: "completion", Usage: "varve completion bash|zsh|fish"}
	}
	return &script{Shell: shell, Text: text}, nil
}

// completeCommand is what the shells ask: the words up to the one to be completed,
// which comes last and may be empty. It answers with a word per line, or nothing:
// then it is for the shell, which completes the names of files.
func completeCommand(s *session) *command {
	return &command{
		name: "__complete", args: "WORD...", asks: true,
		run: func(_ context.Context, args []string) (result, error) {
			return &candidates{complete(s, args)}, nil
		},
	}
}

type candidates struct{ Words []string }

func (c *candidates) print(p *page) {
	for _, word := range c.Words {
		p.line("%s", word)
	}
}

// complete finds what the last word may become.
func complete(s *session, words []string) []string {
	if len(words) == 0 {
		return nil
	}
	before, word := words[:len(words)-1], words[len(words)-1]
	all, globals := commands(s), s.globals.flags()
	flag, value := "", word
	if n := len(before); n > 0 && takesChoice(before[n-1]) {
		flag, before = before[n-1], before[:n-1]
	} else if name, rest, cut := strings.Cut(word, "="); cut && takesChoice(name) {
		flag, value = name, rest
	}
	l, err := arrange(before, globals, all)
	if err != nil {
		return nil
	}
	var found []string
	switch {
	case flag != "":
		for _, choice := range choicesOf(flag) {
			found = append(found, strings.TrimSuffix(word, value)+choice)
		}
	case strings.HasPrefix(word, "-"):
		found = flagWords(globals)
		if l.command != nil {
			found = append(found, flagWords(l.command.flags)...)
		}
	case l.command == nil:
		found = offered(all)
	default:
		found = completeArgument(s, l, word, repoIn(l.words))
	}
	found = slices.DeleteFunc(found, func(w string) bool { return !strings.HasPrefix(w, word) })
	slices.Sort(found)
	return found
}

// choicesOf are the words that a flag takes, if they are few.
func choicesOf(flag string) []string {
	g := defaultGlobals()
	return map[string][]string{
		"--compression": {"lz4", "none", "zstd"},
		"--color":       g.color.of, "--progress": g.progress.of, "--log-format": g.logFormat.of,
	}[flag]
}

func takesChoice(flag string) bool { return choicesOf(flag) != nil }

// completeArgument finds what the next argument of a command may be.
func completeArgument(s *session, l line, word, repo string) []string {
	given := len(l.words) - 1 - slices.Index(l.words, "--")
	names := strings.Fields(l.command.args)
	if given >= len(names) {
		return nil
	}
	switch name := strings.Trim(names[given], "[]"); name {
	case "VOLUME", "OLD", "VOLUME[@REV", "VOLUME@REV", "VOLUME@A", "VOLUME@B":
		if repo != "" {
			s.globals.repo = repo
		}
		return completeAddress(s, word, strings.Contains(name, "@"))
	case "COMMAND":
		return offered(commands(s))
	default:
		if strings.Contains(name, "|") {
			return strings.Split(name, "|")
		}
	}
	return nil
}

// repoIn finds the repository among words that were arranged.
func repoIn(words []string) (repo string) {
	for _, word := range words {
		if value, found := strings.CutPrefix(word, "--repo="); found {
			repo = value
		}
	}
	return repo
}

// completeAddress finds volumes, and after an @ their revisions.
func completeAddress(s *session, word string, revisions bool) []string {
	repo, err := s.openRepository(toList)
	if err != nil {
		return nil
	}
	defer s.close("close the repository", repo)
	name, _, atRevision := strings.Cut(word, "@")
	var found []string
	if !atRevision {
		volumes, _ := repo.Volumes() // with those that can be read
		for _, v := range volumes {
			found = append(found, v.Name.String())
		}
		return found
	}
	v, err := repo.Volume(revision.Name(name))
	if err != nil || !revisions {
		return nil
	}
	list, _ := repo.Revisions(v) // none, if they cannot be read
	found = append(found, name+"@latest", name+"@latest-good")
	for _, rev := range list {
		found = append(found, address(v.Name, rev.ID))
	}
	return found
}

func flagWords(flags []cli.Flag) (words []string) {
	for _, f := range flags {
		for _, name := range f.Names() {
			words = append(words, dashed(name))
		}
	}
	return words
}
