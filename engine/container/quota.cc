#include "engine/container/quota.h"

#include <fmt/format.h>

#include "engine/quantity.h"

namespace ramet::engine {
namespace {

const std::string* value_of(const ContainerRecord& record, std::string_view name) {
  for (const Setting& setting : record.settings) {
    if (setting.name == name && setting.value != "none") return &setting.value;
  }
  return nullptr;
}

Status check_one(const ContainerRecord& record, std::string_view setting, std::string_view what,
                 uint64_t before, uint64_t after) {
  const std::string* value = value_of(record, setting);
  if (value == nullptr || after <= before) return ok();
  RAMET_ASSIGN(const uint64_t limit, parse_count(*value));
  if (after <= limit) return ok();
  return Error(ErrorCode::kQuotaExceeded,
               fmt::format("container '{}' may hold {} {} ({}) and would hold {}", record.name,
                           limit, what, setting, after));
}

}  // namespace

bool has_quota(const ContainerRecord& record) {
  return value_of(record, kQuotaBytesSetting) != nullptr ||
         value_of(record, kQuotaObjectsSetting) != nullptr;
}

Status check_quota(const ContainerRecord& record, const Summary& before, const Summary& after) {
  const auto check = [&](std::string_view setting, std::string_view what, SummaryColumn column) {
    return check_one(record, setting, what, before[column], after[column]);
  };
  RAMET_TRY(check(kQuotaBytesSetting, "bytes", SummaryColumn::kContentBytes));
  return check(kQuotaObjectsSetting, "objects", SummaryColumn::kObjects);
}

}  // namespace ramet::engine
