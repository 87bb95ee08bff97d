// Package notify tells people what is wrong with their backups, and when it is over.
//
// What is wrong is what package status judges: a [Situation] is all of it at one moment.
// [Tell] holds that against what was told before, and sends what is new, what is over, and
// what still lasts after a day, in one [Message], to each of the channels of [Options]: a
// command, a webhook, e-mail. Each has a ledger of its own of what it was told, in a file
// of this host, so that restarts repeat nothing, and a channel that did not take a message
// is given it again by the next run; [Try] finds out whether it would. A heartbeat is called where nothing is critical.
//
// Who tells does not have to go on running: each run looks at the whole, at its end. So cron
// and a daemon tell the same, and not twice, for they share the ledgers, under a lock.
package notify
