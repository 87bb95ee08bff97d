package notify

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"time"
)

// Options say who is told, and how. What is empty is not.
type Options struct {
	Command   string        // for /bin/sh
	Webhook   string        // a URL of http or https
	Email     []string      // addresses
	From      string        // the address that e-mail is from
	Server    string        // host:port of the server that takes e-mail; empty: the host's own sendmail does
	User      string        // who logs in there; empty: nobody does
	Password  string        // the file that has it
	Heartbeat string        // a URL that is called where nothing is critical
	Again     time.Duration // what is critical is told again after that
	Timeout   time.Duration // of each try to reach a channel

	StateDir   string // where what was told is kept
	Host       string // this one's name
	Repository string

	pauses   []time.Duration // between the tries of a webhook; nil: pauses
	sendmail string          // empty: sendmail
	roots    *x509.CertPool  // who is believed to be a server; nil: those of this host
}

// IsWanted tells whether anybody is to be told anything.
func (o Options) IsWanted() bool { return len(o.channels()) > 0 || o.Heartbeat != "" }

// A Situation is what is wrong at a moment.
type Situation struct {
	Now      time.Time // in the zone of those who are told
	Troubles []Trouble
	Partial  bool // there may be others: nothing is over
}

// A channel takes messages. An error says that it did not take one; a [*partError], that it
// did for some.
type channel struct {
	name string // in the state; API of who keeps it
	send func(ctx context.Context, m *Message) error
}

// channels are those that somebody asked for.
func (o Options) channels() (all []channel) {
	if o.Command != "" {
		all = append(all, channel{"command", o.command})
	}
	if o.Webhook != "" {
		all = append(all, channel{"webhook", o.webhook})
	}
	if len(o.Email) > 0 {
		all = append(all, channel{"email", o.email})
	}
	return all
}

// Told is what came of it.
type Told struct {
	Channels []string // that took a message
	Beat     bool     // the heartbeat was called
}

// Tell tells each channel what it does not know yet, and calls the heartbeat where nothing
// is critical. It returns when all have taken it or failed; the error says which did, and
// they are told by the next call. Two calls at a time wait for each other.
func Tell(ctx context.Context, o Options, s Situation) (done Told, err error) {
	state, err := openState(ctx, o.StateDir)
	if err != nil {
		return done, fmt.Errorf("what was told cannot be kept: %w", err)
	}
	defer func() { err = errors.Join(err, state.close()) }()
	var errs []error
	if state.lost != nil {
		errs = append(errs, fmt.Errorf("what was told before cannot be read, and is told again: %w", state.lost))
	}
	next := map[string]ledger{} // of channels that nobody asks for any more, nothing is kept
	for _, c := range o.channels() {
		m, then := state.told[c.name].decide(s, o.Again)
		if !m.isEmpty() {
			o.fill(&m, s)
			err := c.send(ctx, &m)
			if err != nil {
				errs = append(errs, fmt.Errorf("%s: %w", c.name, err))
			}
			if err == nil || errors.As(err, new(*partError)) {
				done.Channels = append(done.Channels, c.name)
			} else {
				then = state.told[c.name]
			}
		}
		next[c.name] = then
	}
	errs = append(errs, state.keep(next))
	if o.Heartbeat != "" && !s.Partial && verdictOf(s.Troubles) != notSafe {
		if err := o.beat(ctx); err != nil {
			errs = append(errs, fmt.Errorf("heartbeat: %w", err))
		} else {
			done.Beat = true
		}
	}
	return done, errors.Join(errs...)
}

// Try sends each channel a message that says that somebody tries whether it arrives, and
// notes nothing down. The error says which of them did not take it.
func Try(ctx context.Context, o Options, now time.Time) (done Told, err error) {
	s := Situation{Now: now, Troubles: []Trouble{{Kind: Test, Grade: Warning, Why: "somebody tries whether messages arrive"}}}
	var errs []error
	for _, c := range o.channels() {
		m := Message{New: s.Troubles, Still: []Trouble{}, Over: []Trouble{}}
		o.fill(&m, s)
		if err := c.send(ctx, &m); err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", c.name, err))
		} else {
			done.Channels = append(done.Channels, c.name)
		}
	}
	return done, errors.Join(errs...)
}

func (o Options) fill(m *Message, s Situation) {
	m.Varve, m.Time, m.Host, m.Repository = thisForm, s.Now.Truncate(time.Second), o.Host, o.Repository
	m.Verdict, m.Open = verdictOf(s.Troubles), len(s.Troubles)
	m.summarize()
}
