package config

import (
	"fmt"
	"net"
	"path"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v4"

	"varve/internal/human"
	"varve/revision"
	"varve/schedule"
	"varve/volume"
)

// What may stand at a key is read here, as it is written.

func anyText(text string) (string, error) { return text, nil }

func absolutePath(text string) (string, error) {
	if !path.IsAbs(text) {
		return "", &human.ValueError{Text: text, Want: "want an absolute path"}
	}
	return path.Clean(text), nil
}

func optionalPath(text string) (string, error) {
	if text == "" {
		return "", nil
	}
	return absolutePath(text)
}

func timeZone(text string) (*time.Location, error) {
	zone, err := time.LoadLocation(text)
	if err != nil || text == "" {
		return nil, fmt.Errorf("unknown time zone %q: want one such as Europe/Berlin or UTC", text)
	}
	return zone, nil
}

// wholeNumber reads numbers between two.
func wholeNumber(least, most int) func(text string) (int, error) {
	return func(text string) (int, error) {
		n, err := strconv.Atoi(text)
		if err != nil || n < least || n > most {
			return 0, &human.ValueError{Text: text, Want: fmt.Sprintf("want a number between %d and %d", least, most)}
		}
		return n, nil
	}
}

// decimal reads numbers between two, with a fraction or without.
func decimal(least, most float64) func(text string) (float64, error) {
	return func(text string) (float64, error) {
		n, err := strconv.ParseFloat(text, 64)
		if err != nil || strings.Trim(text, "0123456789.") != "" || n < least || n > most {
			return 0, &human.ValueError{Text: text, Want: fmt.Sprintf("want a number such as 1.5, between %v and %v", least, most)}
		}
		return n, nil
	}
}

// times reads a factor such as 10x, or never: 0.
func times(text string) (float64, error) {
	if text == "never" {
		return 0, nil
	}
	number, isFactor := strings.CutSuffix(text, "x")
	n, err := decimal(1, 1e6)(number)
	if err != nil || !isFactor {
		return 0, &human.ValueError{Text: text, Want: "want a factor from 1 on such as 10x, or never"}
	}
	return n, nil
}

// share reads a part of a whole, or never: 0.
func share(text string) (float64, error) {
	if text == "never" {
		return 0, nil
	}
	n, err := decimal(0.01, 1)(text)
	if err != nil {
		err = &human.ValueError{Text: text, Want: "want a number such as 0.95, up to 1, or never"}
	}
	return n, err
}

func percent(text string) (float64, error) {
	p, err := human.ParsePercent(text)
	if err == nil && p == 0 {
		err = &human.ValueError{Text: text, Want: "want more than 0%"}
	}
	return p, err
}

func minFree(text string) (MinFree, error) {
	if strings.HasSuffix(text, "%") {
		p, err := human.ParsePercent(text)
		return MinFree{Percent: p}, err
	}
	n, err := human.ParseSize(text)
	if err != nil {
		err = &human.ValueError{Text: text, Want: "want a percentage such as 5%, or a size such as 10GiB"}
	}
	return MinFree{Bytes: n}, err
}

func timeout(text string) (time.Duration, error) {
	span, err := human.ParseDuration(text)
	if err == nil && span == 0 {
		err = &human.ValueError{Text: text, Want: "want more than nothing"}
	}
	return span, err
}

// fullEvery reads a number of deltas, or never: 0.
func fullEvery(text string) (int, error) {
	if text == "never" {
		return 0, nil
	}
	n, err := wholeNumber(1, 10000)(text)
	if err != nil {
		err = &human.ValueError{Text: text, Want: "want a number between 1 and 10000, or never"}
	}
	return n, err
}

// listenAddress reads a port, which is one of this host alone, or a host and a port.
func listenAddress(text string) (string, error) {
	if text == "" {
		return "", nil
	}
	host, port, err := net.SplitHostPort(text)
	if err != nil && !strings.Contains(text, ":") {
		host, port, err = "127.0.0.1", text, nil
	}
	if n, perr := strconv.Atoi(port); err != nil || perr != nil || n < 1 || n > 65535 {
		return "", &human.ValueError{Text: text, Want: "want a port such as 9750, or one with a host, such as 127.0.0.1:9750"}
	}
	return net.JoinHostPort(host, port), nil
}

// pruning reads a schedule, or after-backup.
func pruning(text string) (Pruning, error) {
	if text == "after-backup" {
		return Pruning{AfterBackup: true}, nil
	}
	s, err := schedule.Parse(text)
	return Pruning{Schedule: s}, err
}

func tag(text string) (string, error) { return text, revision.CheckTag(text) }

func glob(text string) (revision.Glob, error) { return revision.ParseGlob(text) }

func excludes(v *Volume) *[]revision.Glob { return &v.exclude }

// cephUser reads the name of a user of a cluster.
func cephUser(text string) (string, error) {
	name := strings.TrimPrefix(text, "client.")
	if strings.ContainsAny(name, " \t\n") {
		return "", &human.ValueError{Text: text, Want: "want a name without blanks"}
	}
	return name, nil
}

func groupName(text string) (string, error) {
	if text == "" {
		return "", &human.ValueError{Text: text, Want: "want the name of a group"}
	}
	return text, nil
}

// source reads a location that means the same from everywhere.
func source(text string) (string, error) {
	at, err := volume.ParseLocation(text)
	switch {
	case err != nil:
		return "", err
	case at.Scheme == volume.SchemeStream:
		return "", &human.ValueError{Text: text, Want: "want a path; standard input is no source here"}
	case at.Scheme == volume.SchemeFile && !path.IsAbs(at.Path):
		return "", &human.ValueError{Text: text, Want: "want an absolute path"}
	}
	return at.String(), nil
}

// bytesPerSecond reads a rate at which there is some progress.
func bytesPerSecond(text string) (int64, error) {
	n, err := human.ParseSize(text)
	if err == nil && n == 0 {
		err = &human.ValueError{Text: text, Want: "nothing would ever be read; leave the key out for any rate"}
	}
	return n, err
}

// readRate reads one rate, or rates by windows.
func readRate(d *decoder, n *yaml.Node) func(*Limits) {
	if n.Kind != yaml.MappingNode {
		text, ok := d.text(n)
		if !ok {
			return nil
		}
		rate, err := bytesPerSecond(text)
		if err != nil {
			d.wrong(n, "%s", shortError(err, text))
		}
		return func(l *Limits) { l.Rate.parts = []ratePart{{bytes: rate}} }
	}
	var parts, last []ratePart
	for _, p := range d.pairs(n) {
		window, err := schedule.ParseWindow(p.name)
		if err != nil && p.name != "else" {
			d.wrong(p.key, "%s", shortError(fmt.Errorf("want a window such as 08:00-18:00, or else: %w", err), p.name))
			continue
		}
		text, ok := d.text(p.value)
		if !ok {
			continue
		}
		rate, err := bytesPerSecond(text)
		if err != nil {
			d.wrong(p.value, "%s", shortError(err, text))
		}
		if p.name == "else" {
			last = []ratePart{{bytes: rate}}
		} else {
			parts = append(parts, ratePart{window, rate})
		}
	}
	return func(l *Limits) { l.Rate.parts = append(parts, last...) }
}
