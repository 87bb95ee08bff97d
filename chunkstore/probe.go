package chunkstore

// A sample of this many bytes decides whether a segment looks like noise.
const (
	probeStretches = 16
	probeStretch   = 256
)

// incompressible guesses whether b is noise: compressed, encrypted or random
// bytes. Such segments make up much of a volume with media or archives on it, and
// an encoder finds out only at its full cost.
//
// It counts how often each byte value occurs in stretches spread over b. In noise
// the counts are nearly even: their squares sum to about n + n²/256. Text, code,
// databases and even dense binary data lie far above. Data that repeats at a
// distance but is even otherwise (the same archive twice in one segment) is lost
// to the guess, which costs space, never correctness.
func incompressible(b []byte) bool {
	const n = probeStretches * probeStretch
	if len(b) < 2*n {
		return false
	}
	var counts [256]uint32
	step := (len(b) - probeStretch) / (probeStretches - 1)
	for i := range probeStretches {
		for _, v := range b[i*step : i*step+probeStretch] {
			counts[v]++
		}
	}
	var squares uint32
	for _, c := range counts {
		squares += c * c
	}
	// 69,632 is what noise comes to; its standard deviation is about 360.
	const noise = n + n*n/256
	return squares < noise+noise/32
}
