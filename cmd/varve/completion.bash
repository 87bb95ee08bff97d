# bash completion for varve

# _varve_split takes a line apart as the shell does, into the words of its caller, and
# tells which quote is not closed yet.
_varve_split() {
	local line=$1 char word='' any=
	quote=
	while [[ $line ]]; do
		char=${line:0:1} line=${line:1}
		if [[ $char == "$quote" ]]; then
			quote=
		elif [[ $char == \\ && $quote != \' && $line ]]; then
			word+=${line:0:1} line=${line:1} any=1
		elif [[ ! $quote && $char == [\'\"] ]]; then
			quote=$char any=1
		elif [[ ! $quote && $char == [[:space:]] ]]; then
			[[ ! $any ]] || words+=("$word")
			word='' any=
		else
			word+=$char any=1
		fi
	done
	words+=("$word")
}

_varve() {
	local cur done i quote found=()
	local -a words=()
	_varve_split "${COMP_LINE:0:COMP_POINT}"
	while [[ ${#words[@]} -gt 1 && ${words[0]} == *=* ]]; do # VARVE_REPO=... varve
		words=("${words[@]:1}")
	done
	cur=${words[-1]}
	mapfile -t found < <("${words[0]}" __complete -- "${words[@]:1}" 2>/dev/null)
	COMPREPLY=()
	# Bash replaces only what stands after an = or a :, or from an @ on.
	done=
	for i in @ = :; do
		if [[ $cur == *"$i"* && $COMP_WORDBREAKS == *"$i"* ]]; then
			[[ $i == @ ]] && i=${cur%@*} || i=${cur%"${cur##*"$i"}"}
			((${#i} > ${#done})) && done=$i
		fi
	done
	for i in "${found[@]}"; do
		case $i in
		$'\tfiles') compopt -o default 2>/dev/null ;;
		$'\tdirectories') compopt -o dirnames 2>/dev/null ;;
		*)
			i=${i%%$'\t'*} # without what it means
			i=${i#"$done"}
			[[ $quote || $i != *[[:space:]\'\"\\\$\&\;\(\)\<\>\|\*\?\`]* ]] || printf -v i %q "$i"
			COMPREPLY+=("$i")
			;;
		esac
	done
}
complete -o nosort -F _varve varve 2>/dev/null || complete -F _varve varve
