#compdef varve
# zsh completion for varve

_varve() {
	local line
	local -a found shown
	for line in "${(@f)$(command varve __complete -- "${(@Q)words[2,CURRENT-1]}" "${(Q)PREFIX}" 2>/dev/null)}"; do
		case $line in
		$'\tfiles') compset -P '--*='; _files; return ;;
		$'\tdirectories') compset -P '--*='; _files -/; return ;;
		'') ;;
		*$'\t'*) found+=("${line%%$'\t'*}"); shown+=("${line%%$'\t'*}  -- ${line#*$'\t'}") ;;
		*) found+=("$line"); shown+=("$line") ;;
		esac
	done
	(( $#found )) || return 1
	if [[ "$shown" == "$found" ]]; then
		compadd -- "${found[@]}"
	else
		compadd -l -V varve -d shown -- "${found[@]}"
	fi
}

if [ "$funcstack[1]" = "_varve" ]; then
	_varve
else
	compdef _varve varve
fi
