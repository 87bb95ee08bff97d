package scheduler

import (
	"encoding/json"
	"time"

	"varve/internal/process"
	"varve/revision"
)

// A Request is what somebody asks of a scheduler. It is one line of JSON over its socket,
// and so is the [Answer]. Fields are added, never changed.
type Request struct {
	Varve  int           `json:"varve"` // the version of this form: 1
	Do     Action        `json:"do"`
	Names  []string      `json:"names,omitempty"`  // of volumes, of sets and kinds of maintenance
	For    time.Duration `json:"for,omitempty"`    // nanoseconds
	Config *Config       `json:"config,omitempty"` // that who asks goes by, without its text; nil: whatever the scheduler does
}

// An Action is what is asked for. The values are API.
type Action string

// What can be asked for.
const (
	AskStatus Action = "status"
	AskRun    Action = "run"    // Names, now, whatever is due
	AskCancel Action = "cancel" // the runs of Names
	AskPause  Action = "pause"  // nothing is begun, For so long
	AskResume Action = "resume"
	AskReload Action = "reload"
	AskConfig Action = "config" // by its owner, or root
	AskReport Action = "report" // how safe all volumes are, or the one of Names
)

const protocolVersion = 1

// An Answer is what a scheduler says to a request.
type Answer struct {
	Varve  int             `json:"varve"`
	Error  string          `json:"error,omitempty"` // why it was not done; empty: it was
	Done   []Key           `json:"done,omitempty"`  // what is run, or called off
	Status *Status         `json:"status,omitempty"`
	Config *Config         `json:"config,omitempty"`
	Report json.RawMessage `json:"report,omitempty"` // as [Options].Report made it
}

// A Config is the configuration that a scheduler goes by, whatever its file says now.
type Config struct {
	Path    string    `json:"path"` // absolute
	Text    []byte    `json:"text,omitempty"`
	Changed time.Time `json:"changed"` // the file, when that was read
}

// IsSame tells whether both are one file, as it was at one time.
func (c Config) IsSame(other Config) bool {
	return c.Path == other.Path && c.Changed.Equal(other.Changed)
}

// A Status is how a scheduler is.
type Status struct {
	Process   process.Identity `json:"process"`
	Heartbeat time.Time        `json:"heartbeat"`
	Slots     int              `json:"slots"`                 // backups at a time
	Busy      int              `json:"busy"`                  // of them
	Window    time.Time        `json:"window,omitzero"`       // when the last window closes that is open; zero: none is, or none closes
	Paused    time.Time        `json:"paused_until,omitzero"` // zero: it is not
	Broken    string           `json:"broken,omitempty"`      // what is wrong with the configuration as it is now; the one before holds
	Blind     string           `json:"blind,omitempty"`       // why nothing new is known of the world; empty: it is
	Running   []RunStatus      `json:"running"`
	Waiting   []Key            `json:"waiting"` // what is due and waits for its turn, in order
	Failing   []Failing        `json:"failing"`
	Tasks     int              `json:"tasks"`
}

// A RunStatus is a run under way.
type RunStatus struct {
	Key     Key             `json:"task"`
	Volumes []revision.Name `json:"volumes"`
	Begun   time.Time       `json:"begun"`
	Usual   float64         `json:"usual,omitempty"` // seconds that it takes; 0: not known
}

// A Failing is a task whose last try failed.
type Failing struct {
	Key      Key       `json:"task"`
	Failures int       `json:"failures"`
	Tried    time.Time `json:"tried"`
	Again    time.Time `json:"again,omitzero"` // when it is tried again; zero: at once, or when it is due
	Error    string    `json:"error"`
}
