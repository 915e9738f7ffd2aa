#include "tools/serve/metrics_text.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <limits>

#include <fmt/format.h>

namespace ramet::serve {
namespace {

constexpr double kEndless = std::numeric_limits<double>::infinity();

Result<double> parse_value(std::string_view text) {
  if (text == "+Inf" || text == "Inf") return kEndless;
  if (text == "-Inf") return -kEndless;
  if (text == "Nan" || text == "NaN") return std::numeric_limits<double>::quiet_NaN();
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) {
    return Error(ErrorCode::kCorruption, fmt::format("'{}' is no number", text));
  }
  return value;
}

// {a="b",c="d"} off the front of a line.
Status take_labels(std::string_view& line, Sample& sample) {
  const auto broken = [] { return Error(ErrorCode::kCorruption, "broken labels"); };
  line.remove_prefix(1);
  while (!line.starts_with('}')) {
    const size_t equals = line.find("=\"");
    if (equals == std::string_view::npos) return broken();
    std::string& value = sample.labels[std::string(line.substr(0, equals))];
    line.remove_prefix(equals + 2);
    while (!line.empty() && line.front() != '"') {
      if (line.front() == '\\' && line.size() > 1) line.remove_prefix(1);
      value += line.front();
      line.remove_prefix(1);
    }
    if (line.empty()) return broken();
    line.remove_prefix(1);
    if (line.starts_with(',')) line.remove_prefix(1);
    if (line.empty()) return broken();
  }
  line.remove_prefix(1);
  return ok();
}

std::string label(const Sample& sample, std::string_view name) {
  const auto found = sample.labels.find(name);
  return found == sample.labels.end() ? "" : found->second;
}

using Key = std::pair<std::string, std::string>;  // face, operation
Key key_of(const Sample& sample) { return {label(sample, "face"), label(sample, "operation")}; }

// Sums by operation of those samples that `counts`.
template <typename Counts>
std::map<Key, double> sums(const MetricsText& text, std::string_view name, const Counts& counts) {
  std::map<Key, double> all;
  for (const Sample& sample : text.samples(name)) {
    if (counts(sample)) all[key_of(sample)] += sample.value;
  }
  return all;
}

using Buckets = std::map<double, double>;  // requests up to so many seconds

std::map<Key, Buckets> buckets_of(const MetricsText& text) {
  std::map<Key, Buckets> all;
  for (const Sample& sample : text.samples("ramet_request_seconds_bucket")) {
    const auto bound = parse_value(label(sample, "le"));
    if (bound.ok()) all[key_of(sample)][*bound] += sample.value;
  }
  return all;
}

// As Prometheus' histogram_quantile(): evenly spread within a bucket.
double quantile(const Buckets& buckets, double part) {
  if (buckets.empty() || buckets.rbegin()->second <= 0) return 0;
  const double wanted = buckets.rbegin()->second * part;
  double below = 0;
  double counted = 0;
  for (const auto& [bound, count] : buckets) {
    if (count >= wanted) {
      if (!std::isfinite(bound)) return below;
      return below + (bound - below) * (wanted - counted) / std::max(count - counted, 1e-9);
    }
    below = bound;
    counted = count;
  }
  return below;
}

double difference(const std::map<Key, double>& before, const std::map<Key, double>& now,
                  const Key& key) {
  const auto a = before.find(key);
  const auto b = now.find(key);
  const double grown = (b == now.end() ? 0 : b->second) - (a == before.end() ? 0 : a->second);
  return std::max(0.0, grown);
}

}  // namespace

Result<MetricsText> MetricsText::parse(std::string_view text) {
  MetricsText parsed;
  size_t number = 0;
  while (!text.empty()) {
    ++number;
    std::string_view line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(text.size(), line.size() + 1));
    if (line.empty() || line.front() == '#') continue;
    const std::string name(line.substr(0, line.find_first_of("{ ")));
    line.remove_prefix(name.size());
    Sample sample;
    if (line.starts_with('{')) {
      RAMET_TRY(with_context(take_labels(line, sample), fmt::format("line {}", number)));
    }
    while (line.starts_with(' ')) line.remove_prefix(1);
    auto value = parse_value(line.substr(0, line.find(' ')));
    if (!value.ok()) return std::move(value).error().with_context(fmt::format("line {}", number));
    sample.value = *value;
    parsed.samples_[name].push_back(std::move(sample));
  }
  return parsed;
}

const std::vector<Sample>& MetricsText::samples(std::string_view name) const {
  static const std::vector<Sample> kNone;
  const auto found = samples_.find(name);
  return found == samples_.end() ? kNone : found->second;
}

double MetricsText::value(std::string_view name) const {
  const auto& all = samples(name);
  return all.empty() ? 0 : all.front().value;
}

std::vector<OperationRate> operation_rates(const MetricsText& before, const MetricsText& now,
                                           double seconds) {
  const auto any = [](const Sample&) { return true; };
  const auto failed = [](const Sample& sample) {
    const std::string status = label(sample, "status");
    return status.starts_with('4') || status.starts_with('5');
  };
  const auto counted = [&](const char* name, const auto& counts) {
    return std::pair(sums(before, name, counts), sums(now, name, counts));
  };
  const auto requests = counted("ramet_requests_total", any);
  const auto errors = counted("ramet_requests_total", failed);
  const auto in = counted("ramet_request_bytes_total", any);
  const auto out = counted("ramet_response_bytes_total", any);
  auto old_buckets = buckets_of(before);
  std::vector<OperationRate> rates;
  for (auto& [key, buckets] : buckets_of(now)) {
    OperationRate rate;
    rate.face = key.first;
    rate.operation = key.second;
    rate.requests = difference(requests.first, requests.second, key) / seconds;
    if (rate.requests == 0) continue;
    rate.errors = difference(errors.first, errors.second, key) / seconds;
    rate.bytes_in = difference(in.first, in.second, key) / seconds;
    rate.bytes_out = difference(out.first, out.second, key) / seconds;
    for (auto& [bound, count] : buckets) count -= old_buckets[key][bound];
    rate.median = quantile(buckets, 0.5);
    rate.p99 = quantile(buckets, 0.99);
    rates.push_back(std::move(rate));
  }
  std::sort(rates.begin(), rates.end(), [](const OperationRate& a, const OperationRate& b) {
    return a.requests > b.requests;
  });
  return rates;
}

}  // namespace ramet::serve
