// Metrics as Prometheus' text format has them, read back; and what two looks at them say.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "format/result.h"

namespace ramet::serve {

struct Sample {
  std::map<std::string, std::string, std::less<>> labels;
  double value = 0;
};

// By name.
class MetricsText {
 public:
  // kCorruption names the line that is none.
  static Result<MetricsText> parse(std::string_view text);

  // Of a metric without labels; 0 if there is none.
  double value(std::string_view name) const;
  const std::vector<Sample>& samples(std::string_view name) const;

 private:
  std::map<std::string, std::vector<Sample>, std::less<>> samples_;
};

// What an operation did between two looks.
struct OperationRate {
  std::string face, operation;
  double requests = 0;  // a second
  double errors = 0;    // a second: 4xx and 5xx
  double bytes_in = 0, bytes_out = 0;
  // Seconds, as far as the buckets tell; 0: no request.
  double median = 0, p99 = 0;
};

// `seconds` between them; busiest first, none that did nothing. With no look before (an empty one):
// totals over `seconds`.
std::vector<OperationRate> operation_rates(const MetricsText& before, const MetricsText& now,
                                           double seconds);

}  // namespace ramet::serve
