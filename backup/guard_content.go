package backup

import (
	"slices"

	"varve/internal/human"
	"varve/repository"
	"varve/revision"
)

// filled counts the chunks that are not zeros, in the regions that both have: of the parent, and of the volume now.
type filled struct{ before, now int }

// Of the data there was, a tenth has to be left, and of its size; few chunks come and go.
const (
	leftTenth = 10
	leftFew   = 16
)

// warnAboutSource says what a person should know of the source.
func (c *creation) warnAboutSource() {
	st, parent := c.result.Statement, c.result.Parent
	if st.Consistency == revision.Live {
		c.warn("the source was in use while it was read (%s): what was written meanwhile may be torn; "+
			"back up a snapshot of it (lvcreate --snapshot), or have hooks freeze what writes", st.Reason)
	}
	told := c.alarmOfLoss()
	switch {
	case parent == nil:
	case st.Size > parent.Size:
		c.warn("the source grew by %s since %s", human.Size(int64(st.Size-parent.Size)), parent.ID.Short())
	case st.Size < parent.Size && !told:
		c.warn("the source shrank by %s since %s", human.Size(int64(parent.Size-st.Size)), parent.ID.Short())
	}
}

// alarmOfLoss says so if nearly nothing is left of what the source held: the disk may be the right one, and emptied
// by mistake. Of a source that is nothing but zeros it says so each time, as long as there is a revision with data.
func (c *creation) alarmOfLoss() bool {
	revisions := c.backup.Revisions()
	st, newest := c.result.Statement, newestOf(revisions, nil)
	if newest == nil || c.opts.SourceChanged {
		return false
	}
	held := newestOf(revisions, func(st *revision.Statement) bool { return st.Statistics.ChangedChunks > st.Statistics.ZeroChunks })
	switch {
	case c.filled.now == 0 && held != nil && st.Size == 0:
		c.alarm("THE SOURCE IS EMPTY: %s has %s of it", held.ID.Short(), human.Size(int64(held.Size)))
	case c.filled.now == 0 && held != nil:
		c.alarm("THE SOURCE HOLDS NOTHING BUT ZEROS: %s is the newest that got data of it", held.ID.Short())
	case st.Size < newest.Size/leftTenth:
		c.alarm("THE SOURCE LOST NEARLY ALL OF ITS SIZE: it has %s, and had %s in %s",
			human.Size(int64(st.Size)), human.Size(int64(newest.Size)), newest.ID.Short())
	case c.filled.before >= leftFew && c.filled.now < c.filled.before/leftTenth:
		c.alarm("THE SOURCE LOST NEARLY ALL OF ITS DATA: of %d chunks, %d are not zeros now; the revision before is %s",
			c.filled.before, c.filled.now, newest.ID.Short())
	default:
		return false
	}
	return true
}

// newestOf is the newest statement that is as wanted (nil: any is), of those that can be read; nil: there is none.
func newestOf(revisions []repository.Revision, wanted func(*revision.Statement) bool) *revision.Statement {
	for _, rev := range slices.Backward(revisions) {
		if rev.Statement != nil && (wanted == nil || wanted(rev.Statement)) {
			return rev.Statement
		}
	}
	return nil
}
