package hook

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"time"
)

// Guard is the whole of a guardian: it reads an order from in, freezes, says so on
// out, and thaws when it is told to or when in ends. No signal that can be caught
// ends it. The error is for nobody but those who see what the process says last:
// what happened, and could not be told to its parent, because that is gone.
//
// Until the source is thawed it writes nothing but its answer: whatever else it
// wrote to could be what is frozen.
func Guard(in io.Reader, out io.Writer) error {
	signal.Notify(make(chan os.Signal, 1)) // caught rather than ignored: hooks would inherit that
	lines := bufio.NewReader(in)
	var o order
	switch err := readLine(lines, &o); {
	case errors.Is(err, io.EOF):
		return nil // nothing was begun
	case err != nil:
		return fmt.Errorf("read what to guard: %w", err)
	}
	told := make(chan struct{})
	go func() {
		defer close(told)
		_, _ = lines.ReadByte() // a word, or the end
	}()
	output, err := o.command(Freeze, o.Freeze).run(context.Background())
	_ = writeLine(out, newAnswer(Freeze, output, err)) // a parent that is gone is noticed below
	if err == nil {
		<-told
	}
	output, err = o.thaw()
	if werr := writeLine(out, newAnswer(Thaw, output, err)); werr != nil {
		return err
	}
	return nil
}

func (o order) command(hook, text string) command {
	return command{hook: hook, text: text, env: o.Env, limit: o.Limit, grace: o.Grace}
}

const (
	// maxThaws is how often thawing is tried, and minThaws how often at least, if the
	// tries take longer than one may.
	maxThaws, minThaws = 5, 2
	// firstRetry is the pause after the first try that failed; each is twice as long
	// as the one before.
	firstRetry = 250 * time.Millisecond
)

// thaw runs the hook to thaw until it succeeds, or has failed often.
func (o order) thaw() (output string, err error) {
	begun := time.Now()
	for try, pause := 1, firstRetry; ; try, pause = try+1, 2*pause {
		output, err = o.command(Thaw, o.Thaw).run(context.Background())
		if err == nil || try == maxThaws || try >= minThaws && time.Since(begun) > o.Limit {
			return output, err
		}
		time.Sleep(pause)
	}
}
