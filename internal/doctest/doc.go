// Package doctest runs the documents: every command that README.md and docs tell
// an operator to type is typed by its tests, in the order of the document, on a
// machine that is made for it and thrown away.
//
// A fenced block is
//
//	sh        run; the block without a language right below it is what it prints
//	console   run line by line; lines after "# " are commands, the others what they print
//	others    not run, unless a directive says what they are
//
// What a reader need not see stands in comments of HTML right before a block:
//
//	<!-- doctest: exit 3 -->                     the last command ends so; all others with 0
//	<!-- doctest: says PATTERN -->               the output has a line of this regular expression
//	<!-- doctest: needs restic -->               not run where that command is missing: the test is skipped
//	<!-- doctest: file /etc/varve/varve.yaml --> the block is that file
//	<!-- doctest: cron -->                       the block is a crontab: its commands are run as cron does
//	<!-- doctest: illustrative: WHY -->          cannot be run here; its varve commands are still looked up
//	<!-- doctest: run
//	...commands that the reader does not see: what is prepared, or looked at afterwards
//	-->
//
// Ids, times, spans of time and sizes of an output may be others; "..." stands for
// the rest of a line, or alone for any lines.
//
// The machine (testdata/sandbox.sh) is an overlay over this one in namespaces of its
// own, with its own /dev, /srv, /mnt, /tmp and no network. Commands for which it
// lacks what is behind them (ssh, mail, LVM) are played by testdata/standin.
//
// Commands in prose and in tables are looked up: they and their flags must exist.
// So must the files that are linked to.
package doctest
