package hostlimit

import (
	"encoding/json"
	"fmt"
	"os"
	"os/user"
	"strconv"
	"time"
)

// Holder says who has a slot, or waits for one.
type Holder struct {
	Command string    `json:"command"` // "backup"
	Volume  string    `json:"volume"`
	PID     int       `json:"pid"`
	Host    string    `json:"host"`
	User    string    `json:"user"`
	Since   time.Time `json:"since"`
}

func (h Holder) String() string {
	if h == (Holder{}) {
		return "a process that left no word"
	}
	return fmt.Sprintf("%s of %s (pid %d on %s, user %s, since %s)",
		h.Command, h.Volume, h.PID, h.Host, h.User, h.Since.Local().Format(time.DateTime))
}

// here fills in what the caller left out: that it is this process, now.
func (h Holder) here() Holder {
	if h.Command == "" {
		h.Command = "varve"
	}
	if h.PID == 0 {
		h.PID = os.Getpid()
	}
	if h.Host == "" {
		h.Host, _ = os.Hostname() // empty where the kernel does not tell
	}
	if h.User == "" {
		h.User = strconv.Itoa(os.Getuid())
		if u, err := user.Current(); err == nil {
			h.User = u.Username
		}
	}
	if h.Since.IsZero() {
		h.Since = time.Now().UTC().Truncate(time.Second)
	}
	return h
}

// maxHolder bounds what is read, and written, of who holds something.
const maxHolder = 4 << 10

func encodeHolder(h Holder) ([]byte, error) {
	data, err := json.Marshal(h)
	if err == nil && len(data) > maxHolder {
		return nil, fmt.Errorf("the name of a volume is %d bytes long", len(h.Volume))
	}
	return data, err
}

// decodeHolder reads what a file says; the zero Holder if it says nothing.
func decodeHolder(data []byte) Holder {
	var h Holder
	if json.Unmarshal(data, &h) != nil {
		return Holder{}
	}
	return h
}
