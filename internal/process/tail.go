package process

import (
	"cmp"
	"strings"
	"sync"
)

// MaxTail is how many bytes a [Tail] keeps that says nothing else.
const MaxTail = 4 << 10

// A Tail keeps the last of what is written to it, as that of a program's output. It is
// safe for concurrent use.
type Tail struct {
	Max int // bytes that are kept; 0: MaxTail

	mu   sync.Mutex
	data []byte
}

// Write implements [io.Writer]. It takes everything.
func (t *Tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	n, most := len(p), cmp.Or(t.Max, MaxTail)
	p = p[max(0, n-most):]
	keep := min(len(t.data), most-len(p))
	t.data = append(t.data[:copy(t.data, t.data[len(t.data)-keep:])], p...)
	return n, nil
}

// String is what was kept, as text.
func (t *Tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return strings.ToValidUTF8(string(t.data), "�")
}
