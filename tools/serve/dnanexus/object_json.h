// Objects as the API describes them. Functions over one state of a container; thread-safe, may wait
// for the disk.
#pragma once

#include <optional>
#include <set>
#include <string>
#include <vector>

#include "engine/store.h"
#include "engine/view.h"
#include "tools/serve/dnanexus/errors.h"
#include "tools/serve/dnanexus/ids.h"
#include "tools/serve/dnanexus/input.h"

namespace ramet::serve::dnanexus {

// Properties that the face keeps of objects and does not show as such.
inline constexpr std::string_view kOwnProperty = "dnanexus.";
inline constexpr std::string_view kCreatedByProperty = "dnanexus.created-by";  // a principal's name
// The container that an object was made in, where it is worked on while it is open: whoever clones
// a whole container has another open one of the same id.
inline constexpr std::string_view kHomeProperty = "dnanexus.home";
inline constexpr std::string_view kDetailsName = "details";      // a document, if it is long
inline constexpr std::string_view kSpecName = "dnanexus.spec";   // what a class has beside the rest

// By the type of the object: one that no class of the API has is a record.
Outcome<ObjectClass> class_of(Store& store, TypeNumber type);
// Interned when it is first used. Waits.
Outcome<TypeNumber> type_of(Store& store, ObjectClass object_class);

// What people call it.
const std::string& title_of(const ObjectInfo& info);
// The object's details, as text: a JSON object or array.
Result<std::string> details_of(const View& view, const ObjectInfo& info);
// A hash or array that was kept as text; an empty hash for anything else.
Json parse_kept(std::string_view text);
// Whether the API has entries of this class at all: it knows no links and devices.
inline bool is_shown(EntryClass entry_class) {
  return entry_class == EntryClass::kFile || entry_class == EntryClass::kRecord;
}
// Whether a property is the user's.
bool is_users_property(std::string_view name);

// Which fields a description has.
class DescribeFields {
 public:
  // The default ones.
  DescribeFields() = default;
  // As "describe" (true, or a mapping), or the input of /describe, asks for. InvalidInput.
  static Outcome<DescribeFields> parse(const Json& asked);
  bool has(std::string_view name) const;
  // Asked for by its name alone: not one of the default ones.
  bool asks(std::string_view name) const { return named_.contains(std::string(name)); }
  bool defaults() const { return defaults_; }

 private:
  bool defaults_ = true;
  std::set<std::string> named_;
  std::set<std::string> left_out_;
};

// `open_parts`: of a file that is open, those that came; null: not known.
Outcome<Json> object_json(Store& store, const View& view, const ObjectInfo& info,
                          const DescribeFields& fields, const Json* open_parts = nullptr);
// The ids that `$dnanexus_link`s name, each once, in order. InvalidInput: one that is none.
struct Link {
  std::string text;  // as given
  ObjectLink link;
  friend bool operator==(const Link&, const Link&) = default;
};
Outcome<std::vector<Link>> links_in(const Json& details);

// Milliseconds of nanoseconds.
inline int64_t to_ms(int64_t nanoseconds) { return nanoseconds / 1'000'000; }

}  // namespace ramet::serve::dnanexus
