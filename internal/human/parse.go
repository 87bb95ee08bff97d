package human

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// A ValueError reports text that does not have the form of a value.
type ValueError struct {
	Text string
	Want string // what is wrong with it, or the form that is wanted, with examples
}

func (e *ValueError) Error() string { return fmt.Sprintf("bad value %q: %s", e.Text, e.Want) }

// byteUnits are factors by name. Without a B, and with iB, they are binary.
var byteUnits = map[string]int64{
	"": 1, "B": 1,
	"K": 1 << 10, "KIB": 1 << 10, "KB": 1e3,
	"M": 1 << 20, "MIB": 1 << 20, "MB": 1e6,
	"G": 1 << 30, "GIB": 1 << 30, "GB": 1e9,
	"T": 1 << 40, "TIB": 1 << 40, "TB": 1e12,
}

// ParseSize reads a number of bytes: 4096, 200MiB, 10G, 5GB. Every error is a
// [*ValueError].
func ParseSize(text string) (int64, error) {
	digits, unit := cutNumber(text)
	factor, known := byteUnits[strings.ToUpper(unit)]
	count, err := strconv.ParseInt(digits, 10, 64)
	if err != nil || !known {
		return 0, &ValueError{text, "want a size such as 4096, 200MiB, 10G or 5GB"}
	}
	if count > math.MaxInt64/factor {
		return 0, &ValueError{text, "that is too much"}
	}
	return count * factor, nil
}

var spanUnits = map[string]time.Duration{
	"s": time.Second, "m": time.Minute, "h": time.Hour, "d": 24 * time.Hour, "w": 7 * 24 * time.Hour,
}

// ParseDuration reads a time span: 90s, 15m, 6h, 7d, 4w. Every error is a
// [*ValueError].
func ParseDuration(text string) (time.Duration, error) {
	digits, unit := cutNumber(text)
	factor, known := spanUnits[unit]
	count, err := strconv.ParseInt(digits, 10, 64)
	if err != nil || !known {
		return 0, &ValueError{text, "want a duration such as 90s, 15m, 6h, 7d or 4w"}
	}
	if count > int64(math.MaxInt64/factor) {
		return 0, &ValueError{text, "that is too long"}
	}
	return time.Duration(count) * factor, nil
}

// ParsePercent reads a part of a hundred, such as 5% or 12.5%, and gives its
// number: 5, 12.5. It lies between 0 and 100. Every error is a [*ValueError].
func ParsePercent(text string) (float64, error) {
	number, marked := strings.CutSuffix(text, "%")
	isPlain := number != "" && strings.Trim(number, "0123456789.") == ""
	value, err := strconv.ParseFloat(number, 64)
	if !marked || !isPlain || err != nil {
		return 0, &ValueError{text, "want a percentage such as 5% or 12.5%"}
	}
	if value > 100 {
		return 0, &ValueError{text, "that is more than all"}
	}
	return value, nil
}

// cutNumber cuts text after its leading digits.
func cutNumber(text string) (digits, rest string) {
	rest = strings.TrimLeft(text, "0123456789")
	return text[:len(text)-len(rest)], rest
}
