#include "tools/completion.h"

#include <algorithm>
#include <optional>

#include <CLI/CLI.hpp>

#include "engine/settings.h"
#include "tools/access_names.h"
#include "tools/local_client.h"
#include "tools/session.h"
#include "tools/text.h"

namespace ramet::tools {
namespace {

constexpr size_t kWordsMax = 2000;

// What stands at the place of the word that is being typed.
struct Position {
  const CLI::App* app = nullptr;  // the command so far
  bool after_command = false;     // no command is expected any more
  size_t arguments = 0;           // given before
  const CLI::Option* option = nullptr;  // the option whose value is expected
  std::string store;              // --store, when it was given
  bool only_arguments = false;    // behind "--"
};

const CLI::Option* find_option(const CLI::App& app, const std::string& word) {
  const auto options = app.get_options();
  const auto found = std::find_if(options.begin(), options.end(), [&](const CLI::Option* option) {
    return option->nonpositional() && option->check_name(word);
  });
  return found == options.end() ? nullptr : *found;
}

const CLI::App* find_command(const CLI::App& app, const std::string& word) {
  const auto commands = app.get_subcommands({});
  const auto found = std::find_if(commands.begin(), commands.end(), [&](const CLI::App* command) {
    return command->get_name() == word;
  });
  return found == commands.end() ? nullptr : *found;
}

Position locate(const CLI::App& root, const std::vector<std::string>& words) {
  Position at;
  at.app = &root;
  for (size_t i = 0; i + 1 < words.size(); ++i) {
    const std::string& word = words[i];
    if (at.option != nullptr) {
      if (at.option->check_name("--store")) at.store = word;
      at.option = nullptr;
    } else if (!at.only_arguments && word == "--") {
      at.only_arguments = true;
    } else if (!at.only_arguments && word.size() > 1 && word.front() == '-') {
      const CLI::Option* option = find_option(*at.app, word);
      if (option != nullptr && option->get_items_expected_min() > 0) at.option = option;
      if (word.starts_with("--store=")) at.store = word.substr(8);
    } else {
      const CLI::App* next = find_command(*at.app, word);
      if (next != nullptr && at.arguments == 0) {
        at.app = next;
      } else {
        ++at.arguments;
      }
    }
  }
  return at;
}

class Completer {
 public:
  Completer(CommandLine& line, const std::vector<std::string>& words)
      : line_(line), typed_(words.empty() ? "" : words.back()), at_(locate(line.app, words)) {}

  Completions run() {
    if (at_.option != nullptr) {
      option_value();
    } else if (!at_.only_arguments && typed_.starts_with("-") && typed_ != "-") {
      options();
    } else if (!at_.app->get_subcommands({}).empty() && at_.arguments == 0) {
      commands();
    } else {
      argument();
    }
    std::sort(found_.words.begin(), found_.words.end());
    return std::move(found_);
  }

 private:
  void offer(const std::string& word) {
    // Words that a line-based answer cannot carry are not offered.
    if (word.find('\n') != word.npos || found_.words.size() >= kWordsMax) return;
    if (word.starts_with(typed_)) found_.words.push_back(word);
  }

  void option_value() {
    if (at_.option->check_name("--existing")) {
      for (const char* word : {"fail", "skip", "replace"}) offer(word);
    } else if (at_.option->check_name("--compression")) {
      for (const char* word : {"none", "zstd"}) offer(word);
    } else if (at_.option->check_name("--unset")) {
      settings();
    } else if (at_.option->check_name("--group")) {
      principals(true);
    } else if (at_.option->check_name("--container")) {
      from_store(true, false);
    } else if (at_.option->check_name("--level")) {
      levels();
    } else if (at_.option->get_type_name() == "on|off") {
      for (const char* word : {"on", "off"}) offer(word);
    } else {
      found_.files = at_.option->check_name("--store");
    }
  }

  void settings() {
    for (const SettingSpec& spec : known_settings()) offer(std::string(spec.name));
  }

  void options() {
    for (const CLI::Option* option : at_.app->get_options()) {
      if (!option->nonpositional()) continue;
      for (const std::string& name : option->get_lnames()) offer("--" + name);
      for (const std::string& name : option->get_snames()) offer("-" + name);
    }
  }

  void commands() {
    for (const CLI::App* command : at_.app->get_subcommands({})) {
      if (!command->get_group().empty()) offer(command->get_name());
    }
    if (at_.app == &line_.app) offer("help");
  }

  void argument() {
    const std::string& command = at_.app->get_name();
    const std::string group =
        at_.app->get_parent() != nullptr ? at_.app->get_parent()->get_name() : "";
    if (command == "completion") {
      for (const char* shell : {"bash", "zsh", "fish"}) offer(shell);
      return;
    }
    if (command == "config") {
      if (at_.arguments < 2) settings();
      if (at_.arguments == 0) from_store(true, false);
      return;
    }
    if (command == "undelete") {
      if (at_.arguments == 0) dropped();
      return;
    }
    if (access_argument(group, command)) return;
    if (group == "inspect") {
      if (at_.arguments > 0) return;
      if (command == "container") from_store(true, typed_.find('@') != typed_.npos);
      if (command == "object") from_store(false, false);
      return;
    }
    const bool first = at_.arguments == 0;
    const bool files_first = command == "init" || command == "import" || command == "put";
    const bool files_later = command == "get" || command == "export" || command == "put";
    found_.files = first ? files_first : files_later;
    const bool only_files = command == "init" || (command == "import" && first) ||
                            ((command == "get" || command == "export") && !first);
    if (only_files || (group == "container" && command == "create")) return;
    // A word that looks like a path of the file system asks no store.
    if (found_.files && (typed_.starts_with("/") || typed_.starts_with("."))) return;
    from_store(group == "container", group == "snapshot");
  }

  void levels() {
    for (const std::string& level : kLevels) offer(level);
  }

  // Users or groups; nothing given: both, and everyone.
  void principals(std::optional<bool> groups) {
    if (answered_by_daemon()) return;
    if (!groups) offer(std::string(kEveryoneName));
    const Status asked = [&]() -> Status {
      auto opened = Session::open(line_.context, Access::kRead);
      RAMET_TRY(opened);
      return (*opened)->store().access().principals([&](const Principal& principal) {
        const bool is_group = principal.kind == PrincipalKind::kGroup;
        if (!groups || *groups == is_group) offer(principal.name);
        return found_.words.size() < kWordsMax;
      });
    }();
    ignore_error(asked, "completion shows what it can, and never fails");
  }

  // False: it is no command of access control.
  bool access_argument(const std::string& group, const std::string& command) {
    const bool creates = command == "create";
    if (group == "user") {
      if (!creates && command != "list") principals(false);
    } else if (group == "group") {
      const bool members = command == "add" || command == "remove-member";
      if (!creates && command != "list") principals(!(members && at_.arguments > 0));
    } else if (group == "token" || group == "key") {
      if (command != "remove" && at_.arguments == 0) principals(false);
    } else if (group == "grant") {
      if (at_.arguments == 0) from_store(true, false);
      if (at_.arguments == 1 && command != "list") principals(std::nullopt);
      if (at_.arguments == 2 && command == "set") levels();
    } else {
      return group == "audit";
    }
    return true;
  }

  // True if a daemon holds the store: it answers.
  bool answered_by_daemon() {
    if (!at_.store.empty()) line_.context.store = at_.store;
    line_.context.no_progress = true;
    if (line_.context.caller.store != nullptr) return false;  // this is the daemon
    const auto store = find_store(line_.context);
    if (!store.ok()) return false;
    const auto done = hand_over(line_.context, *store);
    if (done.ok()) found_.handed_over = *done;
    return found_.handed_over.has_value();
  }

  void dropped() {
    if (answered_by_daemon()) return;
    const Status asked = [&]() -> Status {
      auto opened = Session::open(line_.context, Access::kRead);
      RAMET_TRY(opened);
      return (*opened)->store().dropped([&](const DroppedInfo& info) {
        offer(info.snapshot.empty() ? info.name : info.name + "@" + info.snapshot);
        return found_.words.size() < kWordsMax;
      });
    }();
    ignore_error(asked, "completion shows what it can, and never fails");
  }

  void from_store(bool containers_only, bool snapshots_only) {
    if (answered_by_daemon()) return;
    const Status asked = [&]() -> Status {
      auto opened = Session::open(line_.context, Access::kRead);
      RAMET_TRY(opened);
      Session& session = **opened;
      const size_t colon = typed_.find(':');
      if (colon != typed_.npos && !containers_only && !snapshots_only) return paths(session, colon);
      if (typed_.find('@') != typed_.npos) return snapshots(session);
      return containers(session, containers_only);
    }();
    ignore_error(asked, "completion shows what it can, and never fails");
  }

  Status containers(Session& session, bool names_only) {
    return session.store().containers({}, [&](const ContainerInfo& info) {
      offer(info.name);
      if (!names_only && typed_ == info.name) offer(info.name + ":/");
      return found_.words.size() < kWordsMax;
    });
  }

  Status snapshots(Session& session) {
    const std::string name = typed_.substr(0, typed_.find('@'));
    RAMET_ASSIGN(const ContainerInfo info, session.container(name));
    return session.store().snapshots(info.id, [&](const SnapshotInfo& snapshot) {
      offer(name + "@" + snapshot.name);
      return found_.words.size() < kWordsMax;
    });
  }

  // What is in the folder that was typed so far.
  Status paths(Session& session, size_t colon) {
    const size_t slash = typed_.rfind('/');
    const size_t end = slash == typed_.npos || slash < colon ? colon + 1 : slash + 1;
    const std::string folder = typed_.substr(0, end);
    RAMET_ASSIGN(const Place place, session.place(folder));
    RAMET_ASSIGN(const Entry entry, lookup(place));
    return place.view->list(entry.folder, {}, [&](const Entry& found) {
      offer(folder + (end == colon + 1 ? "/" : "") + found.name + (found.is_folder() ? "/" : ""));
      return found_.words.size() < kWordsMax;
    });
  }

  CommandLine& line_;
  const std::string typed_;
  const Position at_;
  Completions found_;
};

struct CompletionOptions {
  std::string shell;
};

Result<int> run_completion(Context& context, const CompletionOptions& options) {
  const std::string_view script = completion_script(options.shell);
  if (script.empty()) {
    return context.fail(ErrorCode::kInvalidArgument,
                        "no completion for '" + options.shell + "'", "there are bash, zsh, fish");
  }
  context.out.write(script);
  return kExitOk;
}

struct CompleteOptions {
  std::vector<std::string> words;
};

Result<int> print_completions(Context& context, const CompleteOptions& options) {
  CommandLine line(context.caller);
  add_all_commands(line);
  line.context.store = context.store;
  line.context.arguments = context.arguments;
  const Completions completions = complete(line, options.words);
  if (completions.handed_over) return *completions.handed_over;
  if (completions.files) context.out.write(":files\n");
  for (const std::string& word : completions.words) context.out.write(word + "\n");
  return kExitOk;
}

}  // namespace

Completions complete(CommandLine& line, const std::vector<std::string>& words) {
  return Completer(line, words).run();
}

void add_completion_commands(CommandLine& line) {
  auto completion = std::make_shared<CompletionOptions>();
  Command(line, line.app, "completion", "Print a script for a shell's completion",
          "bash|zsh|fish",
          {"source <(ramet completion bash)",
           "ramet completion zsh > ~/.zfunc/_ramet",
           "ramet completion fish > ~/.config/fish/completions/ramet.fish"})
      .argument("shell", completion->shell, "bash, zsh or fish")
      .run(completion, run_completion);
  auto words = std::make_shared<CompleteOptions>();
  Command(line, line.app, "__complete", "Answers completion scripts", "-- WORD...", {})
      .arguments("word", words->words, 0, "What was typed after 'ramet'")
      .hidden()
      .run(words, print_completions);
}

}  // namespace ramet::tools
