#include "tools/serve/metrics.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <map>
#include <mutex>
#include <sstream>
#include <unordered_map>
#include <vector>

#include <fmt/format.h>
#include <prometheus/counter.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>
#include <prometheus/text_serializer.h>

namespace ramet::serve {
namespace {

using prometheus::Counter;
using prometheus::Family;
using prometheus::Gauge;
using prometheus::Histogram;

constexpr size_t kOperationsMax = 400;  // beyond, something made names up
constexpr std::string_view kOther = "other";

// Seconds: from a small object out of memory to a long upload.
const Histogram::BucketBoundaries kLatencies = {
    0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10,
    30, 60};

struct TextHash {
  using is_transparent = void;
  size_t operator()(std::string_view text) const { return std::hash<std::string_view>{}(text); }
};

// Of one operation, for all threads; its metrics live as long as the registry.
struct Operation {
  prometheus::Labels labels;
  Histogram* seconds = nullptr;
  Counter* bytes_in = nullptr;
  Counter* bytes_out = nullptr;
};

// A figure of StoreInfo, and what it is called.
struct StoreFigure {
  const char* name;
  const char* help;
  uint64_t StoreInfo::*field;
};

constexpr StoreFigure kStoreGauges[] = {
    {"ramet_store_sequence", "Number of the last durable commit.", &StoreInfo::sequence},
    {"ramet_store_checkpoint_sequence", "Number of the last commit that a checkpoint holds.",
     &StoreInfo::checkpoint_sequence},
    {"ramet_store_containers", "Containers.", &StoreInfo::containers},
    {"ramet_store_snapshots", "Snapshots.", &StoreInfo::snapshots},
    {"ramet_store_dropped", "Dropped things that can be taken back.", &StoreInfo::dropped},
    {"ramet_store_objects", "Objects of all containers.", &StoreInfo::objects},
    {"ramet_store_logical_bytes", "Content of all containers as if nothing were shared.",
     &StoreInfo::logical_bytes},
    {"ramet_store_segments", "Segments.", &StoreInfo::segments},
    {"ramet_store_segment_bytes", "Bytes of segments on disk.", &StoreInfo::segment_bytes},
    {"ramet_store_index_bytes", "Bytes of the dedupe index on disk.", &StoreInfo::index_bytes},
    {"ramet_store_ballast_bytes", "Bytes held back for a full disk.", &StoreInfo::ballast_bytes},
    {"ramet_store_disk_available_bytes", "Free bytes of the file system.",
     &StoreInfo::disk_available},
    {"ramet_store_dirty_bytes", "Memory of nodes that no checkpoint holds yet.",
     &StoreInfo::dirty_bytes},
    {"ramet_store_log_bytes_since_checkpoint", "Log that the next open would replay.",
     &StoreInfo::log_bytes_since_checkpoint},
    {"ramet_cache_node_bytes", "Memory of the cache of tree nodes.", &StoreInfo::node_cache_bytes},
    {"ramet_cache_block_bytes", "Memory of the cache of blocks.", &StoreInfo::block_cache_bytes},
    {"ramet_oldest_pin_checkpoints",
     "Checkpoints since the oldest reader or transaction that keeps space began.",
     &StoreInfo::oldest_pin_checkpoints},
    {"ramet_reclaim_nodes_pending", "Dead tree nodes that wait to be followed.",
     &StoreInfo::reclaim_nodes_pending},
};

constexpr StoreFigure kStoreCounters[] = {
    {"ramet_commits_total", "Durable commits.", &StoreInfo::group_commits},
    {"ramet_cache_node_hits_total", "Found in the cache of tree nodes.",
     &StoreInfo::node_cache_hits},
    {"ramet_cache_node_misses_total", "Not found in the cache of tree nodes.",
     &StoreInfo::node_cache_misses},
    {"ramet_cache_block_hits_total", "Found in the cache of blocks.",
     &StoreInfo::block_cache_hits},
    {"ramet_cache_block_misses_total", "Not found in the cache of blocks.",
     &StoreInfo::block_cache_misses},
    {"ramet_reclaim_freed_bytes_total", "Bytes given back.", &StoreInfo::reclaim_bytes_freed},
    {"ramet_reclaim_copied_bytes_total", "Bytes copied to give others back.",
     &StoreInfo::reclaim_bytes_copied},
};

// The store's own figures, as they are now: they are not counted here but copied.
class StoreFigures final : public prometheus::Collectable {
 public:
  void sample(std::function<Result<StoreInfo>()> source) {
    const std::lock_guard lock(mu_);
    source_ = std::move(source);
    sampled_ = {};
  }

  std::vector<prometheus::MetricFamily> Collect() const override {
    const std::lock_guard lock(mu_);
    if (!source_) return {};
    const auto now = std::chrono::steady_clock::now();
    if (now - sampled_ >= std::chrono::seconds(1)) {
      sampled_ = now;
      if (auto info = source_(); info.ok()) info_ = std::move(*info);
    }
    std::vector<prometheus::MetricFamily> families;
    for (const StoreFigure& figure : kStoreGauges) {
      add(families, figure.name, figure.help, prometheus::MetricType::Gauge)
          .gauge.value = static_cast<double>(info_.*figure.field);
    }
    for (const StoreFigure& figure : kStoreCounters) {
      add(families, figure.name, figure.help, prometheus::MetricType::Counter)
          .counter.value = static_cast<double>(info_.*figure.field);
    }
    add(families, "ramet_store_read_only", "1: nothing can be written.",
        prometheus::MetricType::Gauge)
        .gauge.value = info_.read_only ? 1 : 0;
    add_groups(families);
    return families;
  }

 private:
  static prometheus::ClientMetric& add(std::vector<prometheus::MetricFamily>& families,
                                       const char* name, const char* help,
                                       prometheus::MetricType type) {
    prometheus::MetricFamily& family = families.emplace_back();
    family.name = name;
    family.help = help;
    family.type = type;
    return family.metric.emplace_back();
  }

  // How many commits shared a sync.
  void add_groups(std::vector<prometheus::MetricFamily>& families) const {
    auto& histogram =
        add(families, "ramet_commit_group_size", "Commits in a group that was synced.",
            prometheus::MetricType::Histogram)
            .histogram;
    uint64_t groups = 0;
    for (size_t i = 0; i < info_.commit_groups.size(); ++i) {
      groups += info_.commit_groups[i];
      histogram.bucket.push_back({groups, static_cast<double>(uint64_t{1} << i)});
    }
    histogram.sample_count = groups;
    histogram.sample_sum = static_cast<double>(info_.group_commits);
  }

  mutable std::mutex mu_;
  std::function<Result<StoreInfo>()> source_;
  mutable std::chrono::steady_clock::time_point sampled_;
  mutable StoreInfo info_;
};

}  // namespace

struct Metrics::Impl {
  prometheus::Registry registry;
  StoreFigures store;
  std::mutex mu;
  std::unordered_map<std::string, Operation, TextHash, std::equal_to<>> operations;
  std::function<uint64_t()> lost_lines;

  Family<Counter>& requests = family<Counter>("ramet_requests_total", "Requests answered.");
  Family<Histogram>& seconds = prometheus::BuildHistogram()
                                   .Name("ramet_request_seconds")
                                   .Help("From the end of a request's header to the last byte of "
                                         "its response.")
                                   .Register(registry);
  Family<Counter>& bytes_in =
      family<Counter>("ramet_request_bytes_total", "Bytes of bodies received.");
  Family<Counter>& bytes_out =
      family<Counter>("ramet_response_bytes_total", "Bytes of bodies sent.");
  Gauge& connections =
      prometheus::BuildGauge().Name("ramet_connections").Help("Open now.").Register(registry).Add(
          {});
  Counter& accepted = family<Counter>("ramet_connections_total", "Accepted.").Add({});
  Counter& refused =
      family<Counter>("ramet_connections_refused_total", "Turned away: too many.").Add({});
  Family<Counter>& cut = family<Counter>("ramet_connections_cut_total", "Ended by the server.");
  Gauge& lost = prometheus::BuildGauge()
                    .Name("ramet_log_lost_lines")
                    .Help("Lines of the log that were not written since it did not keep up.")
                    .Register(registry)
                    .Add({});

  template <typename Metric>
  Family<Metric>& family(const char* name, const char* help) {
    return prometheus::BuildCounter().Name(name).Help(help).Register(registry);
  }

  Operation operation(std::string_view name) {
    const std::lock_guard lock(mu);
    auto found = operations.find(name);
    if (found == operations.end() && operations.size() >= kOperationsMax) {
      name = kOther;
      found = operations.find(name);
    }
    if (found != operations.end()) return found->second;
    const size_t dot = name.find('.');
    const bool has_face = dot != std::string_view::npos;
    Operation made;
    made.labels = {{"face", std::string(has_face ? name.substr(0, dot) : "server")},
                   {"operation", std::string(has_face ? name.substr(dot + 1) : name)}};
    made.seconds = &seconds.Add(made.labels, kLatencies);
    made.bytes_in = &bytes_in.Add(made.labels);
    made.bytes_out = &bytes_out.Add(made.labels);
    return operations.emplace(name, made).first->second;
  }

  Counter& requests_of(const Operation& of, int status) {
    prometheus::Labels labels = of.labels;
    labels["status"] = std::to_string(status);
    return requests.Add(labels);
  }
};

struct Metrics::Recorder::Impl {
  struct Known {
    Operation operation;
    std::vector<std::pair<int, Counter*>> statuses;
  };
  Metrics::Impl& metrics;
  std::unordered_map<std::string, Known, TextHash, std::equal_to<>> known;

  Known& find(std::string_view operation) {
    const auto found = known.find(operation);
    if (found != known.end()) return found->second;
    if (known.size() >= kOperationsMax && operation != kOther) return find(kOther);
    return known.emplace(operation, Known{metrics.operation(operation), {}}).first->second;
  }
  Counter& status(Known& of, int status) {
    for (const auto& [number, counter] : of.statuses) {
      if (number == status) return *counter;
    }
    return *of.statuses.emplace_back(status, &metrics.requests_of(of.operation, status)).second;
  }
};

Metrics::Recorder::Recorder(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Metrics::Recorder::~Recorder() = default;

void Metrics::Recorder::request(std::string_view operation, int status, uint64_t nanoseconds,
                                uint64_t bytes_in, uint64_t bytes_out) {
  Impl::Known& of = impl_->find(operation.empty() ? kOther : operation);
  impl_->status(of, status).Increment();
  of.operation.seconds->Observe(static_cast<double>(nanoseconds) / 1e9);
  if (bytes_in != 0) of.operation.bytes_in->Increment(static_cast<double>(bytes_in));
  if (bytes_out != 0) of.operation.bytes_out->Increment(static_cast<double>(bytes_out));
}

Metrics::Metrics() : impl_(std::make_unique<Impl>()) {}
Metrics::~Metrics() = default;

std::unique_ptr<Metrics::Recorder> Metrics::recorder() {
  return std::unique_ptr<Recorder>(
      new Recorder(std::unique_ptr<Recorder::Impl>(new Recorder::Impl{*impl_, {}})));
}

void Metrics::connection_opened() {
  impl_->accepted.Increment();
  impl_->connections.Increment();
}
void Metrics::connection_closed() { impl_->connections.Decrement(); }
void Metrics::connection_refused() { impl_->refused.Increment(); }
void Metrics::connection_cut(std::string_view why) {
  impl_->cut.Add({{"reason", std::string(why)}}).Increment();
}

void Metrics::sample_store(std::function<Result<StoreInfo>()> source) {
  impl_->store.sample(std::move(source));
}

void Metrics::sample_lost_lines(std::function<uint64_t()> source) {
  const std::lock_guard lock(impl_->mu);
  impl_->lost_lines = std::move(source);
}

std::string Metrics::text() {
  {
    const std::lock_guard lock(impl_->mu);
    if (impl_->lost_lines) impl_->lost.Set(static_cast<double>(impl_->lost_lines()));
  }
  std::vector<prometheus::MetricFamily> all = impl_->registry.Collect();
  std::vector<prometheus::MetricFamily> store = impl_->store.Collect();
  std::move(store.begin(), store.end(), std::back_inserter(all));
  std::ostringstream out;
  prometheus::TextSerializer().Serialize(out, all);
  return std::move(out).str();
}

}  // namespace ramet::serve
