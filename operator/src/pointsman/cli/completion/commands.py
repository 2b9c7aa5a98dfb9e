"""`pointsman completion SHELL`: a script that asks `pointsman __complete` what may follow."""

import argparse
from typing import Final

BASH: Final = r"""# source <(pointsman completion bash)
_pointsman() {
    local line cur=${COMP_WORDS[COMP_CWORD]} directive=0
    COMPREPLY=()
    while IFS= read -r line; do
        case $line in
            :*) directive=${line#:} ;;
            *) COMPREPLY+=("$line") ;;
        esac
    done < <(pointsman __complete "${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null)
    if [[ ${#COMPREPLY[@]} -eq 0 && $directive -eq 0 ]]; then
        compopt -o filenames 2>/dev/null
        while IFS= read -r line; do COMPREPLY+=("$line"); done < <(compgen -f -- "$cur")
    fi
}
complete -F _pointsman pointsman kubectl-pointsman
"""
ZSH: Final = r"""#compdef pointsman kubectl-pointsman
# source <(pointsman completion zsh)
_pointsman() {
    local line directive=0
    local -a found
    while IFS= read -r line; do
        case $line in
            :*) directive=${line#:} ;;
            *) found+=("$line") ;;
        esac
    done < <(pointsman __complete "${(@)words[2,CURRENT]}" 2>/dev/null)
    if (( ${#found} )); then
        compadd -a found
    elif [[ $directive == 0 ]]; then
        _files
    fi
}
compdef _pointsman pointsman kubectl-pointsman
"""
FISH: Final = r"""# pointsman completion fish | source
function __pointsman
    set -l words (commandline -opc) (commandline -ct)
    set -l directive 0
    set -l any 0
    for line in (pointsman __complete $words[2..-1] 2>/dev/null)
        if string match -q ':*' -- $line
            set directive (string sub -s 2 -- $line)
        else
            set any 1
            echo $line
        end
    end
    if test $any = 0 -a $directive = 0
        __fish_complete_path (commandline -ct)
    end
end
complete -c pointsman -f -a '(__pointsman)'
complete -c kubectl-pointsman -f -a '(__pointsman)'
"""
_SCRIPTS: Final = {"bash": BASH, "zsh": ZSH, "fish": FISH}


def completion(options: argparse.Namespace) -> int:
    """Print the script."""
    print(_SCRIPTS[options.shell], end="")
    return 0
