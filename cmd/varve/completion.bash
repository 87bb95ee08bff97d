# bash completion for varve

_varve() {
	local line=${COMP_LINE:0:COMP_POINT} cur
	local -a words
	read -ra words <<<"$line"
	[[ $line == *[[:space:]] ]] && words+=("")
	cur=${words[-1]}
	mapfile -t COMPREPLY < <("${words[0]}" __complete -- "${words[@]:1}" 2>/dev/null)
	# Bash takes what stands before an @ for a word of its own.
	if [[ $cur == *@* && $COMP_WORDBREAKS == *@* ]]; then
		COMPREPLY=("${COMPREPLY[@]#"${cur%"${cur##*@}"}"}")
	fi
}
complete -o default -F _varve varve
