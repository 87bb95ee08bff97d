package main

import (
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode"
)

// formatDuration writes how long something took.
func formatDuration(d time.Duration) string {
	switch {
	case d < 100*time.Millisecond:
		return fmt.Sprintf("%d ms", d.Milliseconds())
	case d < 9950*time.Millisecond:
		return strings.TrimSuffix(strconv.FormatFloat(d.Seconds(), 'f', 1, 64), ".0") + " s"
	case d < time.Minute:
		return strconv.FormatFloat(d.Seconds(), 'f', 0, 64) + " s"
	case d < time.Hour:
		return fmt.Sprintf("%d:%02d min", int(d.Minutes()), int(d.Seconds())%60)
	}
	return fmt.Sprintf("%d:%02d h", int(d.Hours()), int(d.Minutes())%60)
}

// formatLeft writes how long something will take: 0:11, 1:48 h.
func formatLeft(d time.Duration) string {
	if d < time.Hour {
		return fmt.Sprintf("%d:%02d", int(d.Minutes()), int(d.Seconds())%60)
	}
	return fmt.Sprintf("%d:%02d h", int(d.Hours()), int(d.Minutes())%60)
}

// formatAge writes how long ago something was.
func formatAge(d time.Duration) string {
	switch {
	case d < time.Minute:
		return "now"
	case d < time.Hour:
		return fmt.Sprintf("%dm", int(d.Minutes()))
	case d < 48*time.Hour:
		return fmt.Sprintf("%dh", int(d.Hours()))
	}
	return fmt.Sprintf("%dd", int(d.Hours())/24)
}

// farOff is the age from which on a time needs its year.
const farOff = 300 * 24 * time.Hour

func isFarOff(t, now time.Time) bool { return now.Sub(t) > farOff || t.Sub(now) > farOff }

// formatTime writes a moment in the zone of now.
func formatTime(t, now time.Time) string {
	t = t.In(now.Location())
	if isFarOff(t, now) {
		return t.Format("_2 Jan 2006 15:04:05")
	}
	return t.Format("Mon _2 Jan 15:04:05")
}

// inProse is a moment within a sentence, where nothing has to stand below one another.
func inProse(t, now time.Time) string {
	return strings.TrimSpace(strings.ReplaceAll(formatTime(t, now), "  ", " "))
}

// formatDay writes the day of a moment in the zone of now.
func formatDay(t, now time.Time) string {
	t = t.In(now.Location())
	if isFarOff(t, now) {
		return t.Format("2 Jan 2006")
	}
	return t.Format("Mon 2 Jan")
}

// formatMinute writes a moment to the minute, in the zone of now.
func formatMinute(t, now time.Time) string {
	t = t.In(now.Location())
	if isFarOff(t, now) {
		return t.Format("_2 Jan 2006 15:04")
	}
	return t.Format("Mon _2 Jan 15:04")
}

// formatLong writes a long time in its two largest units: 24h, 3d 1h, 12m.
func formatLong(d time.Duration) string {
	if d < time.Minute {
		return fmt.Sprintf("%ds", max(int(d.Seconds()), 0))
	}
	if d < time.Hour {
		return fmt.Sprintf("%dm", int(d.Minutes()))
	}
	hours := int(d.Hours())
	switch {
	case hours < 48:
		return fmt.Sprintf("%dh", hours)
	case hours%24 == 0 || hours >= 24*100:
		return fmt.Sprintf("%dd", hours/24)
	}
	return fmt.Sprintf("%dd %dh", hours/24, hours%24)
}

// wrap breaks text between words into lines that are not wider, where words allow it.
// Blanks within a line stay as many as they are: some separate what belongs apart.
func wrap(text string, width int) []string {
	var lines []string
	line, gap := "", ""
	for _, word := range strings.Split(oneLine(text), " ") {
		switch {
		case word == "":
			gap += " "
			continue
		case line == "":
			line = word
		case textWidth(line)+len(gap)+textWidth(word) > width:
			lines, line = append(lines, line), word
		default:
			line += gap + word
		}
		gap = " "
	}
	return append(lines, line)
}

// formatCount writes "1 chunk", "391 chunks".
func formatCount[T int | int64 | uint64](n T, what string) string {
	return formatCountOf(n, what, what+"s")
}

// formatCountOf writes "1 directory", "391 directories".
func formatCountOf[T int | int64 | uint64](n T, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return group(strconv.FormatInt(int64(n), 10)) + " " + many
}

// formatThey writes "1 map was", "2 maps were".
func formatThey(n int, what, one, many string) string {
	if n == 1 {
		return formatCount(n, what) + " " + one
	}
	return formatCount(n, what) + " " + many
}

// formatBytes writes an exact number of bytes: 41,220,096.
func formatBytes(n int64) string { return group(strconv.FormatInt(n, 10)) }

func group(digits string) string {
	for i := len(digits) - 3; i > 0 && digits[i-1] != '-'; i -= 3 {
		digits = digits[:i] + "," + digits[i:]
	}
	return digits
}

// quote writes text of unknown origin so that its ends can be seen.
func quote(text string) string { return strconv.Quote(text) }

// harmless replaces what would make a terminal do something.
func harmless(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) && r != '\n' || unicode.Is(unicode.Bidi_Control, r) {
			return '?'
		}
		return r
	}, text)
}
