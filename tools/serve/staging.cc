#include "tools/serve/staging.h"

#include <chrono>
#include <memory>
#include <random>
#include <thread>
#include <utility>

#include <fmt/format.h>

namespace ramet::serve {
namespace {

constexpr int kAttempts = 20;

std::string_view parent_of(std::string_view path) {
  const size_t slash = path.rfind('/');
  return slash == std::string_view::npos ? std::string_view() : path.substr(0, slash);
}

std::string_view name_of(std::string_view path) {
  const size_t slash = path.rfind('/');
  return slash == std::string_view::npos ? path : path.substr(slash + 1);
}

// Of a commit that takes as long as a slow disk.
constexpr int kMakeAttempts = 6000;

}  // namespace

std::string Staging::new_name() {
  std::random_device random;
  std::string name;
  for (int i = 0; i < 4; ++i) name += fmt::format("{:08x}", random());
  return name;
}

Result<ContainerId> staging_container(Store& store) {
  const std::string name(kStagingContainer);
  // Whoever makes it at the same time may be first, and not durable yet: then neither is it seen.
  for (int attempt = 0;; ++attempt) {
    auto found = store.container(name);
    if (found.ok()) return found->id;
    if (found.error().code() != ErrorCode::kNotFound) return std::move(found).error();
    // What is staged needs no history.
    auto made = store.create_container(name, "uploads that are not finished");
    if (made.ok()) return made->id;
    if (made.error().code() != ErrorCode::kAlreadyExists || attempt == kMakeAttempts) {
      return std::move(made).error();
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
}

Result<ContainerId> Staging::container() {
  const std::lock_guard lock(mutex_);
  if (container_ && store_.container(*container_).ok()) return *container_;
  RAMET_ASSIGN(container_, staging_container(store_));
  return *container_;
}

Status Staging::make_folders(std::string_view path) {
  if (path.empty()) return ok();
  RAMET_ASSIGN(const ContainerId id, container());
  for (int attempt = 0;; ++attempt) {
    RAMET_ASSIGN(const auto transaction, store_.begin(id));
    RAMET_TRY(transaction->create_folders(path));
    const auto done = transaction->commit();
    if (done.ok()) return ok();
    if (done.error().code() != ErrorCode::kBusy || attempt == kAttempts) return done.error();
  }
}

Status Staging::remove_now(std::string_view path) {
  const auto found = store_.container(std::string(kStagingContainer));
  if (!found.ok()) {
    return found.error().code() == ErrorCode::kNotFound ? ok() : Status(found.error());
  }
  for (int attempt = 0;; ++attempt) {
    RAMET_ASSIGN(const auto transaction, store_.begin(found->id));
    FolderId folder = kRootFolder;
    if (!parent_of(path).empty()) {
      const auto parent = transaction->lookup(parent_of(path));
      if (!parent.ok()) {
        return parent.error().code() == ErrorCode::kNotFound ? ok() : Status(parent.error());
      }
      folder = parent->folder;
    }
    const Status removed = transaction->remove_tree(folder, name_of(path));
    if (!removed.ok()) {
      return removed.error().code() == ErrorCode::kNotFound ? ok() : removed;
    }
    const auto done = transaction->commit();
    if (done.ok()) return ok();
    if (done.error().code() != ErrorCode::kBusy || attempt == kAttempts) return done.error();
  }
}

Status Staging::empty_puts() { return remove_now(kStagedPuts); }

Task<Result<Staged>> Staging::stage(std::string path, std::string_view head, Body& body,
                                    const BodyTap& tap, ObjectInit init, uint64_t max,
                                    bool only_new, const StagedCheck& check) {
  struct Begun {
    std::unique_ptr<Transaction> transaction;
    std::unique_ptr<ContentWriter> writer;
  };
  auto begun = co_await workers_.run([&]() -> Result<Begun> {
    RAMET_TRY(make_folders(parent_of(path)));
    RAMET_ASSIGN(const ContainerId id, container());
    Begun out;
    RAMET_ASSIGN(out.transaction, store_.begin(id));
    RAMET_ASSIGN(out.writer, out.transaction->write_content());
    return out;
  });
  if (!begun.ok()) co_return std::move(begun).error();
  auto size = co_await stream_body(workers_, head, body, *begun->writer, tap, max);
  if (!size.ok()) {
    // What was written is garbage now; dropping the hold on it may wait.
    co_await workers_.run([&] {
      begun->writer.reset();
      begun->transaction.reset();
      return 0;
    });
    co_return std::move(size).error();
  }
  auto put = co_await workers_.run([&]() -> Result<ObjectInfo> {
    if (check) RAMET_TRY(check(*size, init));
    FolderId folder = kRootFolder;
    if (!parent_of(path).empty()) {
      RAMET_ASSIGN(const Entry parent, begun->transaction->lookup(parent_of(path)));
      folder = parent.folder;
    }
    if (only_new) {
      const auto there = begun->transaction->lookup(folder, name_of(path));
      if (there.ok()) return Error(ErrorCode::kAlreadyExists, "there is a staged object already");
      if (there.error().code() != ErrorCode::kNotFound) return there.error();
    }
    ObjectId object;
    if (init.metadata == Metadata{}) {
      RAMET_ASSIGN(object, begun->transaction->put_object(folder, name_of(path), init.attributes,
                                                          std::move(begun->writer)));
    } else {
      RAMET_ASSIGN(object, begun->transaction->put_object(folder, name_of(path), init,
                                                          std::move(begun->writer)));
    }
    return begun->transaction->object(object);
  });
  if (!put.ok()) co_return std::move(put).error();
  auto done = co_await workers_.commit(store_, std::move(begun->transaction));
  if (!done.ok()) co_return std::move(done).error();
  Staged staged;
  staged.path = std::move(path);
  staged.size = *size;
  staged.content_id = put->content_id;
  co_return staged;
}

Task<Result<Staged>> Staging::stage_put(std::string_view head, Body& body, const BodyTap& tap,
                                        uint64_t max) {
  std::string path = std::string(kStagedPuts) + "/" + new_name();
  ObjectInit init;
  co_return co_await stage(std::move(path), head, body, tap, std::move(init), max);
}

Task<Status> Staging::remove(std::string path) {
  co_return co_await workers_.run([&] { return remove_now(path); });
}

Status Staging::append(ContentWriter& writer, const std::vector<std::string>& paths) {
  RAMET_ASSIGN(const ContainerId id, container());
  RAMET_ASSIGN(const auto view, store_.view(id));
  for (const std::string& path : paths) {
    RAMET_ASSIGN(const Entry entry, view->lookup(path));
    RAMET_TRY(writer.append_from(*view, entry.object, 0, entry.size));
  }
  return ok();
}

}  // namespace ramet::serve
