// The commands of the program: what they share, and one function for each topic that adds its
// commands to the command line. Commands translate between people and the engine; they hold no
// storage logic.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "format/result.h"
#include "tools/caller.h"
#include "tools/output.h"

// Not its header: every file that has it compiles all of CLI11's virtual functions.
namespace CLI {
class App;
}

namespace ramet::tools {

// Exit codes are part of the interface (docs/cli.md) and never change.
enum ExitCode : int {
  kExitOk = 0,
  kExitDifferences = 1,   // diff --exit-code; import, export: some names were reported
  kExitUsage = 2,
  kExitNotFound = 3,
  kExitPrecondition = 4,  // exists already, not empty, not a store, ...
  kExitBusy = 5,
  kExitCorruption = 6,
  kExitOutOfSpace = 7,
  kExitIo = 8,            // input/output errors and missing permissions
  kExitQuota = 9,
  kExitInterrupted = 130,
  kExitReaderGone = 141,
};

ExitCode exit_code_of(ErrorCode code);

// The options that every command has, and what they write to.
struct Context {
  explicit Context(Caller& who) : caller(who), out(who.out) {}

  Caller& caller;
  Output out;
  TextStyle style;
  std::string store;      // --store; empty: found (tools/session.h)
  bool json = false;
  bool quiet = false;
  bool no_progress = false;
  bool verify_hits = false;  // of commands that store content
  std::string hint;       // what to try next, printed with the error that follows
  std::vector<std::string> arguments;  // all of them, as they came

  // An error with a hint.
  Error fail(ErrorCode code, std::string message, std::string try_next) {
    hint = std::move(try_next);
    return {code, std::move(message)};
  }
  // One line for people about what was done; nothing with --quiet or --json.
  template <typename... Args>
  void say(fmt::format_string<Args...> format, Args&&... args) {
    if (!quiet && !json) out.print(format, std::forward<Args>(args)...);
  }
};

// "ramet: MESSAGE" on stderr, one line whatever is in it; a JSON object with --json.
void report_problem(const Context& context, std::string_view path, std::string_view reason);
void report_error(const Context& context, const Error& error, int exit_code);

// Figures of what a command did, on stderr: a line for people or, with --json, {"stats": ...}.
void report_stats(const Context& context, const std::string& line, const Json& stats);

class Session;  // tools/session.h
enum class Access : uint8_t { kRead, kWrite };
// Opens the store, runs the body, closes the store. What the body made from the store (views,
// transactions) must be gone when it returns. While a daemon holds the store, the daemon runs the
// whole command instead, and this returns its exit code: until here a command prints nothing and
// reads nothing but its arguments.
Result<int> with_session(Context& context, Access access,
                         const std::function<Result<int>(Session&)>& body);

// What a parsed command does; gives the exit code.
using Action = std::function<Result<int>(Context&)>;

// The tree of commands while it is built and parsed.
struct CommandLine {
  explicit CommandLine(Caller& caller);
  ~CommandLine();
  CommandLine(const CommandLine&) = delete;
  CommandLine& operator=(const CommandLine&) = delete;

  Context context;
  const std::unique_ptr<CLI::App> tree;
  CLI::App& app;  // its root
  Action action;  // of the command that was parsed
};

// A command being added. Text arguments go through here because CLI11 alone would split values
// that look like "[a,b]"; see protect_arguments().
class Command {
 public:
  // `usage` is what follows the command's name in its help; `examples` are whole lines.
  Command(CommandLine& line, CLI::App& parent, const std::string& name,
          const std::string& description, const std::string& usage,
          const std::vector<std::string>& examples);

  Command& argument(const std::string& name, std::string& into, const std::string& description,
                    bool required = true);
  Command& arguments(const std::string& name, std::vector<std::string>& into, size_t at_least,
                     const std::string& description);
  Command& option(const std::string& names, std::string& into, const std::string& type,
                  const std::string& description);
  // The same several times: each adds a value.
  Command& list(const std::string& names, std::vector<std::string>& into, const std::string& type,
                const std::string& description);
  Command& number(const std::string& names, uint64_t& into, const std::string& description);
  Command& flag(const std::string& names, bool& into, const std::string& description);
  // Exactly the values given.
  Command& choice(const std::string& names, std::string& into,
                  const std::vector<std::string>& values, const std::string& description);
  // -z and --quote, for commands that list names.
  Command& names_options();
  // Not shown in help and completion.
  Command& hidden();

  // What to do; `options` is what the arguments above point into and is kept alive.
  template <typename Options>
  void run(std::shared_ptr<Options> options,
           Result<int> (*function)(Context&, const Options&)) {
    act([options, function](Context& context) { return function(context, *options); });
  }

  // The same for a command that works on an open store.
  template <typename Options>
  void run(std::shared_ptr<Options> options, Access access,
           Result<int> (*function)(Context&, Session&, const Options&)) {
    act([options, access, function](Context& context) {
      return with_session(context, access, [&](Session& session) {
        return function(context, session, *options);
      });
    });
  }

 private:
  void act(Action action);  // when the command was parsed

  CommandLine& line_;
  CLI::App* app_;
};

// A command that only holds others.
CLI::App& add_group(CommandLine& line, const std::string& name, const std::string& description);
// One that was added.
CLI::App& find_group(CommandLine& line, const std::string& name);

void add_store_commands(CommandLine& line);      // init, info, reclaim
void add_check_commands(CommandLine& line);      // fsck, scrub
void add_repair_commands(CommandLine& line);     // scavenge
void add_inspect_commands(CommandLine& line);    // inspect ...
void add_config_commands(CommandLine& line);     // config
void add_container_commands(CommandLine& line);  // container ...
void add_snapshot_commands(CommandLine& line);   // snapshot ...
void add_clone_commands(CommandLine& line);      // clone, diff
void add_keep_commands(CommandLine& line);       // rollback, undelete, expire, snapshot prune
void add_principal_commands(CommandLine& line);  // user ..., group ...
void add_secret_commands(CommandLine& line);     // token ..., key ...
void add_grant_commands(CommandLine& line);      // grant ..., container access
void add_audit_commands(CommandLine& line);      // audit ...
void add_copy_commands(CommandLine& line);       // import, export
void add_content_commands(CommandLine& line);    // put, get, cat
void add_list_commands(CommandLine& line);       // ls, tree
void add_look_commands(CommandLine& line);       // stat, du
void add_name_commands(CommandLine& line);       // mkdir, mv, rm
void add_standing_commands(CommandLine& line);   // standing
void add_verify_commands(CommandLine& line);     // verify
void add_serve_commands(CommandLine& line);      // serve
void add_top_commands(CommandLine& line);        // top
void add_completion_commands(CommandLine& line); // completion, __complete

// All of them, in the order of the help page.
void add_all_commands(CommandLine& line);

// The whole program: parses, runs, prints errors; returns the exit code. `arguments` without the
// program's name. Several may run at once, on a thread each, if none of them is the process's own.
int run_program(std::vector<std::string> arguments, Caller& caller);

// "0.1.0"
const char* program_version();

}  // namespace ramet::tools
