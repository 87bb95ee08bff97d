// Command varve backs up block devices, and gives back every night of them.
//
// This package wires the others to a person: words become options, results become
// text or JSON, errors become hints and exit codes. It decides nothing that
// concerns a backup.
//
// A word's way: run arranges the words so that flags may stand anywhere (arrange),
// urfave/cli parses them into the struct of one command, that command's run
// function calls the packages and returns a result and an error, and a renderer
// prints both. There is one file per command, with its constructor and its run
// function; everything printed to standard output goes through a renderer.
package main
