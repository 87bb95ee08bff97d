package drill_test

import (
	"path/filepath"
	"strings"
	"testing"
	"time"

	"varve/drill"
)

// TestCommand has the command see what it is to see, and do what it is for.
func TestCommand(t *testing.T) {
	t.Setenv("VARVE_REPOSITORY", "secret")
	p := newPlace(t, ext4+`filled sh -c 'mkdir -p var/db; echo text >var/db/f; chmod 700 var var/db; chmod 600 var/db/f; chown -R 999:998 var; mkdir etc; echo root >etc/shadow; chmod 0 etc/shadow'`, "mkfs.ext4")
	for command, want := range map[string]string{
		`env | grep ^VARVE_ | sort`:                         "VARVE_MOUNT=/run/varve/mount\nVARVE_REVISION=" + string(p.rev.ID) + "\nVARVE_VOLUME=v\n",
		`id -u; id -g; id -G`:                               "65534\n65534\n65534\n",
		`cat $VARVE_MOUNT/var/db/f $VARVE_MOUNT/etc/shadow`: "text\nroot\n",
		`stat -c %u:%g $VARVE_MOUNT/var/db/f`:               "999:998\n",
		`echo more >>$VARVE_MOUNT/var/db/f && cat $VARVE_MOUNT/var/db/f; chown -R nobody $VARVE_MOUNT/var && stat -c %u $VARVE_MOUNT/var/db/f`: "text\nmore\n65534\n",
		`read line; echo "read $?"`: "read 1\n",
		`echo x >/tmp/x && echo y >/var/tmp/y && ls /tmp /var/tmp && ls /run`: "/tmp:\nx\n\n/var/tmp:\ny\nvarve\n",
		`ls -l /proc/self/fd | wc -l`:                                         "5\n", // with that of the list, and a heading
		`ps -e -o comm= | grep -c -v -e ps -e grep -e sh -e wc`:               "1\n", // the first process of the room
		`perl -MIO::Socket -e 'my $s = IO::Socket::INET->new(Listen => 1, LocalAddr => "127.0.0.1") or die; IO::Socket::INET->new(PeerAddr => "127.0.0.1", PeerPort => $s->sockport) or die; print "spoken\n"'`: "spoken\n",
	} {
		r := p.drillCommand(command)
		comesTo(t, r, drill.Passed, "")
		if r.Command == nil || r.Command.Output != want {
			t.Errorf("%s\nsaid %q\nwant %q", command, r.Command.Output, want)
		}
	}
}

// TestCommandIsUnprivileged has it try what it must not be able to.
func TestCommandIsUnprivileged(t *testing.T) {
	p := newPlace(t, ext4, "mkfs.ext4", "nsenter", "unshare")
	for _, command := range []string{
		`mount -t tmpfs none $VARVE_MOUNT`,
		`umount $VARVE_MOUNT`,
		`mount -o remount,rw /`,
		`touch /etc/varve-was-here`,
		`touch /root/varve-was-here`,
		`cat /etc/shadow`,
		`head -c 1 /dev/loop0 || head -c 1 /dev/vda || head -c 1 /dev/sda`,
		`: >/run/varve/device0`,
		`nsenter -t 1 -m true`,
		`cat /proc/1/environ`,
		`kill -9 1; kill -0 1`,
		`setpriv --reuid 0 id`,
		`su -c id`,
		`unshare -Ur --map-root-user cat /etc/shadow`,
		`ip route get 1.1.1.1 || perl -MIO::Socket -e 'exit !IO::Socket::INET->new(PeerAddr => "1.1.1.1", PeerPort => 53, Timeout => 2)'`,
		`ls /sys/class/net/ | grep -v lo; grep -v -e lo: -e face -e Inter /proc/net/dev`,
		`ls /run/dbus /run/systemd /run/user`,
		`sysctl -w kernel.hostname=x`,
		`chroot / cat /etc/shadow`,
		`exec 3<>/dev/fuse && test -c /dev/fuse && ! cmp -s /dev/null /dev/fuse`,
	} {
		r := p.drillCommand(command)
		if strings.Contains(command, "/sys/class/net") {
			continue // what it says is looked at below
		}
		comesTo(t, r, drill.Failed, "the command failed")
	}
	if r := p.drillCommand(`grep -v -e lo: -e face -e Inter /proc/net/dev; true`); r.Command.Output != "" {
		t.Errorf("it has a network: %s", r.Command.Output)
	}
}

// TestCommandsThatDoNotEnd hang, fork, and leave daemons. What is left is looked for at the end of the test.
func TestCommandsThatDoNotEnd(t *testing.T) {
	p := newPlace(t, ext4, "mkfs.ext4", "setsid")
	p.opts.CommandTimeout = 300 * time.Millisecond
	for command, reason := range map[string]string{
		`sleep 1000000`: "the command did not end within 300ms",
		`trap "" TERM INT HUP; setsid sleep 1000000 & (trap "" TERM; while :; do sleep 1000000; done) & wait`: "the command did not end within 300ms",
		`exit 7`:       "the command failed (exit code 7)",
		`kill -9 $$`:   "the command failed (exit code 137, of signal 9)",
		`no-such-word`: "the command failed (exit code 127)",
	} {
		comesTo(t, p.drillCommand(command), drill.Failed, reason)
	}
	p.opts.CommandTimeout = time.Minute
	r := p.drillCommand(`cd $VARVE_MOUNT; setsid sh -c 'echo $$; exec sleep 1000000' & sleep 0.1; setsid sleep 1000000 >/dev/null 2>&1 </dev/null & true`)
	comesTo(t, r, drill.Passed, "")
	if r := p.drillCommand(`yes | head -c 100000; echo the end`); len(r.Command.Output) != 4096 || !strings.HasSuffix(r.Command.Output, "the end\n") {
		t.Errorf("%d bytes of output kept: ...%q", len(r.Command.Output), r.Command.Output[max(0, len(r.Command.Output)-20):])
	}
}

// TestLayerIsFull has a command write more than there is room for: what comes of it says nothing of the revision.
func TestLayerIsFull(t *testing.T) {
	p := newPlace(t, ext4, "mkfs.ext4")
	p.room = "4194304"
	comesTo(t, p.drillCommand(`head -c 30M /dev/urandom >$VARVE_MOUNT/f && sync $VARVE_MOUNT/f`), drill.Undone, "no room is left for what is written")
}

// TestDatabase starts a database from a disk that was copied while it wrote, and reads back what it had acknowledged.
func TestDatabase(t *testing.T) {
	programs, err := filepath.Glob("/usr/lib/postgresql/*/bin/initdb")
	if err != nil || len(programs) == 0 {
		t.Skip("needs PostgreSQL")
	}
	bin := filepath.Dir(programs[0])
	p := newPlace(t, "truncate -s 512M disk; "+ext4+`mount -o loop disk m; trap 'umount m' EXIT; chmod 755 .. . m; mkdir m/db; chown postgres m/db
as() { setpriv --reuid postgres --regid postgres --init-groups "$@"; }
as `+bin+`/initdb -A trust -D $PWD/m/db >/dev/null 2>&1; mkdir s; chown postgres s
as `+bin+`/pg_ctl -w -D $PWD/m/db -l $PWD/m/db/log -o "-k $PWD/s -c listen_addresses=" start >/dev/null
`+bin+`/psql -q -h $PWD/s -U postgres -c 'create table t as select generate_series(1, 100000) x'
cp disk copy; as `+bin+`/pg_ctl -w -D $PWD/m/db stop -m immediate >/dev/null; mv copy disk`, "setpriv", "mkfs.ext4")
	r := p.drillCommand(`set -e; PATH=` + bin + `:$PATH; chown -R nobody $VARVE_MOUNT/db; rm -f $VARVE_MOUNT/db/postmaster.pid
pg_ctl -w -D $VARVE_MOUNT/db -l /tmp/log -o '-k /tmp -c listen_addresses=127.0.0.1' start >/dev/null || { cat /tmp/log; exit 1; }
psql -At -h 127.0.0.1 -U postgres -c 'select sum(x) from t'; grep -c 'redo done' /tmp/log`)
	comesTo(t, r, drill.Passed, "")
	if r.Command.Output != "5000050000\n1\n" {
		t.Errorf("the database said %q", r.Command.Output)
	}
}
