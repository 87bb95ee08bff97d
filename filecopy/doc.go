// Package filecopy copies files out of a file system within an image onto this host, with all that they are: owners,
// modes, times, extended attributes and ACLs, holes, links, devices, pipes and sockets.
//
// [Copy] puts each source together in a directory that nobody else enters, and then moves it to its name, so that what has
// its name is whole, but for what the [Report] lists: what could not be read is left out, and what the host's file
// system cannot keep is told. It never follows a link of the image, and replaces no directory.
package filecopy
