#compdef varve
# zsh completion for varve

_varve() {
	local -a found
	found=("${(@f)$(command varve __complete -- "${(@)words[2,CURRENT]}" 2>/dev/null)}")
	if [[ -n "$found" ]]; then
		compadd -- "${found[@]}"
	else
		_files
	fi
}

if [ "$funcstack[1]" = "_varve" ]; then
	_varve
else
	compdef _varve varve
fi
