package main

import (
	"encoding/json"
	"fmt"
	"strings"

	"varve/job"
	"varve/revision"
	"varve/scheduler"
)

// answeredRun is what a process of ours printed, as far as a scheduler wants to know it.
type answeredRun struct {
	Exit  int        `json:"exit"`
	Error *jsonError `json:"error"`

	Warnings []string        `json:"warnings"`
	Result   json.RawMessage `json:"result"`
}

// answeredBackup is the result of a backup of one volume.
type answeredBackup struct {
	Revision revision.ID `json:"revision"`
	Read     int64       `json:"read"`
	Stored   int64       `json:"stored"`
}

// answeredNight is the result of a backup of several.
type answeredNight struct {
	Volumes []struct {
		Volume revision.Name   `json:"volume"`
		Error  *jsonError      `json:"error"`
		Result *answeredBackup `json:"result"`
	} `json:"volumes"`
}

// readRun tells how a process of ours ended, by what it printed. Who printed nothing that
// can be read did not do what it was to do.
func readRun(out scheduler.Output, command string) scheduler.Result {
	res := ranResult{scheduler.Result{Exit: out.Exit}}
	var d answeredRun
	if err := json.Unmarshal(out.Stdout, &d); err != nil || out.Exit != d.Exit {
		res.Outcome, res.Error = scheduler.Failure, silence(out)
		return res.Result
	}
	res.Warnings = d.Warnings
	if d.Error != nil {
		res.Error, res.Hint = d.Error.Message, d.Error.Hint
	}
	done := true
	if command == backupName {
		done = res.readBackup(d.Result)
	}
	switch {
	case out.Exit == 0:
		res.Outcome = scheduler.OK
	case gravityOfCode(out.Exit) == job.Damaged && done:
		res.Outcome = scheduler.Findings
	case gravityOfCode(out.Exit) == job.Busy:
		res.Outcome = scheduler.Busy
	default:
		res.Outcome = scheduler.Failure
	}
	return res.Result
}

type ranResult struct{ scheduler.Result }

// readBackup adds what a backup did, of one volume or of several, and tells whether all of
// them have a revision.
func (r *ranResult) readBackup(result json.RawMessage) (done bool) {
	var one answeredBackup
	var night answeredNight
	if json.Unmarshal(result, &night) == nil && len(night.Volumes) > 0 {
		done = true
		var errors []string
		for _, v := range night.Volumes {
			if v.Error != nil {
				errors = append(errors, fmt.Sprintf("%s: %s", v.Volume, v.Error.Message))
				r.Hint = v.Error.Hint
			}
			if v.Result == nil {
				done = false
				continue
			}
			r.Read, r.Stored = r.Read+v.Result.Read, r.Stored+v.Result.Stored
		}
		if len(errors) > 0 {
			r.Error = strings.Join(errors, "; ")
		}
		return done
	}
	if json.Unmarshal(result, &one) != nil || one.Revision == "" {
		return false
	}
	r.Revision, r.Read, r.Stored = one.Revision, one.Read, one.Stored
	return true
}

// silence is why a process gave no answer.
func silence(out scheduler.Output) string {
	text := fmt.Sprintf("its process ended with %d and without an answer", out.Exit)
	switch {
	case out.Err != nil:
		text = "its process: " + out.Err.Error()
	case out.Cut:
		text = "its answer is too long"
	}
	lines := strings.Split(strings.TrimSpace(out.Stderr), "\n")
	return text + prefixed("; it said: ", strings.TrimSpace(lines[len(lines)-1]))
}
