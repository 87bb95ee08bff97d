# session.sh - reads names of blocks from standard input, runs each in this one shell, and tells how it ended.
#
# For the block NAME, NAME.sh is run; NAME.out gets what it printed, NAME.err a line for each command that
# failed, as "LINE CODE COMMAND", by the rules of set -e. "NAME CODE" on descriptor 3 is the end of it.
cd /root
. /run/doctest/lib.sh
__at=/run/doctest
# __failed LINE CODE COMMAND writes down a command that failed, but for the one that runs the block.
__failed() {
	case $3 in
	'. "$__at/'*) ;;
	*) echo "$1 $2 ${3%%$'\n'*}" >>"$__at/$__name.err" ;;
	esac
}
set -E -o pipefail # stricter than a person's shell: a failure in the middle of a line is one
while read -r __name; do
	: >"$__at/$__name.err"
	trap '__failed "$LINENO" "$?" "$BASH_COMMAND"' ERR
	. "$__at/$__name.sh" </dev/null >"$__at/$__name.out" 2>&1 3>&-
	__code=$?
	trap - ERR
	echo "$__name $__code" >&3
done
