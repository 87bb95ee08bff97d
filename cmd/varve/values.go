package main

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"varve/internal/human"
	"varve/repository"
	"varve/revision"
)

// What people type is parsed here, once; all of these are flag.Values, so that
// urfave/cli names the flag in an error.

// size is a number of bytes: 4096, 200MiB, 10G, 5GB.
type size int64

// Set implements [flag.Value].
func (n *size) Set(text string) error {
	bytes, err := human.ParseSize(text)
	if err == nil {
		*n = size(bytes)
	}
	return err
}

func (n *size) String() string {
	if *n == 0 {
		return ""
	}
	return human.Size(int64(*n))
}

// amount is a size that is not 0.
type amount size

// Set implements [flag.Value].
func (n *amount) Set(text string) error {
	var bytes size
	if err := bytes.Set(text); err != nil {
		return err
	}
	if bytes == 0 {
		return &human.ValueError{Text: text, Want: "want a size that is not 0"}
	}
	*n = amount(bytes)
	return nil
}

func (n *amount) String() string { return (*size)(n).String() }

// duration is a time span: 90s, 15m, 6h, 7d, 4w.
type duration time.Duration

// Set implements [flag.Value].
func (d *duration) Set(text string) error {
	span, err := human.ParseDuration(text)
	if err == nil {
		*d = duration(span)
	}
	return err
}

func (d *duration) String() string {
	if *d == 0 {
		return ""
	}
	return formatDuration(time.Duration(*d))
}

// extent is a range of bytes, OFF+LEN: 8GiB+4096.
type extent struct {
	given bool
	repository.Extent
}

// Set implements [flag.Value].
func (e *extent) Set(text string) error {
	offset, length, found := strings.Cut(text, "+")
	var o, n size
	if !found || o.Set(offset) != nil || n.Set(length) != nil {
		return &human.ValueError{Text: text, Want: "want OFFSET+LENGTH, such as 8GiB+4096"}
	}
	if n == 0 {
		return &human.ValueError{Text: text, Want: "the length is 0"}
	}
	if int64(o) > math.MaxInt64-int64(n) {
		return &human.ValueError{Text: text, Want: "that is too much"}
	}
	*e = extent{given: true, Extent: repository.Extent{Offset: int64(o), Length: int64(n)}}
	return nil
}

func (e *extent) String() string {
	if e == nil || !e.given {
		return ""
	}
	return fmt.Sprintf("%d+%d", e.Offset, e.Length)
}

// percent is a part of a hundred: 5%, 12.5%.
type percent float64

// Set implements [flag.Value].
func (n *percent) Set(text string) error {
	number, err := human.ParsePercent(text)
	if err == nil {
		*n = percent(number)
	}
	return err
}

func (n *percent) String() string { return strconv.FormatFloat(float64(*n), 'f', -1, 64) + "%" }

// count is a number of things.
type count uint

// Set implements [flag.Value].
func (n *count) Set(text string) error {
	number, err := strconv.ParseUint(text, 10, strconv.IntSize-1)
	if err != nil || number == 0 {
		return &human.ValueError{Text: text, Want: "want a number such as 20; --all is all"}
	}
	*n = count(number)
	return nil
}

func (n *count) String() string {
	if *n == 0 {
		return ""
	}
	return strconv.FormatUint(uint64(*n), 10)
}

// partitionFlag is the number of a partition; 0 is the disk as a whole.
type partitionFlag struct {
	given  bool
	number int
}

// Set implements [flag.Value].
func (n *partitionFlag) Set(text string) error {
	number, err := strconv.Atoi(text)
	if err != nil || number < 0 {
		return &human.ValueError{Text: text, Want: "want the number of a partition, or 0 for the disk as a whole"}
	}
	*n = partitionFlag{given: true, number: number}
	return nil
}

func (n *partitionFlag) String() string {
	if n == nil || !n.given {
		return ""
	}
	return strconv.Itoa(n.number)
}

// shellCommand is a command for a shell, which is not nothing: that would always succeed.
type shellCommand string

// Set implements [flag.Value].
func (c *shellCommand) Set(text string) error {
	if strings.TrimSpace(text) == "" {
		return &human.ValueError{Text: text, Want: "want a command"}
	}
	*c = shellCommand(text)
	return nil
}

func (c *shellCommand) String() string { return string(*c) }

// tags is a list of tags, one for each time that the flag is given.
type tags []string

// Set implements [flag.Value].
func (t *tags) Set(text string) error {
	if err := revision.CheckTag(text); err != nil {
		return err
	}
	if !slices.Contains(*t, text) { // twice is once
		*t = append(*t, text)
	}
	return nil
}

func (t *tags) String() string { return strings.Join(*t, " ") }

// moment is a time in the past: a day, a minute, or how long ago it was.
type moment struct {
	time.Time
	now time.Time // with the zone of what is typed
}

// Set implements [flag.Value].
func (m *moment) Set(text string) error {
	t, err := revision.ParseTime(text, m.now, m.now.Location())
	if err != nil {
		return err
	}
	m.Time = t.At
	return nil
}

func (m *moment) String() string {
	if m == nil || m.IsZero() {
		return ""
	}
	return m.Format(time.RFC3339)
}
