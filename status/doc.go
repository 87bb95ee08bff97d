// Package status judges how safe volumes are: from what was promised of them, what
// the repository has, and what the journal says of late.
//
// [Judge] takes all of that as an [Input] and gives a [Report]. It is pure: the
// caller has read the repository, and says what time it is. What a person reads and
// types is the caller's, but for the commands that a [Case] names as its cure.
package status
