package fusemount

// A Trouble is why somebody who uses an image got an error: the kernel hands on no more than its number.
type Trouble struct {
	Kind   TroubleKind `json:"kind"`
	Offset int64       `json:"offset"` // in the image, of what could not be read
	Length int64       `json:"length"`
	Cause  string      `json:"cause"`
}

// A TroubleKind says who is to blame.
type TroubleKind string

// The kinds of trouble.
const (
	Lost       TroubleKind = "lost"       // stored bytes are damaged, or gone
	Unreadable TroubleKind = "unreadable" // they could not be read, and may be whole
	Full       TroubleKind = "full"       // what was written found no room
)

// troubled tells of a trouble, if anybody wants to know.
func (m *Mounted) troubled(t Trouble) {
	if m.opts.OnTrouble != nil {
		m.opts.OnTrouble(t)
	}
}
