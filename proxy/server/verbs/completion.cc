// Completion of command lines: `completion SHELL` prints what a shell is told, which asks `completion words` at each Tab.

#include <cstdio>

#include "server/complete.h"
#include "server/verb.h"

namespace outrider::server {

namespace {

// Words are split by the shell's own rules, but for ':' and '=', at which readline would break addresses: what stands before
// the last of them is taken off again from what is offered.
constexpr const char* kBash = R"(# outrider: completion for bash, in ~/.bashrc:  source <(outrider completion bash)
_outrider() {
  local line=${COMP_LINE:0:COMP_POINT} words word value file
  read -ra words <<<"$line"
  [[ $line == *[[:space:]] || ${#words[@]} -eq 0 ]] && words+=("")
  word=${words[-1]}
  [[ $word == --*=* ]] && value=${word#*=} || value=$word
  COMPREPLY=()
  while IFS= read -r file; do
    case $file in
      :files) COMPREPLY+=($(compgen -f -- "$value")); compopt -o filenames 2>/dev/null ;;
      :folders) COMPREPLY+=($(compgen -d -- "$value")); compopt -o filenames 2>/dev/null ;;
      :commands) COMPREPLY+=($(compgen -c -- "$word")) ;;
      *) COMPREPLY+=("${file%%$'\t'*}") ;;
    esac
  done < <("${words[0]}" completion words -- "${words[@]:1}" 2>/dev/null)
  local part=${word%"${word##*[:=]}"} i
  if [[ -n $part && ${COMP_WORDS[COMP_CWORD]} != "$word" ]]; then
    for i in "${!COMPREPLY[@]}"; do COMPREPLY[i]=${COMPREPLY[i]#"$part"}; done
  fi
}
complete -F _outrider outrider
)";

constexpr const char* kZsh = R"(#compdef outrider
# outrider: completion for zsh, in ~/.zshrc behind compinit:  source <(outrider completion zsh)
_outrider() {
  local line
  local -a offered described
  while IFS= read -r line; do
    case $line in
      :files) compset -P '--*='; _files ;;
      :folders) compset -P '--*='; _files -/ ;;
      :commands) _command_names -e ;;
      *$'\t'*) offered+=("${line%%$'\t'*}"); described+=("${line%%$'\t'*}  -- ${line#*$'\t'}") ;;
      *) offered+=("$line"); described+=("$line") ;;
    esac
  done < <("${words[1]}" completion words -- "${(@)words[2,CURRENT]}" 2>/dev/null)
  (( ${#offered} )) && compadd -l -d described -a offered
}
if [[ ${funcstack[1]} == _outrider ]]; then _outrider "$@"; else compdef _outrider outrider; fi
)";

constexpr const char* kFish =
    R"(# outrider: completion for fish, once:  outrider completion fish > ~/.config/fish/completions/outrider.fish
function __outrider_words
    set -l words (commandline -opc)
    set -l current (commandline -ct)
    set -a words "$current"
    for line in ($words[1] completion words -- $words[2..-1] 2>/dev/null)
        switch $line
            case :files
                __fish_complete_path (commandline -ct)
            case :folders
                __fish_complete_directories (commandline -ct)
            case :commands
                __fish_complete_command
            case '*'
                echo $line
        end
    end
end
complete -c outrider -f -a '(__outrider_words)'
)";

}  // namespace

int show_completion(const Arguments& arguments) {
  const std::string shell = arguments.words().empty() ? "" : arguments.words()[0];
  if (shell == "words") return std::fputs(complete(arguments.behind()).c_str(), stdout), kOk;
  const char* const script = shell == "bash" ? kBash : shell == "zsh" ? kZsh : shell == "fish" ? kFish : nullptr;
  if (!script)
    return usage_error("completion",
                       shell.empty() ? "for which shell? bash, zsh or fish" : "\"" + shell + "\" is none of bash, zsh, fish");
  std::fputs(script, stdout);
  return kOk;
}

}  // namespace outrider::server
