#!/usr/bin/env bash
# sandbox.sh DIR - a machine to break: an overlay over this one, in which DIR/session reads commands.
#
# To be run by: unshare --mount --uts --ipc --net. DIR has the files of the session and becomes /run/doctest;
# DIR/box is where the machine is put together. All that it changes is in memory and goes with it; loop
# devices, which are the kernel's and not a namespace's, are freed at the end.
set -euo pipefail
dir=$1
box=$dir/box root=$dir/box/root
ours() { findmnt --noheadings --raw --output MAJ:MIN; }
before=$(ours)

mount --make-rprivate /
mkdir "$box"
mount -t tmpfs -o mode=755 doctest "$box"
mkdir "$box/upper" "$box/work" "$root"
mount -t overlay -o "lowerdir=/,upperdir=$box/upper,workdir=$box/work" overlay "$root"

cleanup() {
	local mine loop at loops=()
	mine=$(grep -vxF "$before" <<<"$(ours)" || true)
	while read -r loop at; do
		if grep -qxF "$at" <<<"$mine"; then # its file is on a file system of this machine
			loops+=("$loop")
		fi
	done < <(losetup --noheadings --list --output NAME,BACK-MAJ:MIN)
	umount -R "$root" 2>/dev/null || umount -R -l "$root"
	for loop in "${loops[@]}"; do
		if losetup "$loop" >/dev/null 2>&1; then # else it was one of a mount, and went with it
			losetup --detach "$loop"
		fi
	done
}
trap cleanup EXIT

mkdir -p "$root"/{srv,mnt,tmp,run,root,home,var/lib/varve,etc/varve,proc,sys,dev}
for place in srv mnt tmp run root home var/lib/varve etc/varve; do
	mount -t tmpfs -o mode=755 "$(basename $place)" "$root/$place"
done
chmod 1777 "$root/tmp"
chmod 700 "$root/root"
mount --rbind /sys "$root/sys"
mount -t tmpfs -o mode=755 dev "$root/dev"
mkdir "$root"/dev/{pts,shm,mapper,vg}
for node in null zero full random urandom tty loop-control; do
	cp -a "/dev/$node" "$root/dev/$node"
done
[ ! -e /dev/fuse ] || cp -a /dev/fuse "$root/dev/fuse"
for n in {0..63}; do
	mknod -m 660 "$root/dev/loop$n" b 7 "$n"
	chgrp disk "$root/dev/loop$n"
done
ln -s /proc/self/fd "$root/dev/fd"
mkdir "$root/run/doctest" "$root/run/lock" "$root/run/disks"
mount --bind "$dir/session" "$root/run/doctest"
echo backup1 >"$root/etc/hostname"
hostname backup1
for bin in "$dir"/bin/*; do
	install -m 755 "$bin" "$root/usr/local/bin/"
done
rm -f "$root"/etc/fstab
: >"$root/etc/fstab"

# Its root is the root of its mounts, not that of a chroot, in which nobody can make a user namespace. What it mounts is seen here,
# too, and cleaned up.
mount --make-rshared "$root"
unshare --mount --propagation unchanged --pid --fork --kill-child bash -euc '
	mount -t proc proc "$0/proc"
	cd "$0"
	mount --move . /
	exec chroot . /usr/bin/env -i \
		HOME=/root PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C.UTF-8 TZ=UTC \
		/bin/bash --noprofile --norc /run/doctest/session.sh' "$root"
