package hostlimit

import (
	"encoding/json"
	"fmt"

	"varve/internal/process"
)

// Holder says who has a slot, or waits for one.
type Holder struct {
	process.Identity
	Volume string `json:"volume"`
}

func (h Holder) String() string {
	if h == (Holder{}) {
		return "a process that left no word"
	}
	return h.Doing(h.Command + " of " + h.Volume)
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
