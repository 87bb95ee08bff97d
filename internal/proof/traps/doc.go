// Package traps holds tests, and nothing else: the traps that other backup tools
// have fallen into, and those that docs/protocol.md has to get around, each set
// once more, seen from outside. Those that are set for every command that writes
// stand beside the list of commands, in package proof; what can only be seen from
// inside a package stands beside the code. Every trap's test begins with TestTrap.
package traps
