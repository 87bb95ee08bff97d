package hook

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"
)

// maxMessage bounds a line between a guardian and its parent.
const maxMessage = 1 << 20

// order is the first line that a guardian reads. Anything after it, be it the end,
// means that it is time to thaw.
type order struct {
	Freeze string        `json:"freeze"`
	Thaw   string        `json:"thaw"`
	Env    []string      `json:"env"`
	Limit  time.Duration `json:"limit"`
	Grace  time.Duration `json:"grace"`
}

// answer is a line that a guardian writes: one after the freeze, one after the thaw.
type answer struct {
	Hook     string `json:"hook"`
	Failed   string `json:"failed,omitempty"` // empty: it did not
	TimedOut bool   `json:"timed_out,omitempty"`
	Output   string `json:"output,omitempty"`
}

// readLine reads a line of JSON. A line without its end was never finished: io.EOF.
func readLine(r *bufio.Reader, into any) error {
	var line []byte
	for {
		part, err := r.ReadSlice('\n')
		line = append(line, part...)
		switch {
		case len(line) > maxMessage:
			return fmt.Errorf("a message of more than %d bytes", maxMessage)
		case errors.Is(err, bufio.ErrBufferFull):
			continue
		case err != nil:
			return err
		}
		return json.Unmarshal(line, into)
	}
}

func writeLine(w io.Writer, message any) error {
	data, err := json.Marshal(message)
	if err != nil {
		return err
	}
	_, err = w.Write(append(data, '\n'))
	return err
}

// newAnswer says how a hook went.
func newAnswer(hook, output string, err error) answer {
	a := answer{Hook: hook, Output: output}
	if err == nil {
		return a
	}
	a.Failed = err.Error()
	if e := new(Error); errors.As(err, &e) {
		a.Failed, a.Output = e.Err.Error(), e.Output
	}
	timeout := new(TimeoutError)
	a.TimedOut = errors.As(err, &timeout)
	return a
}

// err is the error that the answer tells of, with what only the parent knows.
func (a answer) err(command string, limit time.Duration) error {
	if a.Failed == "" {
		return nil
	}
	e := &Error{Hook: a.Hook, Command: command, Err: errors.New(a.Failed), Output: a.Output}
	if a.TimedOut {
		e.Err = &TimeoutError{Limit: limit}
	}
	return e
}
