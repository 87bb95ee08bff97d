package hook

import (
	"bufio"
	"bytes"
	"io"
	"time"
)

// WithGrace is a Runner that is less patient with commands that do not end.
func WithGrace(r Runner, d time.Duration) Runner {
	r.grace = d
	return r
}

// Environment is that of a hook.
var Environment = environment

// ReadOrder reads an order and writes it again.
func ReadOrder(data []byte) (again []byte, err error) {
	var o order
	if err := readLine(bufio.NewReader(bytes.NewReader(data)), &o); err != nil {
		return nil, err
	}
	var out bytes.Buffer
	err = writeLine(&out, o)
	return out.Bytes(), err
}

// WriteOrder is what a guardian reads.
func WriteOrder(w io.Writer, freeze, thaw string, limit time.Duration) error {
	return writeLine(w, order{Freeze: freeze, Thaw: thaw, Limit: limit, Grace: time.Second})
}

// ReadAnswer reads an answer and makes an error of it.
func ReadAnswer(data []byte) (error, error) {
	var a answer
	if err := readLine(bufio.NewReader(bytes.NewReader(data)), &a); err != nil {
		return nil, err
	}
	return a.err("command", time.Second), nil
}
