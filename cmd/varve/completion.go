package main

import (
	"context"
	_ "embed"
	"strings"
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
		about: `Prints a script for the shell, which then completes commands, flags and what
stands behind them, volumes, revisions, tags and the names of files. It reads
the repository that is named so far, or the usual one.`,
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
