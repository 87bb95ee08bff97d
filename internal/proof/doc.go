// Package proof tests Varve's first promise: that nothing is ever lost.
// docs/reliability.md says what is promised, under which assumptions, and which
// test proves what.
//
// A World is a repository on a file system in memory and the volumes that are
// backed up to it; it writes down what was promised to whom. World.Check is the
// oracle: it looks at what is left after a power cut, a fault or a kill, and says
// which promise was broken.
//
// The tests of this package cut the power after every call, let every call fail, and
// set the traps that others fell into on the way to the disk. Those in the packages
// below do the same to the real program on real file systems (machine), kill it beside a
// real Ceph cluster, of which the daemons die and the images change (cluster), put the calls
// of several processes into one order after the other (interleave), damage what is stored
// (rot), and set the other traps (traps).
package proof
