// The completion scripts. They pass on the words that were typed and offer what the program
// answers, one word a line; a line ":files" asks for names of files, too.
#include "tools/completion.h"

namespace ramet::tools {
namespace {

// Bash takes words apart at ':' and '@' (COMP_WORDBREAKS); they are put together again here, and
// what bash holds for the word's beginning is cut off the answers.
constexpr std::string_view kBash = R"script(# bash completion for ramet
_ramet() {
  local -a words=()
  local i word glue=0
  for ((i = 1; i <= COMP_CWORD; i++)); do
    word=${COMP_WORDS[i]}
    if ((${#words[@]} > 0)) && { [[ $word == [:@=]* ]] || ((glue)); } &&
       [[ ${COMP_LINE} == *"${words[-1]}$word"* ]]; then
      words[-1]+=$word
    else
      words+=("$word")
    fi
    glue=0
    [[ $word == *[:@=] ]] && glue=1
  done
  local current=${words[-1]-} line files=0
  COMPREPLY=()
  while IFS= read -r line; do
    if [[ $line == :files ]]; then files=1; else COMPREPLY+=("$line"); fi
  done < <("${COMP_WORDS[0]}" __complete -- "${words[@]}" 2>/dev/null)
  if ((files)); then
    while IFS= read -r line; do COMPREPLY+=("$line"); done < <(compgen -f -- "$current")
    compopt -o filenames 2>/dev/null
  fi
  # A folder or container may go on.
  if ((${#COMPREPLY[@]} == 1)) && [[ ${COMPREPLY[0]} == */ ]]; then
    compopt -o nospace 2>/dev/null
  fi
  local held=$current
  if [[ $COMP_WORDBREAKS == *:* && $current == *:* ]]; then
    held=${current%"${current##*:}"}
  elif [[ $COMP_WORDBREAKS == *@* && $current == *@* ]]; then
    held=${current%%@*}
  else
    return
  fi
  for i in "${!COMPREPLY[@]}"; do COMPREPLY[i]=${COMPREPLY[i]#"$held"}; done
}
complete -F _ramet ramet
)script";

constexpr std::string_view kZsh = R"script(#compdef ramet
# zsh completion for ramet
_ramet() {
  local -a answers folders
  local line files=0
  while IFS= read -r line; do
    if [[ $line == :files ]]; then files=1
    elif [[ $line == */ ]]; then folders+=("$line")
    else answers+=("$line"); fi
  done < <("${words[1]}" __complete -- "${(@Q)words[2,CURRENT]}" 2>/dev/null)
  (( ${#answers} )) && compadd -- "${answers[@]}"
  (( ${#folders} )) && compadd -S '' -- "${folders[@]}"
  (( files )) && _files
  return 0
}
if [[ ${funcstack[1]-} == _ramet ]]; then _ramet "$@"; else compdef _ramet ramet; fi
)script";

constexpr std::string_view kFish = R"script(# fish completion for ramet
function __ramet_complete
    set -l words (commandline -opc) (commandline -ct)
    set -l program $words[1]
    for line in ($program __complete -- $words[2..-1] 2>/dev/null)
        if test "$line" = ":files"
            __fish_complete_path (commandline -ct)
        else
            echo $line
        end
    end
end
complete -c ramet -f -a '(__ramet_complete)'
)script";

}  // namespace

std::string_view completion_script(std::string_view shell) {
  if (shell == "bash") return kBash;
  if (shell == "zsh") return kZsh;
  if (shell == "fish") return kFish;
  return {};
}

}  // namespace ramet::tools
