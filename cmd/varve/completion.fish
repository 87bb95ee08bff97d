# fish completion for varve

function __varve_complete
	set -l words (commandline -opc)
	command varve __complete -- $words[2..-1] (commandline -ct | string collect --allow-empty) 2>/dev/null
end

complete -c varve -a '(__varve_complete)'
