# bash completion for varve

_varve() {
	local line=${COMP_LINE:0:COMP_POINT} cur done i
	local -a words
	read -a words <<<"$line" # without -r: a space behind a backslash is part of a word
	[[ $line == *[[:space:]] && $line != *\\[[:space:]] ]] && words+=("")
	cur=${words[-1]}
	mapfile -t COMPREPLY < <("${words[0]}" __complete -- "${words[@]:1}" 2>/dev/null)
	# Bash takes what stands before an @ or a = for a word of its own.
	done=
	for i in @ =; do
		if [[ $cur == *"$i"* && $COMP_WORDBREAKS == *"$i"* && ${#cur} -gt ${#done} ]]; then
			[[ ${cur%"${cur##*"$i"}"} == "$done"* ]] && done=${cur%"${cur##*"$i"}"}
		fi
	done
	for i in "${!COMPREPLY[@]}"; do
		COMPREPLY[i]=${COMPREPLY[i]#"$done"}
		[[ ${COMPREPLY[i]} != *[[:space:]\'\"]* ]] || printf -v 'COMPREPLY[i]' %q "${COMPREPLY[i]}"
	done
}
complete -o default -F _varve varve
