#include "tools/serve/dnanexus/object_edit.h"

#include <algorithm>
#include <set>
#include <utility>

#include <fmt/format.h>

#include "tools/serve/dnanexus/parts.h"

namespace ramet::serve::dnanexus {
namespace {

constexpr int64_t kNanosecondsPerMs = 1'000'000;
constexpr size_t kDetailsLinksMax = 10'000;
constexpr size_t kTextsMax = 1000;  // tags and the like of one call: more could never be kept

// What is closed stays as visible as it is: a clone need not follow links to it.
Outcome<bool> may_be_hidden(const View& view, const ObjectLink& link) {
  const bool is_here = link.container.is_null() || link.container == view.container();
  if (!is_here) return false;
  const auto info = view.object(link.target);
  if (!info.ok() && info.error().code() != ErrorCode::kNotFound) return Fault(info.error());
  if (!info.ok()) return true;
  return info->standing.hidden || info->standing.state != ObjectState::kClosed;
}

}  // namespace

Task<Outcome<void>> edit_object(Call& call, const Located& found, ObjectEdit edit,
                                Weight weight) {
  const ObjectId id = found.info.id;
  const auto attempt = [&](Transaction& transaction, const View& view) -> Outcome<void> {
    RAMET_ASSIGN(ObjectInfo info, transaction.object(id));
    const Metadata metadata = info.metadata;
    const Standing standing = info.standing;
    RAMET_TRY(edit(transaction, view, info));
    if (info.metadata != metadata) RAMET_TRY(transaction.set_metadata(id, info.metadata));
    if (info.standing != standing) RAMET_TRY(transaction.set_standing(id, info.standing));
    Attributes attributes = info.attributes;
    attributes.modified = now_ms() * kNanosecondsPerMs;
    RAMET_TRY(transaction.set_attributes(id, attributes));
    return {};
  };
  co_return co_await change(call, found.project.info.id, attempt, weight);
}

Outcome<void> put_details(Transaction& transaction, const View& view, ObjectInfo& info,
                          const Json& details, const std::vector<ObjectLink>& required) {
  RAMET_ASSIGN(const std::vector<Link> links, links_in(details));
  const std::string text = details.dump(-1, ' ', false, Json::error_handler_t::replace);
  const bool is_empty = text == "{}";
  RAMET_TRY(set_long_text(transaction, info.id, kDetailsName, is_empty ? "" : text,
                          info.metadata.details));
  if (links.size() > kDetailsLinksMax) {
    return Fault(Type::kInvalidInput, fmt::format("more than {} links", kDetailsLinksMax));
  }
  std::vector<ObjectLink> all = required;
  const bool are_many = all.size() + links.size() > kLinksMax;
  std::set<std::pair<ObjectId, ContainerId>> known;
  for (const ObjectLink& link : all) known.insert({link.target, link.container});
  for (const Link& link : links) {
    if (!known.insert({link.link.target, link.link.container}).second) continue;
    if (are_many) {
      RAMET_ASSIGN(const bool counts, may_be_hidden(view, link.link));
      if (!counts) continue;
    }
    all.push_back(link.link);
  }
  if (all.size() > kLinksMax) {
    return Fault(Type::kInvalidInput,
                 fmt::format("more than {} links to objects that are hidden or open", kLinksMax));
  }
  info.standing.links = std::move(all);
  return {};
}

Outcome<std::vector<std::string>> texts_input(const Input& in, std::string_view key) {
  RAMET_ASSIGN(const auto texts, in.texts(key));
  if (!texts) return wrong_type(key, "an array of nonempty strings");
  if (texts->size() > kTextsMax) {
    return wrong_type(key, fmt::format("an array of at most {} strings", kTextsMax));
  }
  std::vector<std::string> out;
  add_once(out, *texts);
  return out;
}

Outcome<const Json*> properties_input(const Input& in, bool nulls) {
  RAMET_ASSIGN(const Json* const properties, in.object("properties"));
  if (properties == nullptr) return properties;
  for (const auto& [name, value] : properties->items()) {
    if (!value.is_string() && !(nulls && value.is_null())) {
      return wrong_type("properties." + name, nulls ? "a string or null" : "a string");
    }
    if (name.empty() || !is_users_property(name)) {
      return Fault(Type::kInvalidInput,
                   fmt::format("a property cannot be called \"{}\": names that begin with "
                               "\"{}\" or \"{}\" are the store's own",
                               name, kContentProperty, kOwnProperty));
    }
  }
  return properties;
}

void add_once(std::vector<std::string>& list, const std::vector<std::string>& more) {
  for (const std::string& one : more) {
    if (std::find(list.begin(), list.end(), one) == list.end()) list.push_back(one);
  }
}

}  // namespace ramet::serve::dnanexus
