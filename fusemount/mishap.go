package fusemount

// A Mishap is why somebody who uses an image got an error: the kernel hands on no more than its number.
type Mishap struct {
	Kind   MishapKind `json:"kind"`
	Offset int64      `json:"offset"` // in the image, of what could not be read
	Length int64      `json:"length"`
	Cause  string     `json:"cause"`
}

// A MishapKind says who is to blame.
type MishapKind string

// The kinds of mishap.
const (
	Lost       MishapKind = "lost"       // stored bytes are damaged, or gone
	Unreadable MishapKind = "unreadable" // they could not be read, and may be whole
	Full       MishapKind = "full"       // what was written found no room
)

// met tells of a mishap, if anybody wants to know.
func (m *Mounted) met(h Mishap) {
	if m.opts.OnMishap != nil {
		m.opts.OnMishap(h)
	}
}
