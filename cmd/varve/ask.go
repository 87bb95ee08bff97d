package main

import (
	"bufio"
	"fmt"
	"strings"
)

// ask tells a person what is going to be done, and has something typed that says that it is meant. Near is what to type
// where nobody can answer.
func (s *session) ask(what, typed, near string) (answer string, err error) {
	if !isTerminal(s.stdin) {
		return "", &usageError{Text: what + " That is asked for, and there is nobody to answer", Near: near, Command: s.command}
	}
	_, _ = fmt.Fprintf(s.stderr, "%s Type %s: ", what, typed)
	line, err := bufio.NewReader(s.stdin).ReadString('\n')
	if err != nil {
		return "", fmt.Errorf("read the answer: %w", err)
	}
	return strings.TrimRight(line, "\r\n"), nil
}

// notMeant is what comes of any other answer.
func (s *session) notMeant(answer, meant string) error {
	return &usageError{Text: fmt.Sprintf("%q is not %s: nothing was done", answer, meant), Command: s.command}
}
