// Package rot proves what Varve does with a repository that decays, or that an
// enemy made. It holds tests only.
//
// # Rot
//
// A reference repository is built with the product, loaded into memory, and hurt
// in one place after another: each bit of each structure, each byte of each
// payload, each length of each file, each file deleted, zeroed, swapped and put in
// another's place. After each, the test says by itself which revisions lost which
// bytes: it parses packs and maps with its own reader of docs/format.md, and knows
// which copies of which object lie where and who names them. What the product
// lists, opens, verifies and restores must say exactly the same, and every byte
// that it gives must be right.
//
// A case that hurts nothing a chunk is read from need not read all chunks again:
// the same reads give the same bytes. So a case is looked at as deeply as what it
// touched demands, and every so many-th is looked at in full.
//
// # Hostile repositories
//
// An evil builder writes packs, maps and small files whose checksums are right and
// whose content is not, and lets everything a user would do loose on them: opening,
// listing, restoring, verifying, backing up, adopting. Each must end with an error
// of a known type or with right bytes, within a bound of memory, and with no file
// outside the target.
package rot
