package main

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
)

// A renderer puts out how a command ended.
type renderer interface {
	render(o outcome) error
}

// outcome is how a command ended.
type outcome struct {
	result result // nil: there is none
	err    error
	code   int
}

// A verdictResult is what was asked for, and has an exit code of its own.
type verdictResult interface{ exitStatus() int }

// A lastingResult is of something that was done, and stands, whoever can be told of it.
type lastingResult interface{ lasting() string }

// report puts out how the session ended, and returns the exit code.
func (s *session) report(ctx context.Context, res result, err error) int {
	o := outcome{result: res, err: err, code: exitCode(err)}
	if judged, is := res.(verdictResult); is && err == nil {
		o.code = judged.exitStatus()
	}
	if sig := interruption(ctx); err != nil && sig != nil && o.code == exitFailed {
		o.err, o.code = sig, sig.code()
	}
	if o.err != nil && s.command == checkName {
		o.result, o.code = cannotTell(o.err, hint(o.err, s.about)), pluginUnknown
	}
	var r renderer = textRenderer{s}
	if s.json {
		r = jsonRenderer{s}
	}
	if err := r.render(o); err != nil {
		return s.untold(o, err)
	}
	return o.code
}

// untold says that the result could not be written, and what of it stands all the same.
// It returns the exit code.
func (s *session) untold(o outcome, err error) int {
	p := s.page(s.stderr.w)
	p.line("%s write the result: %v", p.red("varve:"), err)
	switch done, is := o.result.(lastingResult); {
	case is:
		p.line("  good   %s", done.lasting())
	case o.err == nil:
		p.line("  good   what was to be done is done")
	}
	if s.json && o.err != nil { // which was to be in the document
		s.failure(p, o.err)
	}
	s.tell(p)
	if s.command == checkName {
		return pluginUnknown
	}
	return max(o.code, exitFailed)
}

type textRenderer struct{ s *session }

func (r textRenderer) render(o outcome) (err error) {
	if o.result != nil && (!r.s.globals.quiet || r.s.asks || o.code != 0) {
		p := r.s.page(r.s.stdout)
		o.result.print(p)
		err = p.writeTo(r.s.stdout)
	}
	if o.err == nil || r.s.command == checkName { // whose result has told it
		return err
	}
	p := r.s.page(r.s.stderr.w)
	r.s.failure(p, o.err)
	return errors.Join(err, p.writeTo(r.s.stderr))
}

// failure is one block: what was being done, why it failed, what is still good,
// and what to type next.
func (s *session) failure(p *page, err error) {
	var misuse *usageError
	var sig *signalError
	var several *severalError
	switch {
	case errors.As(err, &several): // of which each has been told
		p.line("%s %s: %s", p.red("varve:"), s.subject(), strings.ReplaceAll(err.Error(), "\n", "; "))
	case errors.As(err, &misuse):
		p.line("%s %s", p.red("varve"+prefixed(" ", misuse.Command)+":"), misuse.Text)
		if misuse.Usage != "" {
			p.line("  usage  %s", misuse.Usage)
		}
	case errors.As(err, &sig):
		p.line("%s %s was %s", p.red("varve:"), s.subject(), sig.Error())
	default:
		p.line("%s %s %s", p.red("varve:"), s.subject(), verdict(err))
		p.line("  why    %s", strings.ReplaceAll(why(err), "\n", "; "))
	}
	if s.good != "" {
		p.line("  good   %s", s.good)
	}
	if s.bad != "" {
		p.line("  bad    %s", s.bad)
	}
	if next := hint(err, s.about); next != "" {
		p.line("  next   %s", next)
	}
}

// why says what an error is about. Findings stand in the result already.
func why(err error) string {
	if findings := new(findingsError); errors.As(err, &findings) {
		return formatCount(len(findings.Texts), "finding") + ", above"
	}
	return err.Error()
}

// verdict says in a word how an operation that was not interrupted ended.
func verdict(err error) string {
	switch exitCode(err) {
	case exitDamage:
		return "found trouble"
	case exitBusy:
		return "could not begin"
	}
	return "failed"
}

// subject is what a failure is a failure of.
func (s *session) subject() string {
	if s.doing != "" {
		return s.doing
	}
	return s.command
}

func prefixed(prefix, text string) string {
	if text == "" {
		return ""
	}
	return prefix + text
}

func suffixed(text, suffix string) string {
	if text == "" {
		return ""
	}
	return text + suffix
}

type jsonRenderer struct{ s *session }

// document is everything that --json prints. Its fields are API.
type document struct {
	Varve    int        `json:"varve"`   // the version of this form
	Command  *string    `json:"command"` // null: none was named
	OK       bool       `json:"ok"`
	Exit     int        `json:"exit"`
	Error    *jsonError `json:"error"`
	Warnings []string   `json:"warnings"`
	Result   result     `json:"result"`
}

type jsonError struct {
	Message string `json:"message"`
	Hint    string `json:"hint"`
}

func (r jsonRenderer) render(o outcome) error {
	d := document{
		Varve: 1, OK: o.code == 0, Exit: o.code,
		Warnings: r.s.warnings.list(), Result: o.result,
	}
	if o.err != nil {
		d.Error = &jsonError{Message: o.err.Error(), Hint: hint(o.err, r.s.about)}
	}
	if r.s.command != "" {
		d.Command = &r.s.command
	}
	enc := json.NewEncoder(r.s.stdout)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	return enc.Encode(d)
}
