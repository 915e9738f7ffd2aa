// Building and parsing the command line, and the way from an error to stderr and an exit code.
#include <algorithm>
#include <csignal>
#include <exception>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "tools/commands.h"
#include "tools/signals.h"
#include "tools/text.h"

namespace ramet::tools {
namespace {

// CLI11 takes "[a,b]" apart, "++" ends a subcommand, "{}" and "%%" have meanings, too. None of this
// belongs to names, so that such arguments get a mark in front on the way in; every text option
// takes it off again.
constexpr char kMark = '\x01';

bool needs_mark(const std::string& argument) {
  if (argument.empty() || argument.front() == kMark) return true;
  return argument.front() == '[' || argument == "++" || argument == "{}" || argument == "%%";
}

std::vector<std::string> protect_arguments(std::vector<std::string> arguments) {
  for (std::string& argument : arguments) {
    if (needs_mark(argument)) argument.insert(argument.begin(), kMark);
  }
  return arguments;
}

std::string unprotect(std::string argument) {
  if (!argument.empty() && argument.front() == kMark) argument.erase(0, 1);
  return argument;
}

// Lines of at most `columns`, broken at spaces.
std::string wrapped(const std::string& text, size_t columns) {
  std::string out;
  size_t line_begin = 0;
  for (size_t at = 0; at < text.size();) {
    const size_t end = std::min(text.find(' ', at), text.size());
    if (!out.empty()) {
      const bool fits = out.size() - line_begin + 1 + (end - at) <= columns;
      out += fits ? ' ' : '\n';
      if (!fits) line_begin = out.size();
    }
    out += text.substr(at, end - at);
    at = end + 1;
  }
  return out;
}

// Help in the order people read: what it is, usage, arguments, options, examples.
class HelpFormatter : public CLI::Formatter {
 public:
  explicit HelpFormatter(std::string usage) : usage_(std::move(usage)) {
    column_width(28);
    label("Positionals", "Arguments");
  }
  std::string make_usage(const CLI::App* /*app*/, std::string name) const override {
    return "\nUsage: " + name + (usage_.empty() ? "" : " " + usage_) + "\n";
  }
  std::string make_option_opts(const CLI::Option* option) const override {
    if (option->get_type_size() == 0 || option->get_type_name().empty()) return {};
    return " " + option->get_type_name();
  }
  std::string make_option_name(const CLI::Option* option, bool positional) const override {
    return positional ? option->get_name(true, false) : option->get_name(false, true);
  }
  std::string make_option_desc(const CLI::Option* option) const override {
    return wrapped(option->get_description(), kColumns - get_column_width());
  }

 private:
  static constexpr size_t kColumns = 96;

  std::string usage_;
};

std::string footer_of(const std::vector<std::string>& examples) {
  if (examples.empty()) return {};
  std::string footer = "Examples:";
  for (const std::string& example : examples) footer += "\n  " + example;
  return footer;
}

constexpr const char* kProgramFooter =
    R"(PATH names something in a store: container[@snapshot][:/folder/name]

The store is --store DIR, else $RAMET_STORE, else the current directory or the nearest one
above it that is a store.

Exit codes:
  0  done                              5  busy: another process holds the store
  1  differences, or some names were   6  corruption: bytes are not what was written
     reported and the rest was done    7  out of space
  2  usage                             8  input/output error, or permission denied
  3  not found                         9  over the container's quota, nothing was changed
  4  exists already, or the state      130  interrupted, nothing was changed
     does not allow it

Examples:
  ramet init /srv/store
  export RAMET_STORE=/srv/store
  ramet import --create /usr/share prod:/share
  ramet clone prod test
  ramet rm -r test:/share/doc
  ramet diff prod test
  ramet help clone)";

void add_common_options(CLI::App& app, Context& context) {
  app.add_option("--store",
                 CLI::callback_t([&context](const CLI::results_t& results) {
                   context.store = unprotect(results.back());
                   return true;
                 }),
                 "The store to use")
      ->type_name("DIR")
      ->group("General options");
  app.add_flag("--json", context.json, "Print JSON")->group("General options");
  app.add_flag("-q,--quiet", context.quiet, "Print no summary of what was done")
      ->group("General options");
  app.add_flag("--no-progress", context.no_progress, "Draw no progress line")
      ->group("General options");
}

bool asks_for_json(const std::vector<std::string>& arguments) {
  const auto end = std::find(arguments.begin(), arguments.end(), "--");
  return std::find(arguments.begin(), end, "--json") != end;
}

void to_stderr(const Context& context, std::string line) {
  line += '\n';
  // What cannot be said there cannot be said anywhere.
  [[maybe_unused]] const int ignored = write_stream(context.caller.err, line.data(), line.size());
}

// The command as far as it was understood: where to look for help.
std::string help_command(const CLI::App& app) {
  std::string path = "ramet";
  const CLI::App* at = &app;
  while (!at->get_subcommands().empty()) {
    at = at->get_subcommands().front();
    path += " " + at->get_name();
  }
  return path + " --help";
}

// Its exit codes are those of fsck(8).
constexpr int kFsckUsage = 16;
bool is_fsck(const CLI::App& app) {
  const auto parsed = app.get_subcommands();
  if (parsed.empty()) return false;
  const std::string& name = parsed.front()->get_name();
  return name == "fsck" || name == "scrub" || name == "scavenge";
}

int report_usage(CommandLine& line, const CLI::ParseError& error) {
  line.context.hint = "see '" + help_command(line.app) + "'";
  std::string message = error.what();
  std::erase(message, kMark);
  const int exit_code = is_fsck(line.app) ? kFsckUsage : kExitUsage;
  report_error(line.context, {ErrorCode::kInvalidArgument, std::move(message)}, exit_code);
  return exit_code;
}

// `ramet help clone` is `ramet clone --help`.
void translate_help(std::vector<std::string>& arguments) {
  if (arguments.empty() || arguments.front() != "help") return;
  arguments.erase(arguments.begin());
  arguments.push_back("--help");
}

// As a program that does not ignore SIGPIPE would end: the shell sees 141, nobody is bothered. In
// a daemon whoever handed the command over ends so.
int end_by_pipe(const Context& context) {
  if (context.caller.elsewhere) return kExitReaderGone;
  ::signal(SIGPIPE, SIG_DFL);
  ::raise(SIGPIPE);
  return kExitReaderGone;
}

int finish(Context& context, int exit_code) {
  const Status flushed = context.out.flush();
  if (context.out.reader_is_gone()) return end_by_pipe(context);
  if (flushed.ok()) return exit_code;
  const int failed = exit_code_of(flushed.error().code());
  report_error(context, flushed.error(), failed);
  return exit_code == kExitOk ? failed : exit_code;
}

// Help and version come out of CLI11 as exceptions, too.
int print_help(CommandLine& line, const CLI::ParseError& error) {
  std::ostringstream out;
  std::ostringstream err;
  line.app.exit(error, out, err);
  line.context.out.write(out.str());
  return finish(line.context, kExitOk);
}

int run_action(CommandLine& line) {
  Context& context = line.context;
  if (context.out.is_terminal()) context.style.quote = true;
  Result<int> result = line.action(context);
  if (result.ok() && *result == kExitReaderGone) return end_by_pipe(context);  // in a daemon
  if (result.ok()) return finish(context, *result);
  const int exit_code = exit_code_of(result.error().code());
  ignore_error(context.out.flush(), "the command's own error comes first");
  if (context.out.reader_is_gone()) return end_by_pipe(context);
  report_error(context, result.error(), exit_code);
  return exit_code;
}

}  // namespace

ExitCode exit_code_of(ErrorCode code) {
  switch (code) {
    case ErrorCode::kNotFound: return kExitNotFound;
    case ErrorCode::kInvalidArgument: return kExitUsage;
    case ErrorCode::kAlreadyExists:
    case ErrorCode::kFailedPrecondition:
    case ErrorCode::kUnsupported: return kExitPrecondition;
    case ErrorCode::kBusy:
    case ErrorCode::kFenced: return kExitBusy;
    case ErrorCode::kCorruption: return kExitCorruption;
    case ErrorCode::kOutOfSpace: return kExitOutOfSpace;
    case ErrorCode::kPermissionDenied:
    case ErrorCode::kIoError: return kExitIo;
    case ErrorCode::kCancelled: return kExitInterrupted;
    case ErrorCode::kQuotaExceeded: return kExitQuota;
    case ErrorCode::kWouldWait: return kExitIo;
  }
  return kExitIo;
}

void report_problem(const Context& context, std::string_view path, std::string_view reason) {
  if (!context.json) {
    to_stderr(context, fmt::format("ramet: {}: {}", escape_message(path), escape_message(reason)));
    return;
  }
  Json problem;
  set_name(problem, "path", path);
  problem["reason"] = to_utf8(reason);
  to_stderr(context, compact_json({{"problem", problem}}));
}

void report_stats(const Context& context, const std::string& line, const Json& stats) {
  to_stderr(context, context.json ? compact_json({{"stats", stats}}) : line);
}

void report_error(const Context& context, const Error& error, int exit_code) {
  if (!context.json) {
    const std::string hint = context.hint.empty() ? "" : " (" + context.hint + ")";
    to_stderr(context, "ramet: " + escape_message(error.message() + hint));
    return;
  }
  Json json = {{"code", error_code_name(error.code())},
               {"exit_code", exit_code},
               {"message", to_utf8(error.message())}};
  if (!context.hint.empty()) json["hint"] = to_utf8(context.hint);
  to_stderr(context, compact_json({{"error", json}}));
}

CommandLine::~CommandLine() = default;

CommandLine::CommandLine(Caller& caller)
    : context(caller),
      tree(std::make_unique<CLI::App>(
          "Ramet: an object store in which cloning is the primitive operation.", "ramet")),
      app(*tree) {
  app.formatter(std::make_shared<HelpFormatter>("[OPTIONS] COMMAND ..."));
  app.set_version_flag("--version", "ramet " RAMET_VERSION, "Print the version and end");
  app.set_help_flag("-h,--help", "Print this help and end");
  app.require_subcommand(1);
  add_common_options(app, context);
}

Command::Command(CommandLine& line, CLI::App& parent, const std::string& name,
                 const std::string& description, const std::string& usage,
                 const std::vector<std::string>& examples)
    : line_(line), app_(parent.add_subcommand(name, description)) {
  app_->formatter(std::make_shared<HelpFormatter>("[OPTIONS] " + usage));
  app_->set_help_flag("-h,--help", "Print this help and end");
  app_->footer(footer_of(examples));
  app_->group("Commands");
  app_->require_subcommand(0);
  add_common_options(*app_, line.context);
}

Command& Command::argument(const std::string& name, std::string& into,
                           const std::string& description, bool required) {
  app_->add_option(name,
                   CLI::callback_t([&into](const CLI::results_t& results) {
                     into = unprotect(results.back());
                     return true;
                   }),
                   description)
      ->required(required)
      ->type_name("");
  return *this;
}

Command& Command::arguments(const std::string& name, std::vector<std::string>& into,
                            size_t at_least, const std::string& description) {
  app_->add_option(name,
                   CLI::callback_t([&into](const CLI::results_t& results) {
                     into.clear();
                     for (const std::string& result : results) into.push_back(unprotect(result));
                     return true;
                   }),
                   description)
      ->expected(static_cast<int>(std::max<size_t>(at_least, 1)),
                 CLI::detail::expected_max_vector_size)
      ->allow_extra_args()
      ->required(at_least > 0)
      ->type_name("");
  return *this;
}

Command& Command::option(const std::string& names, std::string& into, const std::string& type,
                         const std::string& description) {
  app_->add_option(names,
                   CLI::callback_t([&into](const CLI::results_t& results) {
                     into = unprotect(results.back());
                     return true;
                   }),
                   description)
      ->type_name(type);
  return *this;
}

Command& Command::list(const std::string& names, std::vector<std::string>& into,
                       const std::string& type, const std::string& description) {
  app_->add_option(names,
                   CLI::callback_t([&into](const CLI::results_t& results) {
                     into.clear();
                     for (const std::string& result : results) into.push_back(unprotect(result));
                     return true;
                   }),
                   description)
      ->expected(1)
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll)
      ->type_name(type);
  return *this;
}

Command& Command::number(const std::string& names, uint64_t& into,
                         const std::string& description) {
  app_->add_option(names, into, description)->type_name("N");
  return *this;
}

Command& Command::flag(const std::string& names, bool& into, const std::string& description) {
  app_->add_flag(names, into, description);
  return *this;
}

Command& Command::choice(const std::string& names, std::string& into,
                         const std::vector<std::string>& values,
                         const std::string& description) {
  const auto check = [values](std::string& value) {
    if (std::find(values.begin(), values.end(), value) != values.end()) return std::string();
    return fmt::format("'{}' is none of {}", value, fmt::join(values, ", "));
  };
  app_->add_option(names, into, description)
      ->check(CLI::Validator(check, ""))
      ->type_name(fmt::format("{}", fmt::join(values, "|")));
  return *this;
}

Command& Command::names_options() {
  TextStyle& style = line_.context.style;
  app_->add_flag("-z,--null", style.null, "End lines with NUL and print names as they are");
  app_->add_flag("--quote", style.quote, "Quote names as on a terminal");
  return *this;
}

Command& Command::hidden() {
  app_->group("");
  return *this;
}

CLI::App& add_group(CommandLine& line, const std::string& name, const std::string& description) {
  CLI::App* app = line.app.add_subcommand(name, description);
  app->formatter(std::make_shared<HelpFormatter>("COMMAND ..."));
  app->set_help_flag("-h,--help", "Print this help and end");
  app->require_subcommand(1);
  app->group("Commands");
  app->footer("See 'ramet " + name + " COMMAND --help'.");
  return *app;
}

CLI::App& find_group(CommandLine& line, const std::string& name) {
  return *line.app.get_subcommand(name);
}

void Command::act(Action action) {
  app_->callback([line = &line_, action = std::move(action)] { line->action = action; });
}

void add_all_commands(CommandLine& line) {
  add_store_commands(line);
  add_check_commands(line);
  add_repair_commands(line);
  add_inspect_commands(line);
  add_config_commands(line);
  add_container_commands(line);
  add_clone_commands(line);
  add_snapshot_commands(line);
  add_keep_commands(line);
  add_principal_commands(line);
  add_secret_commands(line);
  add_grant_commands(line);
  add_audit_commands(line);
  add_copy_commands(line);
  add_content_commands(line);
  add_list_commands(line);
  add_look_commands(line);
  add_name_commands(line);
  add_standing_commands(line);
  add_verify_commands(line);
  add_serve_commands(line);
  add_top_commands(line);
  add_completion_commands(line);
  line.app.footer(kProgramFooter);
}

const char* program_version() { return RAMET_VERSION; }

int run_program(std::vector<std::string> arguments, Caller& caller) {
  const CallerScope scope(caller);
  CommandLine line(caller);
  line.context.json = asks_for_json(arguments);
  line.context.arguments = arguments;
  try {
    add_all_commands(line);
    translate_help(arguments);
    arguments = protect_arguments(std::move(arguments));
    std::reverse(arguments.begin(), arguments.end());  // the order that CLI11's parse() takes
    line.app.parse(std::move(arguments));
  } catch (const CLI::CallForHelp& help) {
    return print_help(line, help);
  } catch (const CLI::CallForVersion& version) {
    return print_help(line, version);
  } catch (const CLI::ParseError& error) {
    return report_usage(line, error);
  }
  try {
    return run_action(line);
  } catch (const std::exception& error) {  // of a library: JSON, file names
    report_error(line.context, {ErrorCode::kIoError, error.what()}, kExitIo);
    return kExitIo;
  }
}

}  // namespace ramet::tools
