package main

import (
	"testing"
	"time"
)

// The last line of status says what a scheduler does, also before it knows what there is.
func TestSchedulerInWords(t *testing.T) {
	t.Parallel()
	since, beat := statusNow.Add(-50*time.Second), statusNow
	for name, c := range map[string]struct {
		is   judgedDaemon
		want string
	}{
		"that just began": {
			judgedDaemon{State: "up", PID: known[int]{812}, Since: &since, Heartbeat: &beat},
			"up 50s (pid 812), looks for what there is, heartbeat Tue 24 Nov 03:12",
		},
		"that is busy": {
			judgedDaemon{State: "up", PID: known[int]{812}, Since: &since, Heartbeat: &beat, Slots: known[int]{2}, Busy: 1, Waiting: 3},
			"up 50s (pid 812), 1 of 2 slots busy, 3 waiting, heartbeat Tue 24 Nov 03:12",
		},
		"that was stopped": {
			judgedDaemon{State: "stopped", Since: &since, Heartbeat: &beat},
			"stopped since Tue 24 Nov 03:11, heartbeat Tue 24 Nov 03:12",
		},
	} {
		if got := c.is.inWords(&page{now: statusNow}); got != c.want {
			t.Errorf("one %s:\n%s\nwant\n%s", name, got, c.want)
		}
	}
}
