// Types of objects: names and the numbers that stand for them in keys.
#include <fmt/format.h>

#include "engine/access.h"
#include "engine/container/catalog.h"
#include "engine/store_impl.h"
#include "engine/tree/cursor.h"
#include "format/keys.h"

namespace ramet::engine {
namespace {

constexpr std::string_view kFileTypeName = "file";

Status check_type_name(std::string_view name) {
  if (name.empty() || name.size() > kTypeNameBytesMax) {
    return Error(ErrorCode::kInvalidArgument,
                 fmt::format("the name of a type has 1 to {} bytes", kTypeNameBytesMax));
  }
  return check_access_text(name, kTypeNameBytesMax, "the name of a type");
}

}  // namespace

Result<std::optional<TypeNumber>> StoreImpl::find_type(std::string_view name) {
  if (name == kFileTypeName) return std::optional<TypeNumber>(kFileType);
  {
    const std::lock_guard lock(types_mu_);
    const auto known = types_.find(name);
    if (known != types_.end()) return std::optional<TypeNumber>(known->second);
  }
  RAMET_TRY(check_open());
  const Pins::Reader hold(pins());
  const HeadState head = visible();
  Value value;
  RAMET_ASSIGN(const bool found, get(context_, head.catalog, type_name_key(name), &value));
  if (!found) return std::optional<TypeNumber>();
  RAMET_ASSIGN(const TypeRecord type, decode_type(value.bytes()));
  const std::lock_guard lock(types_mu_);
  types_.emplace(name, type.number);
  return std::optional<TypeNumber>(type.number);
}

Result<TypeNumber> StoreImpl::intern_type(std::string_view name) {
  RAMET_TRY(check_type_name(name));
  RAMET_ASSIGN(const auto known, find_type(name));
  if (known) return *known;
  CommitRequest request;
  request.prepare = [&](const HeadState& head, CommitRequest& commit) -> Status {
    commit.trees.clear();
    RAMET_ASSIGN(const bool found, get(context_, head.catalog, type_name_key(name), nullptr));
    if (found) return ok();  // another thread's
    // The one behind the last.
    TypeNumber number = kFileType + 1;
    const KeyRange range = space_range(CatalogSpace::kType);
    Cursor cursor(context_, head.catalog);
    RAMET_TRY(cursor.seek(range.from));
    while (cursor.valid() && range.contains(cursor.key())) {
      RAMET_ASSIGN(const TypeNumber taken, decode_type_key(cursor.key()));
      if (taken == UINT32_MAX) return Error(ErrorCode::kOutOfSpace, "no type has a number left");
      number = std::max(number, taken + 1);
      RAMET_TRY(cursor.next());
    }
    const Bytes record = encode_type({number, std::string(name)});
    commit.trees.push_back({{},
                            {Operation::put(type_name_key(name), record),
                             Operation::put(type_key(number), record)}});
    return ok();
  };
  RAMET_TRY(commit(request, false));
  RAMET_ASSIGN(const auto made, find_type(name));
  if (made) return *made;
  return Error(ErrorCode::kCorruption, fmt::format("the type '{}' was not kept", name));
}

Result<std::string> StoreImpl::type_name(TypeNumber number) {
  if (number == kFileType) return std::string(kFileTypeName);
  {
    const std::lock_guard lock(types_mu_);
    for (const auto& [name, known] : types_) {
      if (known == number) return name;
    }
  }
  RAMET_TRY(check_open());
  const Pins::Reader hold(pins());
  const HeadState head = visible();
  Value value;
  RAMET_ASSIGN(const bool found, get(context_, head.catalog, type_key(number), &value));
  if (!found) {
    return Error(ErrorCode::kNotFound, fmt::format("there is no type of number {}", number));
  }
  RAMET_ASSIGN(TypeRecord type, decode_type(value.bytes()));
  const std::lock_guard lock(types_mu_);
  types_.emplace(type.name, number);
  return std::move(type.name);
}

}  // namespace ramet::engine
