// top: what a daemon does, refreshed each second.
#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <fstream>
#include <iterator>

#include <fmt/format.h>

#include "tools/commands.h"
#include "tools/serve/fetch.h"
#include "tools/serve/metrics_text.h"
#include "tools/signals.h"
#include "tools/text.h"

namespace ramet::tools {
namespace {

using serve::MetricsText;
using serve::OperationRate;
using Clock = std::chrono::steady_clock;

constexpr size_t kOperationsShown = 20;
constexpr int kUnauthorized = 401;

struct TopCommand {
  std::string url;
  std::string token_file;
  std::string authorities;
  bool once = false;
};

struct Look {
  MetricsText metrics;
  Clock::time_point at;
};

// $RAMET_TOKEN, or a file: an argument would be seen by everyone on the machine.
Result<std::string> token_of(const TopCommand& command) {
  if (command.token_file.empty()) {
    const char* const variable = std::getenv("RAMET_TOKEN");
    return std::string(variable == nullptr ? "" : variable);
  }
  std::ifstream file(command.token_file);
  std::string token;
  if (!file || !std::getline(file, token)) {
    return Error(ErrorCode::kNotFound, command.token_file + ": no token can be read");
  }
  return token;
}

Result<Look> look(Context& context, const TopCommand& command, const std::string& token) {
  serve::FetchOptions options;
  options.token = token;
  options.authorities = command.authorities;
  RAMET_ASSIGN(const serve::Fetched fetched, serve::fetch(command.url, options));
  if (fetched.status == kUnauthorized) {
    return context.fail(ErrorCode::kPermissionDenied, command.url + ": the token is not taken",
                        "give a super admin's in RAMET_TOKEN or --token-file, or ask at the "
                        "daemon's metrics-listen");
  }
  if (fetched.status != 200) {
    return Error(ErrorCode::kIoError, fmt::format("{}: status {}", command.url, fetched.status));
  }
  Look taken;
  taken.at = Clock::now();
  RAMET_ASSIGN(taken.metrics, with_context(MetricsText::parse(fetched.body), command.url));
  return taken;
}

// What is shown: figures now, and rates since the look before.
struct Picture {
  const MetricsText& before;
  const MetricsText& now;
  double seconds;

  double value(const char* name) const { return now.value(name); }
  double rate(const char* name) const {
    return std::max(0.0, now.value(name) - before.value(name)) / seconds;
  }
  // Of what was looked for between the two looks (since the start if there was nothing).
  double hit_ratio(const std::string& cache) const {
    double hits = rate(("ramet_cache_" + cache + "_hits_total").c_str());
    double all = hits + rate(("ramet_cache_" + cache + "_misses_total").c_str());
    if (all == 0) {
      hits = value(("ramet_cache_" + cache + "_hits_total").c_str());
      all = hits + value(("ramet_cache_" + cache + "_misses_total").c_str());
    }
    return all == 0 ? 0 : hits / all;
  }
  double group_size() const {
    const double groups = rate("ramet_commit_group_size_count");
    return groups == 0 ? 0 : rate("ramet_commits_total") / groups;
  }
};

std::string bytes_text(double bytes) { return human_bytes(static_cast<uint64_t>(bytes)); }

std::string time_text(double seconds) {
  return seconds <= 0 ? "-" : human_duration(seconds);
}

void print_picture(Context& context, const Picture& picture,
                   const std::vector<OperationRate>& operations) {
  Output& out = context.out;
  out.print("{} connections, {} containers, {} objects, {} free on the disk{}\n",
            picture.value("ramet_connections"), picture.value("ramet_store_containers"),
            picture.value("ramet_store_objects"),
            bytes_text(picture.value("ramet_store_disk_available_bytes")),
            picture.value("ramet_store_read_only") != 0 ? ", READ-ONLY" : "");
  out.print("commits {:.0f}/s in groups of {:.1f}; log since checkpoint {}, dirty {}\n",
            picture.rate("ramet_commits_total"), picture.group_size(),
            bytes_text(picture.value("ramet_store_log_bytes_since_checkpoint")),
            bytes_text(picture.value("ramet_store_dirty_bytes")));
  out.print("cache: nodes {} ({:.0f}% hits), blocks {} ({:.0f}% hits)\n",
            bytes_text(picture.value("ramet_cache_node_bytes")), 100 * picture.hit_ratio("node"),
            bytes_text(picture.value("ramet_cache_block_bytes")), 100 * picture.hit_ratio("block"));
  out.print("reclaim: {}/s given back, {}/s copied, {} nodes pending; oldest pin {} checkpoints\n"
            "\n",
            bytes_text(picture.rate("ramet_reclaim_freed_bytes_total")),
            bytes_text(picture.rate("ramet_reclaim_copied_bytes_total")),
            picture.value("ramet_reclaim_nodes_pending"),
            picture.value("ramet_oldest_pin_checkpoints"));
  Table table(out, "lrrrrrr");
  table.row({"operation", "requests/s", "errors/s", "median", "p99", "in/s", "out/s"});
  for (size_t i = 0; i < std::min(operations.size(), kOperationsShown); ++i) {
    const OperationRate& one = operations[i];
    table.row({one.face + "." + one.operation, fmt::format("{:.1f}", one.requests),
               fmt::format("{:.1f}", one.errors), time_text(one.median), time_text(one.p99),
               bytes_text(one.bytes_in), bytes_text(one.bytes_out)});
  }
}

Json picture_json(const Picture& picture, const std::vector<OperationRate>& operations) {
  Json json;
  json["seconds"] = picture.seconds;
  json["connections"] = picture.value("ramet_connections");
  json["read_only"] = picture.value("ramet_store_read_only") != 0;
  json["disk_available"] = picture.value("ramet_store_disk_available_bytes");
  json["commits_per_second"] = picture.rate("ramet_commits_total");
  json["commit_group_size"] = picture.group_size();
  json["node_cache_bytes"] = picture.value("ramet_cache_node_bytes");
  json["node_cache_hit_ratio"] = picture.hit_ratio("node");
  json["block_cache_bytes"] = picture.value("ramet_cache_block_bytes");
  json["block_cache_hit_ratio"] = picture.hit_ratio("block");
  json["reclaim_freed_per_second"] = picture.rate("ramet_reclaim_freed_bytes_total");
  json["reclaim_nodes_pending"] = picture.value("ramet_reclaim_nodes_pending");
  json["oldest_pin_checkpoints"] = picture.value("ramet_oldest_pin_checkpoints");
  json["operations"] = Json::array();
  for (const OperationRate& one : operations) {
    Json row;
    row["face"] = one.face;
    row["operation"] = one.operation;
    row["requests_per_second"] = one.requests;
    row["errors_per_second"] = one.errors;
    row["median_seconds"] = one.median;
    row["p99_seconds"] = one.p99;
    row["bytes_in_per_second"] = one.bytes_in;
    row["bytes_out_per_second"] = one.bytes_out;
    json["operations"].push_back(std::move(row));
  }
  return json;
}

Result<int> run_top(Context& context, const TopCommand& command) {
  RAMET_ASSIGN(const std::string token, token_of(command));
  RAMET_ASSIGN(Look before, look(context, command, token));
  const bool clears = context.out.is_terminal() && !context.json && !command.once;
  while (!interrupted()) {
    if (wait_for_signal(std::chrono::seconds(1)) == Woken::kByInterrupt) break;
    RAMET_ASSIGN(Look now, look(context, command, token));
    const double seconds = std::chrono::duration<double>(now.at - before.at).count();
    const Picture picture{before.metrics, now.metrics, seconds};
    const auto operations = operation_rates(before.metrics, now.metrics, seconds);
    if (context.json) {
      context.out.print("{}\n", compact_json(picture_json(picture, operations)));
    } else {
      if (clears) context.out.write("\x1B[H\x1B[J");
      print_picture(context, picture, operations);
      if (!clears && !command.once) context.out.write("\n");
    }
    RAMET_TRY(context.out.flush());
    if (command.once) break;
    before = std::move(now);
  }
  return kExitOk;
}

}  // namespace

void add_top_commands(CommandLine& line) {
  auto options = std::make_shared<TopCommand>();
  options->url = "http://127.0.0.1:9440/metrics";
  Command(line, line.app, "top", "Watch what a daemon does", "",
          {"ramet top", "ramet top --url http://127.0.0.1:9441/metrics",
           "RAMET_TOKEN=... ramet top --url https://store.example:9440/metrics --once --json"})
      .option("--url", options->url, "URL",
              "Of its metrics (http://127.0.0.1:9440/metrics); also unix:SOCKET:/metrics")
      .option("--token-file", options->token_file, "FILE",
              "A super admin's token, else RAMET_TOKEN; not needed at metrics-listen")
      .option("--authorities", options->authorities, "FILE",
              "Certificates to trust instead of the system's, PEM")
      .flag("--once", options->once, "Look twice, a second apart, print once, and end")
      .run(options, run_top);
}

}  // namespace ramet::tools
