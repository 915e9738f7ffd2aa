// serve: the daemon. Opens the store, listens, and runs until it is told to end.
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <map>
#include <mutex>
#include <thread>

#include "engine/access.h"
#include "tools/commands.h"
#include "tools/local_commands.h"
#include "tools/progress.h"
#include "tools/serve/chores.h"
#include "tools/serve/dnanexus/uploads.h"
#include "tools/serve/log.h"
#include "tools/serve/metrics.h"
#include "tools/serve/notify.h"
#include "tools/serve/options.h"
#include "tools/serve/rest/upload_expiry.h"
#include "tools/serve/router.h"
#include "tools/serve/s3/housekeeping.h"
#include "tools/serve/server.h"
#include "tools/serve/services.h"
#include "tools/session.h"
#include "tools/signals.h"
#include "tools/text.h"

namespace ramet::tools {
namespace {

using serve::ServeOption;
using serve::ServeOptions;

constexpr uint64_t kDiskFullBytes = 64u << 20;
constexpr std::chrono::nanoseconds kLookAround = std::chrono::seconds(2);

struct ServeCommand {
  std::string store;
  std::string config;
  // As they were given, by name.
  std::map<std::string, std::string> texts;
  std::map<std::string, std::vector<std::string>> lists;
  std::map<std::string, bool> flags;
};

// The file, then the flags: flags win.
Result<ServeOptions> options_of(const ServeCommand& command) {
  ServeOptions options;
  if (!command.config.empty()) RAMET_TRY(read_serve_config(options, command.config));
  for (const auto& [name, value] : command.texts) {
    if (!value.empty()) RAMET_TRY(set_serve_option(options, name, {value}));
  }
  for (const auto& [name, values] : command.lists) {
    if (!values.empty()) RAMET_TRY(set_serve_option(options, name, values));
  }
  for (const auto& [name, given] : command.flags) {
    if (given) RAMET_TRY(set_serve_option(options, name, {"true"}));
  }
  RAMET_TRY(check_serve_options(options));
  return options;
}

// The store's figures, looked up once a second at most whoever asks.
class StoreSample {
 public:
  explicit StoreSample(Store& store) : store_(store) {}

  Result<StoreInfo> get() {
    const std::lock_guard lock(mu_);
    const auto now = std::chrono::steady_clock::now();
    if (taken_ && now - at_ < std::chrono::seconds(1)) return *taken_;
    RAMET_ASSIGN(taken_, store_.info());
    at_ = now;
    return *taken_;
  }

  Status ready() {
    RAMET_ASSIGN(const StoreInfo info, get());
    if (info.read_only) {
      return Error(ErrorCode::kFailedPrecondition,
                   "the store is read-only: " + info.read_only_reason);
    }
    if (info.ballast_bytes == 0 && info.disk_available < kDiskFullBytes) {
      return Error(ErrorCode::kOutOfSpace, "the disk is full");
    }
    return ok();
  }

 private:
  Store& store_;
  std::mutex mu_;
  std::optional<StoreInfo> taken_;
  std::chrono::steady_clock::time_point at_;
};

// Names the process while it lives.
class PidFile {
 public:
  static Result<std::unique_ptr<PidFile>> write(const std::string& path) {
    auto file = std::unique_ptr<PidFile>(new PidFile(path));
    if (path.empty()) return file;
    std::ofstream out(path, std::ios::trunc);
    out << ::getpid() << '\n';
    out.flush();
    if (!out) return Error(ErrorCode::kIoError, path + ": cannot be written");
    return file;
  }
  ~PidFile() {
    if (!path_.empty()) ::unlink(path_.c_str());
  }
  PidFile(const PidFile&) = delete;
  PidFile& operator=(const PidFile&) = delete;

 private:
  explicit PidFile(const std::string& path) : path_(path) {}
  const std::string path_;
};

size_t worker_count(const ServeOptions& options) {
  if (options.workers != 0) return options.workers;
  return std::max<size_t>(8, 4 * std::max(1u, std::thread::hardware_concurrency()));
}

bool is_operator(Store& store, std::string_view token) {
  const auto caller = store.access().authenticate_token(token);
  return caller.ok() && caller->principal.super_admin && caller->scope.account;
}

serve::ServerOptions server_options(const ServeOptions& options, const serve::Handler& handler,
                                    const serve::Handler& for_operators) {
  serve::ServerOptions server;
  for (const auto& address : options.listen) {
    server.doors.push_back({address, options.tls.any() && !address.is_unix(), handler});
  }
  for (const auto& address : options.metrics_listen) {
    server.doors.push_back({address, false, for_operators});
  }
  server.tls = options.tls;
  server.threads = options.threads;
  server.limits = options.limits;
  return server;
}

void announce(Context& context, const std::string& store, const ServeOptions& options,
              const std::vector<std::string>& urls) {
  if (context.json) {
    Json json;
    set_name(json, "store", store);
    json["pid"] = ::getpid();
    json["urls"] = Json::array();
    for (size_t i = 0; i < options.listen.size(); ++i) json["urls"].push_back(urls[i]);
    if (urls.size() > options.listen.size()) json["metrics_url"] = urls.back();
    context.out.print("{}\n", compact_json({{"serving", json}}));
  } else {
    std::string list = urls.front();
    for (size_t i = 1; i < options.listen.size(); ++i) list += ", " + urls[i];
    if (urls.size() > options.listen.size()) list += ", metrics on " + urls.back();
    context.say("ramet: serving {} on {}\n", quote_name(store), list);
  }
  ignore_error(context.out.flush(), "who waits for the line is gone");
}

void reload(serve::Server& server, serve::Log& log) {
  serve::notify_systemd("RELOADING=1");
  if (const Status reopened = log.reopen(); !reopened.ok()) {
    log.write(serve::LogLevel::kError, "the log was not opened anew",
              {{"error", reopened.error().message()}});
  }
  if (const Status loaded = server.reload_tls(); !loaded.ok()) {
    log.write(serve::LogLevel::kError, "the new certificate is not used",
              {{"error", loaded.error().message()}});
  }
  log.write(serve::LogLevel::kInfo, "reloaded");
  serve::notify_systemd("READY=1");
}

// Until a signal asks for the end.
void run_until_told(serve::Server& server, serve::Log& log) {
  const std::chrono::nanoseconds watchdog(serve::watchdog_interval());
  const auto pause = watchdog.count() == 0 ? kLookAround : std::min(kLookAround, watchdog / 3);
  serve::notify_systemd("READY=1");
  for (;;) {
    const Woken woken = wait_for_signal(pause);
    if (woken == Woken::kByInterrupt) break;
    if (woken == Woken::kByHangup) reload(server, log);
    server.reload_changed_tls();
    if (watchdog.count() != 0 && server.is_alive()) serve::notify_systemd("WATCHDOG=1");
  }
  serve::notify_systemd("STOPPING=1");
}

int64_t nanoseconds_now() {
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  return std::chrono::duration_cast<std::chrono::nanoseconds>(now).count();
}

Status run_lifecycle(serve::Services& services) {
  const auto done = serve::s3::run_housekeeping(services, nanoseconds_now());
  return done.ok() ? ok() : Status(done.error());
}

Status expire_uploads(Store& store, int64_t expiry) {
  if (expiry == 0) return ok();
  const auto done = serve::rest::remove_resting_uploads(store, nanoseconds_now() - expiry);
  return done.ok() ? ok() : Status(done.error());
}

Status serve_store(Context& context, const std::string& path, const ServeOptions& options,
                   Store& store) {
  RAMET_ASSIGN(const auto log, serve::Log::open(options.log));
  serve::Metrics metrics;
  StoreSample sample(store);
  metrics.sample_store([&sample] { return sample.get(); });
  metrics.sample_lost_lines([&log] { return log->lost(); });
  serve::Workers workers(worker_count(options));

  serve::Services services{store, store.access(), workers, metrics, *log, options.faces};
  const auto rest = serve::make_rest_face(services);
  const auto s3 = serve::make_s3_face(services);
  const auto dnanexus = serve::make_dnanexus_face(services);
  const auto fhir = serve::make_fhir_face(services);
  serve::Routes routes;
  routes.rest = rest.get();
  routes.s3 = s3.get();
  routes.dnanexus = dnanexus.get();
  routes.fhir = fhir.get();
  routes.s3_domain = options.faces.s3_domain;
  routes.ready = [&sample] { return sample.ready(); };
  routes.is_operator = [&store](std::string_view token) { return is_operator(store, token); };
  RAMET_ASSIGN(const auto server,
               serve::Server::start(server_options(options, make_router(routes, workers, metrics),
                                                   make_operator_router(routes, workers, metrics)),
                                    *log, metrics));
  RAMET_ASSIGN(const auto door, open_local_door(store, path));
  const serve::Chores chores(
      {{"lifecycle", std::chrono::hours(1),
        [&services] { return run_lifecycle(services); }},
       {"uploads", std::chrono::hours(1),
        [&] { return expire_uploads(store, options.upload_expiry); }},
       {"logins", std::chrono::seconds(2),
        [&dnanexus, &fhir]() -> Status {
          RAMET_TRY(dnanexus->tick());
          return fhir->tick();
        }},
       {"parts", std::chrono::hours(1),
        [&] { return serve::dnanexus::Uploads(store, workers).sweep(); }}},
      *log);

  RAMET_ASSIGN(const auto pid_file, PidFile::write(options.pid_file));
  log->write(serve::LogLevel::kInfo, "serving", {{"store", path}, {"url", server->urls().front()}});
  announce(context, path, options, server->urls());
  run_until_told(*server, *log);
  door->stop(std::chrono::milliseconds(options.grace / 1'000'000));
  const bool all_answered = server->stop(options.grace);
  log->write(all_answered ? serve::LogLevel::kInfo : serve::LogLevel::kWarning,
             all_answered ? "stopped" : "stopped; requests that ran were cut");
  return ok();
}

Result<int> run_serve(Context& context, const ServeCommand& command) {
  if (!command.store.empty()) context.store = command.store;
  RAMET_ASSIGN(const ServeOptions options, options_of(command));
  // Absolute: the threads of commands that are handed over may be somewhere else.
  RAMET_ASSIGN(const std::string given, find_store(context));
  const std::string path = std::filesystem::absolute(given).lexically_normal().string();
  keep_hangups();
  StoreOptions store_options;
  store_options.node_cache_bytes = options.node_cache_bytes;
  store_options.block_cache_bytes = options.block_cache_bytes;
  auto opened = [&] {
    CopyProgress progress;
    const ProgressLine line("opening the store", progress, !context.no_progress);
    return Store::open(path, store_options);
  }();
  if (!opened.ok()) {
    if (opened.error().code() == ErrorCode::kBusy) {
      context.hint = "a store has one daemon; it serves the command line, too";
    } else if (opened.error().code() == ErrorCode::kFailedPrecondition) {
      context.hint = "make a store with 'ramet init " + path + "'";
    }
    return std::move(opened).error();
  }
  const Status served = serve_store(context, path, options, **opened);
  const Status closed = (*opened)->close();
  RAMET_TRY(served);
  RAMET_TRY(closed);
  return kExitOk;
}

}  // namespace

void add_serve_commands(CommandLine& line) {
  auto options = std::make_shared<ServeCommand>();
  Command command(line, line.app, "serve", "Serve a store over HTTP until told to end", "[STORE]",
                  {"ramet serve /srv/store", "ramet serve /srv/store --config /etc/ramet.toml",
                   "ramet serve --listen :9440 --tls-certificate cert.pem --tls-key key.pem"});
  command.argument("store", options->store, "The store (or --store)", false);
  command.option("--config", options->config, "FILE",
                 "TOML with the options below, without their dashes; flags win");
  for (const ServeOption& option : serve::serve_option_table()) {
    const std::string name = option.name;
    const std::string flag = "--" + name;
    switch (option.kind) {
      case ServeOption::Kind::kText:
        command.option(flag, options->texts[name], option.type, option.help);
        break;
      case ServeOption::Kind::kList:
        command.list(flag, options->lists[name], option.type, option.help);
        break;
      case ServeOption::Kind::kFlag:
        command.flag(flag, options->flags[name], option.help);
        break;
    }
  }
  command.run(options, run_serve);
}

}  // namespace ramet::tools
