package volume

import "math/bits"

// ObjectSizes says in words what [IsObjectSize] takes.
const ObjectSizes = "a power of two from 4 KiB to 32 MiB"

// IsObjectSize tells whether the objects of an RBD image can be of so many bytes.
func IsObjectSize(n int64) bool { return n >= 4<<10 && n <= 32<<20 && bits.OnesCount64(uint64(n)) == 1 }

// ImageFeatures are the features that an RBD image can be made with, as rbd names them.
func ImageFeatures() []string {
	return []string{"layering", "striping", "exclusive-lock", "object-map", "fast-diff", "deep-flatten", "journaling"}
}
