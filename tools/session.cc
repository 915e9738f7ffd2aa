#include "tools/session.h"

#include <filesystem>
#include <system_error>

#include <fmt/format.h>

#include "tools/local_client.h"
#include "tools/progress.h"
#include "tools/signals.h"
#include "tools/text.h"

namespace ramet::tools {
namespace {

namespace fs = std::filesystem;

constexpr size_t kPlacesKept = 4;

Error with_hint(Context& context, Error error, const std::string& path) {
  switch (error.code()) {
    case ErrorCode::kNotFound:
    case ErrorCode::kFailedPrecondition:
      context.hint = "make a store with 'ramet init " + path + "'";
      break;
    case ErrorCode::kBusy: context.hint = "try again when it has ended"; break;
    default: break;
  }
  return error;
}

}  // namespace

bool looks_like_store(const std::string& directory) {
  std::error_code ignored;  // what cannot be looked at is no store
  const fs::path path(directory);
  return fs::exists(path / "superblock.0", ignored) || fs::exists(path / "superblock.1", ignored);
}

Result<std::string> find_store(Context& context) {
  if (!context.store.empty()) return context.store;
  if (const auto variable = context.caller.variable("RAMET_STORE")) return *variable;
  std::error_code error;
  const fs::path here = context.caller.directory;
  fs::path at = here.empty() ? fs::current_path(error) : here;
  while (!error) {
    if (looks_like_store(at.string())) return at.string();
    if (!at.has_relative_path()) break;
    at = at.parent_path();
  }
  return context.fail(ErrorCode::kNotFound,
                      "no store here, nor in any directory above",
                      "name one with --store DIR or RAMET_STORE, or make one with 'ramet init'");
}

Result<std::unique_ptr<Session>> Session::open(Context& context, Access access) {
  RAMET_ASSIGN(const std::string path, find_store(context));
  if (context.caller.store != nullptr) return open_held(context, path);
  StoreOptions options;
  options.read_only = access == Access::kRead;
  options.verify_hits = context.verify_hits;
  CopyProgress progress;
  const ProgressLine line("opening the store", progress, !context.no_progress);
  auto store = Store::open(path, options);
  if (!store.ok()) return with_hint(context, std::move(store).error(), path);
  return std::unique_ptr<Session>(new Session(context, std::move(*store)));
}

Result<std::unique_ptr<Session>> Session::open_held(Context& context, const std::string& path) {
  const Caller& caller = context.caller;
  std::error_code error;
  if (!fs::equivalent(caller.from_here(path), caller.store_path, error)) {
    return Error(ErrorCode::kFailedPrecondition,
                 fmt::format("the daemon holds the store {}, not {}", caller.store_path, path));
  }
  std::unique_ptr<Session> session(new Session(context, *caller.store));
  if (context.verify_hits) session->verifies_hits_ = session->store().verify_hits();
  return session;
}

Session::~Session() {
  if (store_ != nullptr) ignore_error(close(), "the command failed, and reports why");
}

Status Session::close() {
  places_.clear();
  store_ = nullptr;
  verifies_hits_.reset();
  if (own_ == nullptr) return ok();
  CopyProgress progress;
  const ProgressLine line("closing the store", progress, !context_.no_progress);
  const Status closed = own_->close();
  own_.reset();
  return closed;
}

Result<int> with_session(Context& context, Access access,
                         const std::function<Result<int>(Session&)>& body) {
  if (context.caller.store == nullptr) {
    RAMET_ASSIGN(const std::string path, find_store(context));
    RAMET_ASSIGN(const auto done, hand_over(context, path));
    if (done) return *done;
  }
  RAMET_ASSIGN(auto session, Session::open(context, access));
  RAMET_ASSIGN(const int exit_code, body(*session));
  RAMET_TRY(session->close());
  return exit_code;
}

Result<ContainerInfo> Session::container(const std::string& name) {
  auto found = store_->container(name);
  if (!found.ok() && found.error().code() == ErrorCode::kNotFound) {
    context_.hint = "'ramet container list' shows what there is";
  }
  return found;
}

Result<Place> Session::place(const std::string& text) {
  RAMET_ASSIGN(PathSpec spec, parse_path_spec(text));
  return place(std::move(spec));
}

Result<Place> Session::place(PathSpec spec) {
  for (Place& known : places_) {
    if (known.spec.container != spec.container || known.spec.snapshot != spec.snapshot) continue;
    return Place{std::move(spec), known.container, known.view};
  }
  Place found;
  RAMET_ASSIGN(found.container, container(spec.container));
  auto view = store_->view(found.container.id, spec.snapshot);
  if (!view.ok()) {
    if (view.error().code() == ErrorCode::kNotFound) {
      context_.hint = fmt::format("'ramet snapshot list {}' shows what there is", spec.container);
    }
    return std::move(view).error();
  }
  found.view = std::move(*view);
  found.spec = std::move(spec);
  if (places_.size() == kPlacesKept) places_.erase(places_.begin());
  places_.push_back(found);
  return found;
}

Status require_head(const PathSpec& spec) {
  if (spec.snapshot.empty()) return ok();
  return Error(ErrorCode::kInvalidArgument,
               fmt::format("'{}' is a snapshot, and snapshots never change", spec.to_string()));
}

Result<Entry> lookup(const Place& place) {
  auto entry = place.view->lookup(place.spec.path);
  if (!entry.ok()) return std::move(entry).error().with_context(place.spec.to_string());
  if (place.spec.ends_in_slash && !entry->is_folder()) {
    return Error(ErrorCode::kFailedPrecondition,
                 fmt::format("'{}' is no folder", place.spec.to_string()));
  }
  return entry;
}

Status check_interrupted() {
  if (!interrupted()) return ok();
  return Error(ErrorCode::kCancelled, "interrupted");
}

}  // namespace ramet::tools
