// Package tally keeps the figures of tests that are run for a long time, in
// parts: which seed comes next, and how many of what there were in all runs.
//
// [Open] gives a test its [Book], a small file of JSON that survives an
// interruption at any moment. The test takes seeds from [Book.Next] until there
// are none, and gives the figures of each to [Book.Done]:
//
//	book := tally.Open(t, "cuts-xfs")
//	for seed, ok := book.Next("runs", 1000); ok; seed, ok = book.Next("runs", 1000) {
//		figures := cutOnce(t, seed)
//		book.Done(seed, figures) // {"runs": 1, "before the rename": 1}
//	}
//
// Two variables of the environment steer it. VARVE_TORTURE is how long the test
// may take; VARVE_TORTURE_STATE is the directory of the books, instead of
// build/torture. A third one, VARVE_SEED, has every test of this kind run that
// seed alone, and write nothing down: see [Only].
package tally
