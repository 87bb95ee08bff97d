// Package scrub looks for damage in a repository, and says exactly what it means: which
// bytes of which revisions are lost. It repairs nothing and removes nothing.
//
// [Run] goes through all that is not content first: every file is there and whole, maps
// resolve, chains hold, digests recompute, and each reference leads to an object that a
// pack lists. Then it reads the packs, each frame once and in the order of the file,
// however many revisions share it, and puts together what maps make of them. What was read
// and found right is remembered in the repository, pack by pack, so that a scrub can be cut
// off and gone on with, and a few hours each night come round to every byte.
//
// What cannot be read is told apart from what is wrong: a disk that fails to give a byte
// condemns nothing.
package scrub
