package human

import (
	"strconv"
	"strings"
	"time"
)

// Size writes bytes for people, in binary units and about three digits.
func Size(n int64) string {
	if n == 1 {
		return "1 byte"
	}
	value, unit := scale(n)
	return value + " " + unit
}

var sizeUnits = []string{"bytes", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"}

// scale gives the digits and the unit of Size.
func scale(n int64) (digits, unit string) {
	value, at := float64(n), 0
	for value >= 1023.5 && at < len(sizeUnits)-1 {
		value, at = value/1024, at+1
	}
	return scaled(value, at), sizeUnits[at]
}

// scaled writes a value of a unit: a tenth where it says something.
func scaled(value float64, unit int) string {
	if unit > 0 && (value < 9.95 || value < 99.95 && unit >= 3) {
		return strings.TrimSuffix(strconv.FormatFloat(value, 'f', 1, 64), ".0")
	}
	return strconv.FormatFloat(value, 'f', 0, 64)
}

// Part writes "38 of 60 GiB".
func Part(done, total int64) string {
	digits, unit := scale(total)
	at := 0
	for sizeUnits[at] != unit {
		at++
	}
	value := float64(done)
	for range at {
		value /= 1024
	}
	return scaled(value, at) + " of " + digits + " " + unit
}

// Rate writes bytes per second; the least of times counts as a millisecond.
func Rate(bytes int64, d time.Duration) string {
	if d <= 0 {
		d = time.Millisecond
	}
	return Size(int64(float64(bytes)/d.Seconds())) + "/s"
}
