// Shell completion: scripts that ask the program itself, and the answers.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "tools/commands.h"

namespace ramet::tools {

// The script for "bash", "zsh" or "fish"; empty for any other shell.
std::string_view completion_script(std::string_view shell);

// What `ramet __complete WORDS...` answers.
struct Completions {
  std::vector<std::string> words;  // whole words, each beginning with the last one typed
  bool files = false;              // names of files fit, too
  std::optional<int> handed_over;  // a daemon has answered; its exit code
};

// `words` are those typed after "ramet", the last one not finished (it may be empty). Commands and
// options come from `line`; containers, snapshots and paths from the store, opened read-only,
// or from the daemon that holds it. A store that cannot be opened gives no words: completion never
// fails.
Completions complete(CommandLine& line, const std::vector<std::string>& words);

}  // namespace ramet::tools
