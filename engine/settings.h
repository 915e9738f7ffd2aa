// Settings: named values that a store and its containers keep, each with one parser, one default
// and one line of help. A container's value goes before its store's, and that before the default.
// Everything here is pure and thread-safe; Store::set_setting() makes them durable.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "format/result.h"

namespace ramet {

// Which of them may have a value for it.
enum class SettingScope : uint8_t { kStore, kContainer, kBoth };

struct SettingSpec {
  std::string_view name;
  SettingScope scope = SettingScope::kBoth;
  std::string_view default_value;
  std::string_view allowed;  // "none, zstd or ...": what an error says
  std::string_view help;     // one line for people
  // The one text for a value that people may write in several ways. kInvalidArgument without
  // more: check_setting() says what is allowed.
  Result<std::string> (*parse)(std::string_view value) = nullptr;

  bool of_store() const { return scope != SettingScope::kContainer; }
  bool of_container() const { return scope != SettingScope::kStore; }
};

// A value that is kept, as it was checked and written.
struct Setting {
  std::string name;
  std::string value;
  friend bool operator==(const Setting&, const Setting&) = default;
};

// A value in effect.
enum class SettingSource : uint8_t { kDefault, kStore, kContainer };
struct SettingInfo {
  std::string name;
  std::string value;
  SettingSource source = SettingSource::kDefault;
};

// By name, ascending.
std::span<const SettingSpec> known_settings();
// Null if there is none.
const SettingSpec* find_setting(std::string_view name);

// The text to keep for a value. kInvalidArgument for an unknown name (lists those that there are),
// for one that is not of this scope, and for a bad value (says what is allowed).
Result<std::string> check_setting(std::string_view name, std::string_view value,
                                  bool of_container);
// The same without a value: whether the name may be set, or unset, there.
Status check_setting_name(std::string_view name, bool of_container);

// --- the values of each setting ------------------------------------------------------------------

// How long what was dropped can be taken back, at least.
inline constexpr std::string_view kDropGraceSetting = "drop-grace";
// Which automatic snapshots of a container are kept (engine/retention.h).
inline constexpr std::string_view kKeepSetting = "keep";
// Logical content bytes and objects that commits may make a container grow to; "none": any.
inline constexpr std::string_view kQuotaBytesSetting = "quota-bytes";
inline constexpr std::string_view kQuotaObjectsSetting = "quota-objects";
// Whether earlier versions of objects are kept: "off", "on", or "suspended" (those that there are
// stay, what is replaced from then on does not). Never back to "off".
inline constexpr std::string_view kVersioningSetting = "versioning";
// "on": what set_lock() says keeps versions, and the container itself. Needs versions; never back
// to "off". Clones are not bound by it.
inline constexpr std::string_view kObjectLockSetting = "object-lock";
inline constexpr std::string_view kCompressionSetting = "compression";
// "on" or "paused": whether space is given back in the background; and how many bytes a second are
// copied for it ("none": any). Near the end of the disk the rate does not count.
inline constexpr std::string_view kReclaimSetting = "reclaim";
inline constexpr std::string_view kReclaimRateSetting = "reclaim-rate";
// When the next pass of scrub is due after the last one began ("none": never), and how many bytes a
// second it reads ("none": any).
inline constexpr std::string_view kScrubIntervalSetting = "scrub-interval";
inline constexpr std::string_view kScrubRateSetting = "scrub-rate";

// How new blocks are stored. `level`: of zstd; 0: not compressed.
struct Compression {
  int level = 0;
  friend bool operator==(const Compression&, const Compression&) = default;
};
inline constexpr int kCompressionLevelMax = 22;
// "none", "zstd" (its default level), "zstd:LEVEL". kInvalidArgument.
Result<Compression> parse_compression(std::string_view value);

}  // namespace ramet
