// Package durabletest stands in for file systems that fail and lose power, under
// the interface of package durable.
//
// A [Disk] is a file system in memory that remembers what was synced; its
// [Recording] names what a power cut could undo at this moment, and goes through all
// that one could have left.
//
// [Faulty] lets one call after another fail: a test runs an operation with the
// first call failing, then with the second, until a run goes through untouched,
// and looks after each at what was reported and what is left on disk. [Watched]
// asks the test before each call.
//
// [TempDir] is a real directory, for tests that pull no plug.
package durabletest
