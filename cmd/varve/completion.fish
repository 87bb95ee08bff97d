# fish completion for varve

function __varve_complete
	set -l words (commandline -opc)
	set -l typed (commandline -ct | string collect --allow-empty)
	set -l token (string unescape -- "$typed"; or string trim --left --chars=\'\" -- "$typed")
	set -l option (string match -r -- '^--[^=]*=' "$token"; or echo)
	set -l value (string replace -r -- '^--[^=]*=' '' "$token")
	for line in (command varve __complete -- $words[2..-1] "$token" 2>/dev/null)
		switch $line
			case \tfiles
				__fish_complete_path "$value" | string replace -r -- '^' "$option"
			case \tdirectories
				__fish_complete_directories "$value" | string replace -r -- '^' "$option"
			case '*'
				printf '%s\n' $line
		end
	end
end

complete -c varve -f -k -a '(__varve_complete)'
