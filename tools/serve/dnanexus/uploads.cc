#include "tools/serve/dnanexus/uploads.h"

#include <algorithm>
#include <charconv>
#include <random>

#include <fmt/format.h>

#include "tools/serve/digest.h"

namespace ramet::serve::dnanexus {
namespace {

constexpr std::string_view kFolder = "files";
constexpr std::string_view kMd5Property = "content.md5";
constexpr std::string_view kKeyDocument = "transfers.key";
constexpr size_t kFilesAwaitedMax = 10'000;
constexpr size_t kHeadBytes = 1u << 20;
constexpr int kAttempts = 20;

std::string folder_of(const OpenFile& file) {
  return fmt::format("{}/{}/{}", kFolder, to_base62(file.container), to_base62(file.object));
}

Result<std::vector<std::string>> folder_names(const View& view, const std::string& path) {
  std::vector<std::string> names;
  const auto folder = view.lookup(path);
  if (!folder.ok()) {
    if (folder.error().code() == ErrorCode::kNotFound) return names;
    return folder.error();
  }
  RAMET_TRY(view.list(folder->folder, {}, [&](const Entry& entry) {
    if (entry.is_folder()) names.push_back(entry.name);
    return true;
  }));
  return names;
}

}  // namespace

void Uploads::expect(const OpenFile& file, uint32_t index) {
  const std::lock_guard lock(mutex_);
  if (awaited_.size() >= kFilesAwaitedMax && !awaited_.contains(file)) {
    // (The file that waits longest: most likely nobody sends it.)
    awaited_.erase(std::min_element(
        awaited_.begin(), awaited_.end(),
        [](const auto& a, const auto& b) { return a.second.since < b.second.since; }));
  }
  Awaited& awaited = awaited_[file];
  awaited.since = ++expected_;
  awaited.parts.insert(index);
}

std::vector<uint32_t> Uploads::awaited(const OpenFile& file) {
  const std::lock_guard lock(mutex_);
  const auto found = awaited_.find(file);
  if (found == awaited_.end()) return {};
  return {found->second.parts.begin(), found->second.parts.end()};
}

Task<Status> Uploads::store(const OpenFile& file, const Part& part, Body& body) {
  auto head = co_await read_head(body, kHeadBytes);
  if (!head.ok()) co_return std::move(head).error();
  Digest digest(Algorithm::kMd5);
  const BodyTap tap = [&digest](ByteView bytes) { digest.update(bytes); };
  const StagedCheck check = [&](uint64_t size, ObjectInit& init) -> Status {
    const std::string md5 = to_hex(digest.finish());
    if (size != part.size) {
      return Error(ErrorCode::kInvalidArgument,
                   fmt::format("part {} has {} bytes, not {}", part.index, size, part.size));
    }
    if (!part.md5.empty() && md5 != part.md5) {
      return Error(ErrorCode::kInvalidArgument,
                   fmt::format("part {} has the MD5 {}, not {}", part.index, md5, part.md5));
    }
    set_property(init.metadata, std::string(kMd5Property), md5);
    return ok();
  };
  std::string path = fmt::format("{}/{:05}", folder_of(file), part.index);
  ObjectInit init;
  auto staged = co_await staging_.stage(std::move(path), head->bytes, body, tap, std::move(init),
                                        part.size, false, check);
  if (!staged.ok()) co_return std::move(staged).error();
  const std::lock_guard lock(mutex_);
  const auto found = awaited_.find(file);
  if (found != awaited_.end()) {
    found->second.parts.erase(part.index);
    if (found->second.parts.empty()) awaited_.erase(found);
  }
  co_return ok();
}

Result<Uploads::Staged> Uploads::staged(const OpenFile& file) {
  Staged out;
  const auto container = store_.container(std::string(kStagingContainer));
  if (!container.ok()) {
    if (container.error().code() == ErrorCode::kNotFound) return out;
    return container.error();
  }
  RAMET_ASSIGN(out.view, store_.view(container->id));
  const auto folder = out.view->lookup(folder_of(file));
  if (!folder.ok()) {
    if (folder.error().code() == ErrorCode::kNotFound) return out;
    return folder.error();
  }
  std::vector<Entry> entries;
  RAMET_TRY(out.view->list(folder->folder, {}, [&](const Entry& entry) {
    entries.push_back(entry);
    return true;
  }));
  for (const Entry& entry : entries) {
    RAMET_ASSIGN(const ObjectInfo info, out.view->object(entry.object));
    Part part;
    std::from_chars(entry.name.data(), entry.name.data() + entry.name.size(), part.index);
    part.size = info.size;
    const std::string* const md5 = find_property(info.metadata, kMd5Property);
    if (md5 != nullptr) part.md5 = *md5;
    out.parts.emplace_back(std::move(part), entry.object);
  }
  return out;
}

Result<std::vector<Part>> Uploads::parts(const OpenFile& file) {
  RAMET_ASSIGN(Staged found, staged(file));
  std::vector<Part> out;
  for (auto& [part, object] : found.parts) out.push_back(std::move(part));
  return out;
}

Result<std::vector<Part>> Uploads::append_to(ContentWriter& writer, const OpenFile& file) {
  RAMET_ASSIGN(Staged found, staged(file));
  std::vector<Part> out;
  for (auto& [part, object] : found.parts) {
    RAMET_TRY(writer.append_from(*found.view, object, 0, part.size));
    out.push_back(std::move(part));
  }
  return out;
}

Task<Status> Uploads::forget(OpenFile file) {
  {
    const std::lock_guard lock(mutex_);
    awaited_.erase(file);
  }
  co_return co_await staging_.remove(folder_of(file));
}

Result<bool> Uploads::is_open(const std::string& container, const std::string& object) {
  const auto container_id = parse_base62<ContainerId>(container);
  const auto object_id = parse_base62<ObjectId>(object);
  if (!container_id.ok() || !object_id.ok()) return false;
  const auto view = store_.view(*container_id);
  if (!view.ok()) {
    if (view.error().code() == ErrorCode::kNotFound) return false;
    return view.error();
  }
  const auto info = (*view)->object(*object_id);
  if (info.ok()) return info->standing.state == ObjectState::kOpen;
  if (info.error().code() == ErrorCode::kNotFound) return false;
  return info.error();
}

Status Uploads::sweep() {
  const auto container = store_.container(std::string(kStagingContainer));
  if (!container.ok()) {
    return container.error().code() == ErrorCode::kNotFound ? ok() : Status(container.error());
  }
  std::vector<std::string> gone;
  {
    RAMET_ASSIGN(const auto view, store_.view(container->id));
    const std::string top(kFolder);
    RAMET_ASSIGN(const auto containers, folder_names(*view, top));
    for (const std::string& one : containers) {
      RAMET_ASSIGN(const auto objects, folder_names(*view, top + "/" + one));
      for (const std::string& object : objects) {
        RAMET_ASSIGN(const bool stays, is_open(one, object));
        if (!stays) gone.push_back(fmt::format("{}/{}/{}", top, one, object));
      }
    }
  }
  for (const std::string& path : gone) RAMET_TRY(staging_.remove_now(path));
  return ok();
}

Result<Bytes> Uploads::key() {
  {
    const std::lock_guard lock(mutex_);
    if (!key_.empty()) return key_;
  }
  RAMET_ASSIGN(const ContainerId container, staging_.container());
  for (int attempt = 0;; ++attempt) {
    RAMET_ASSIGN(const auto transaction, store_.begin(container));
    RAMET_ASSIGN(const auto view, store_.view(container));
    auto known = view->document(kKeyDocument);
    if (!known.ok()) {
      if (known.error().code() != ErrorCode::kNotFound) return std::move(known).error();
      std::random_device random;
      std::string made;
      for (int i = 0; i < 8; ++i) made += fmt::format("{:08x}", random());
      RAMET_TRY(transaction->set_document(kKeyDocument, made));
      const auto done = transaction->commit();
      if (!done.ok()) {
        if (done.error().code() == ErrorCode::kBusy && attempt < kAttempts) continue;
        return done.error();
      }
      continue;  // what is kept counts
    }
    const std::lock_guard lock(mutex_);
    key_ = std::move(*known);
    return key_;
  }
}

}  // namespace ramet::serve::dnanexus
