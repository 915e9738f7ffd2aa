// The records of multipart uploads, as they are kept in ".uploads" (face.h says where).
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/transaction.h"
#include "engine/view.h"
#include "tools/serve/digest.h"
#include "tools/serve/s3/errors.h"

namespace ramet::serve::s3 {

struct Upload {
  std::string id;
  FolderId folder;  // of its parts
  std::string key;
  int64_t initiated = 0;
  PrincipalId principal;
  std::string principal_name;
  ObjectInit init;
  bool lock_asked = false;
  std::optional<Algorithm> algorithm;  // of the parts' checksums
};

struct Part {
  uint64_t number = 0;
  ObjectInfo info;
};

std::string uploads_path(ContainerId container);  // "parts/CONTAINER"
std::string upload_path(ContainerId container, std::string_view id);
std::string part_name(uint64_t number);  // "00001"
// Without quotes. Parts that were copied have one of their content id.
std::string part_etag(const ObjectInfo& info);

std::string record_text(const Upload& upload);
// NoSuchUpload: there is none, or it is of another key.
Outcome<Upload> load_upload(const View& view, ContainerId container, std::string_view id,
                            std::string_view key);
// All of a container, in the order of keys and then of ids.
Outcome<std::vector<Upload>> load_uploads(const View& view, ContainerId container);
// In the order of numbers, from behind `after` on, until `visit` returns false.
Status list_part_objects(const View& view, FolderId folder, uint64_t after,
                         const std::function<bool(const Part&)>& visit);

}  // namespace ramet::serve::s3
