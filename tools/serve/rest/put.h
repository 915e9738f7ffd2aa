// Storing one object, for all resources that do: content, uploads, batches.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "tools/serve/rest/call.h"

namespace ramet::serve::rest {

struct Put {
  Place place;
  bool parents = false;  // missing folders are made
  std::optional<std::string> media_type;
  const Json* metadata = nullptr;    // as of a PATCH, on top of what the object had
  const Json* attributes = nullptr;  // the same
  // Whether to replace what is there, or to make what is not: null for no condition.
  std::function<Status(const std::optional<ObjectInfo>& before)> check;
  // The content: these bytes, or staged objects one behind the other.
  std::string_view bytes;
  std::vector<std::string> staged;
};

// Within a transaction. Asks for the level that it takes. `is_new`: nothing was replaced.
Result<ObjectInfo> put_into(Call& call, Transaction& transaction, const Put& put, bool& is_new);

int64_t now_nanoseconds();

}  // namespace ramet::serve::rest
