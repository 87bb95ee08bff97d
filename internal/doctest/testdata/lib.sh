# lib.sh - what hidden blocks of the documents prepare their machine with.

# disk /dev/vg/db1 64M: a device of that size and name, with an ext4 and some files in it; as large as
# asked for, but mostly holes.
disk() {
	local image=/run/disks/${1//\//_} files
	mkdir -p "$(dirname "$1")"
	files=$(mktemp -d)
	mkdir -p "$files/etc" "$files/home/ann"
	echo 'db1' >"$files/etc/hostname"
	head -c 3M /dev/urandom >"$files/home/ann/thesis.odt"
	truncate -s "$2" "$image"
	mkfs.ext4 -q -F -d "$files" "$image"
	rm -r "$files"
	ln -sfn "$(losetup --find --show "$image")" "$1"
}

# night /dev/vg/db1 [NAME]: changes some of what is in it, as a day does.
night() {
	local at
	at=$(mktemp -d)
	mount "$1" "$at"
	head -c 200K /dev/urandom >"$at/home/ann/${2-mail}"
	umount "$at"
	rmdir "$at"
}

# hurt REPOSITORY: flips bytes in the middle of each of its packs.
hurt() {
	local pack
	while read -r pack; do
		chmod u+w "$pack"
		printf '\377\000\377\000' | dd of="$pack" bs=1 seek=$(($(stat -c %s "$pack") / 2)) conv=notrunc status=none
	done < <(find "$1/packs" -name '*.pack')
}
