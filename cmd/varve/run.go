package main

import (
	"context"
	"io"
	"path/filepath"

	"github.com/urfave/cli/v2"
)

// run is the whole program but for the process: it returns the exit code.
func run(args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	ctx, signals := watchSignals(context.Background())
	defer signals.stop()
	s := newSession(stdin, stdout, stderr)
	s.asked, s.hangup = signals.progress, signals.hangup
	words := args[1:]
	if filepath.Base(args[0]) == helperName {
		var isToDo bool
		if words, isToDo = helperWords(words); !isToDo {
			return 0
		}
	}
	res, err := s.execute(ctx, words)
	if s.answered == nil {
		return s.report(ctx, res, err)
	}
	if err == nil {
		return *s.answered
	}
	p := s.page(s.stderr.w)
	s.failure(p, err)
	s.tell(p)
	return exitCode(err)
}

// execute parses the words and runs the command that they name.
func (s *session) execute(ctx context.Context, words []string) (res result, err error) {
	s.words, s.json = words, wantsJSON(words)
	s.settle(words)
	commands := commands(s)
	globals := s.globals.flags()
	line, err := arrange(words, globals, commands)
	if line.command != nil {
		s.command = line.command.name
	}
	switch {
	case err != nil:
		return nil, err
	case line.help && line.command == nil:
		return overview(commands, globals), nil
	case line.help:
		return line.command.manual(globals), nil
	case line.command == nil:
		return nil, &usageError{Text: "no command is given"}
	}
	s.repoFlag = repoIn(line.words)
	app := &cli.App{
		Name:                      "varve",
		Writer:                    io.Discard, // the renderer prints
		ErrWriter:                 io.Discard,
		HideHelp:                  true,
		HideVersion:               true,
		DisableSliceFlagSeparator: true,
		Flags:                     globals,
		ExitErrHandler:            func(*cli.Context, error) {}, // only main exits
		OnUsageError:              misused,
	}
	for _, c := range commands {
		app.Commands = append(app.Commands, c.forCLI(func(ctx context.Context, args []string) error {
			if err := s.begin(c); err != nil {
				return err
			}
			res, err = c.run(ctx, args)
			return err
		}))
	}
	err = app.RunContext(ctx, append([]string{"varve"}, line.words...))
	return res, err
}
