// Lifecycle rules of buckets (AWS, "Managing the lifecycle of objects"): reading them, and what
// they say of one object or upload at one time. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "tools/serve/s3/errors.h"
#include "tools/serve/s3/object_meta.h"

namespace ramet::serve::s3 {

struct LifecycleRule {
  std::string id;
  bool enabled = false;
  std::string prefix;
  Tags tags;  // all of them
  std::optional<uint64_t> larger_than, smaller_than;  // bytes
  std::optional<uint64_t> days;       // of current versions
  std::optional<int64_t> date;        // the same: from then on, nanoseconds since 1970
  bool remove_lone_marker = false;    // ExpiredObjectDeleteMarker
  std::optional<uint64_t> noncurrent_days;
  uint64_t newer_noncurrent = 0;      // versions that are kept all the same
  std::optional<uint64_t> abort_days;  // of uploads that are not completed
};

// MalformedXML; NotImplemented for transitions: there is one storage class.
Outcome<std::vector<LifecycleRule>> parse_lifecycle(std::string_view xml);

// One version of an object, or a deletion.
struct Aging {
  std::string_view key;
  uint64_t size = 0;
  const Metadata* metadata = nullptr;  // null for deletions
  int64_t since = 0;       // when it was made; of an earlier version: when it was replaced
  bool current = false;
  bool deletion = false;
  uint64_t newer = 0;      // earlier versions that are newer than it
  bool alone = false;      // there is no other version
};

enum class Fate : uint8_t {
  kKeep,
  kExpire,         // a current version: as if it was deleted
  kRemoveVersion,  // for good
};
Fate fate_of(const std::vector<LifecycleRule>& rules, const Aging& object, int64_t now);
bool aborts_upload(const std::vector<LifecycleRule>& rules, std::string_view key,
                   int64_t initiated, int64_t now);

}  // namespace ramet::serve::s3
