package drill

import (
	"fmt"
	"slices"
	"time"

	"varve/disk"
	"varve/fusemount"
	"varve/internal/human"
)

// An Outcome says what a drill came to.
type Outcome string

// The outcomes, of a drill and of each part of a disk.
const (
	Passed        Outcome = "passed"
	Failed        Outcome = "failed"
	NotApplicable Outcome = "not-applicable" // nothing here can look into it
	Undone        Outcome = "undone"         // it could not be done: that proves nothing, either way
)

// A Result is what a drill came to.
type Result struct {
	Outcome Outcome
	Reasons []string // why it did not pass, the gravest first
	Table   disk.Table
	Parts   []Part
	Command *Command // nil: it was not run
	Reading Reading
	Mishaps []fusemount.Mishap // why reads and writes of the image failed
}

// A Part is what came of a part of the disk.
type Part struct {
	disk.Part
	Outcome Outcome `json:"outcome"` // empty: there is nothing in it to look at, as in swap space
	Reason  string  `json:"reason"`  // why it did not pass
	Mounted bool    `json:"mounted"` // by the kernel, and its root directory was read
	Check   *Check  `json:"check"`   // nil: there was none
}

// A Check is what the own program of a file system said of it.
type Check struct {
	Program string        `json:"program"` // with its flags: "e2fsck -f -n"
	Exit    int           `json:"exit"`
	Output  string        `json:"output"` // the last of it
	Took    time.Duration `json:"took"`
}

// A Command is what came of the command.
type Command struct {
	Exit   int           `json:"exit"`
	Output string        `json:"output"` // the last of it
	Took   time.Duration `json:"took"`
	Failed string        `json:"failed"` // why it failed; empty: it did not
}

// A Reading is how fast an image is read.
type Reading struct {
	FirstByte time.Duration // from the decision to use it to the first byte
	Sampled   int64         // bytes that were read to measure
	Rate      int64         // bytes a second; 0: there is nothing to read
	Data      int64         // bytes of the image that are not zeros
}

// Restore is how long a restore takes to read all of the image. Writing it may take longer.
func (r Reading) Restore() time.Duration {
	if r.Rate <= 0 {
		return r.FirstByte
	}
	return r.FirstByte + time.Duration(float64(r.Data)/float64(r.Rate)*float64(time.Second))
}

// judge tells what all of it comes to.
func (r *Result) judge() {
	grades := map[Outcome][]string{}
	add := func(o Outcome, format string, args ...any) {
		grades[o] = append(grades[o], fmt.Sprintf(format, args...))
	}
	r.judgeMishaps(add)
	failed := Failed
	if len(grades[Undone]) > 0 { // then nobody knows whose fault the rest is
		failed = Undone
	}
	checked := 0
	for i := range r.Parts {
		p := &r.Parts[i]
		if p.Kind.IsFileSystem() && p.Outcome == Passed {
			checked++
		}
		switch p.Outcome {
		case "", Passed:
		case Failed:
			add(failed, "%s: %s", p.Words(), p.Reason)
		default:
			add(p.Outcome, "%s: %s", p.Words(), p.Reason)
		}
	}
	if r.Command != nil && r.Command.Failed != "" {
		add(failed, "the command %s", r.Command.Failed)
	}
	if checked == 0 && len(grades) == 0 {
		add(NotApplicable, "there is no file system on the disk")
	}
	r.Outcome = Passed
	for _, o := range []Outcome{Failed, Undone, NotApplicable} {
		if len(grades[o]) > 0 && r.Outcome == Passed {
			r.Outcome = o
		}
		r.Reasons = append(r.Reasons, grades[o]...)
	}
}

// judgeMishaps judges what the image did to those who used it. Whatever they made of it, lost bytes are lost.
func (r *Result) judgeMishaps(add func(o Outcome, format string, args ...any)) {
	of := func(kind fusemount.MishapKind) []fusemount.Mishap {
		return slices.DeleteFunc(slices.Clone(r.Mishaps), func(t fusemount.Mishap) bool { return t.Kind != kind })
	}
	if lost := of(fusemount.Lost); len(lost) > 0 {
		more := ""
		if len(lost) > 1 {
			more = fmt.Sprintf(", and %d more places", len(lost)-1)
		}
		add(Failed, "stored data is damaged: %s at byte %d of the image (%s)%s", human.Size(lost[0].Length), lost[0].Offset, lost[0].Cause, more)
	}
	if bad := of(fusemount.Unreadable); len(bad) > 0 {
		add(Undone, "the image could not be read at byte %d: %s", bad[0].Offset, bad[0].Cause)
	}
	if full := of(fusemount.Full); len(full) > 0 {
		add(Undone, "%s", full[0].Cause)
	}
}
