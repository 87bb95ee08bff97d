package hostlimit

// For the tests, which cannot press the disks.
var (
	OpenWith      = open
	ParsePressure = parsePressure
	DecodeHolder  = decodeHolder
)

// RateFile is where turns are given away, below the state directory.
const RateFile = slotsDir + "/" + rateName
