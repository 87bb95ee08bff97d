// Package config reads varve.yaml: what to back up, when, and within which limits.
//
// [Load] gives a [Config], or an [*Error] with everything that is wrong in the
// file. [Config.Volume] says what is wanted of one volume, [Config.Volumes] of
// all of them; there, patterns are held against what exists, by a function of the
// caller. [Reference] lists all keys: documents are made from it, and decoding is
// done by the same table, so that a new key is one entry in keys.go.
//
// Nothing here reads the environment or touches a source. A Config does not
// change, and is safe for concurrent use.
package config
