package hostlimit

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"strconv"
	"sync"
	"time"
)

const (
	// glance is the time between two looks at the pressure; the kernel computes it
	// anew every two seconds.
	glance = time.Second
	// calm is the part of the limit below which reading goes on. Right at the limit
	// it would start and stop every second.
	calm = 0.75
	// longPause is how long reading pauses before that is worth a warning.
	longPause = 10 * time.Minute
)

// gauge tells whether the disks are pressed too hard to read on.
type gauge struct {
	limit float64
	read  func() ([]byte, error)
	log   *slog.Logger

	mu     sync.Mutex
	blind  bool      // the kernel does not tell
	looked time.Time // last
	high   bool
	since  time.Time // it is high
	warned bool      // that it has been high for long
}

// wait returns when the pressure is bearable, or ctx has ended.
func (g *gauge) wait(ctx context.Context) error {
	if g.limit <= 0 {
		return ctx.Err()
	}
	for g.isHigh(time.Now()) {
		if err := sleep(ctx, glance); err != nil {
			return err
		}
	}
	return ctx.Err()
}

func (g *gauge) isHigh(now time.Time) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.blind || now.Sub(g.looked) < glance {
		return g.high
	}
	g.looked = now
	some, err := g.look()
	if err != nil {
		g.blind, g.high = true, false
		g.say(err)
		return false
	}
	was := g.high
	if was {
		g.high = some >= calm*g.limit
	} else {
		g.high = some > g.limit
	}
	switch {
	case g.high && !was:
		g.since, g.warned = now, false
		g.log.Info("the disks of this host are busy, reading pauses", "pressure", some, "limit", g.limit)
	case !g.high && was:
		g.log.Info("reading goes on", "pressure", some, "paused", now.Sub(g.since).Round(time.Second))
	case g.high && !g.warned && now.Sub(g.since) >= longPause:
		g.warned = true
		g.log.Warn("reading has paused for long, because the disks of this host are busy",
			"paused", now.Sub(g.since).Round(time.Second), "pressure", some, "limit", g.limit)
	}
	return g.high
}

func (g *gauge) look() (float64, error) {
	data, err := g.read()
	if err != nil {
		return 0, err
	}
	return parsePressure(data)
}

// say tells, once, that there is nothing to go by.
func (g *gauge) say(err error) {
	if errors.Is(err, fs.ErrNotExist) {
		g.log.Info("this kernel does not tell how busy the disks are (no " + pressures + "): reading never pauses for it")
		return
	}
	g.log.Warn("how busy the disks are is not known: reading never pauses for it", "error", err)
}

// parsePressure reads "some avg10" of a file in /proc/pressure: percent of the time.
func parsePressure(data []byte) (float64, error) {
	for line := range bytes.Lines(data) {
		fields := bytes.Fields(line)
		if len(fields) < 2 || string(fields[0]) != "some" {
			continue
		}
		for _, field := range fields[1:] {
			text, ok := bytes.CutPrefix(field, []byte("avg10="))
			if !ok {
				continue
			}
			some, err := strconv.ParseFloat(string(text), 64)
			if err != nil || !(some >= 0 && some <= 100) {
				return 0, fmt.Errorf("pressure of %q percent", text)
			}
			return some, nil
		}
	}
	return 0, fmt.Errorf("no pressure in %.60q", data)
}
