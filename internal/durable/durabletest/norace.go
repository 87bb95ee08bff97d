//go:build !race

package durabletest

// Race is whether the race detector looks on, which makes everything several times slower:
// a property test may be content with fewer tries then.
const Race = false
