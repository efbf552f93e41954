/**
 * What a shell loads to complete `slipway`: each hands the words over and shows the answer, a candidate a line with a tab
 * before what it is, or `:files`. No knowledge of the commands is in them, so that they never grow old.
 */
export const scripts: ReadonlyMap<string, string> = new Map([
  [
    'bash',
    `# slipway completion for bash: . <(slipway completion bash)
_slipway() {
  local line
  COMPREPLY=()
  while IFS= read -r line; do
    if [[ $line == :files ]]; then
      compopt -o filenames
      mapfile -t COMPREPLY < <(compgen -f -- "\${COMP_WORDS[COMP_CWORD]}")
    else
      COMPREPLY+=("\${line%%$'\\t'*}")
    fi
  done < <("\${COMP_WORDS[0]}" complete -- "\${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null)
}
complete -F _slipway slipway
`,
  ],
  [
    'zsh',
    `#compdef slipway
# slipway completion for zsh: as _slipway in a folder of $fpath, or . <(slipway completion zsh) after compinit
_slipway() {
  local line
  local -a found
  while IFS= read -r line; do
    if [[ $line == :files ]]; then
      _files
      return
    fi
    found+=("\${\${line%%$'\\t'*}//:/\\\\:}:\${line#*$'\\t'}")
  done < <("\${words[1]}" complete -- "\${(@)words[2,CURRENT]}" 2>/dev/null)
  _describe slipway found
}
if [[ \${funcstack[1]} == _slipway ]]; then _slipway "$@"; else compdef _slipway slipway; fi
`,
  ],
  [
    'fish',
    `# slipway completion for fish: slipway completion fish | source
function __slipway_complete
  set -l words (commandline -opc)
  set -l current (commandline -ct)
  for line in ($words[1] complete -- $words[2..] "$current" 2>/dev/null)
    if test "$line" = :files
      __fish_complete_path "$current"
    else
      printf '%s\\n' $line
    end
  end
end
complete -c slipway -f -a '(__slipway_complete)'
`,
  ],
])
