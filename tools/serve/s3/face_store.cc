// What the operations ask of the engine, and where they wait for it.
#include <algorithm>
#include <charconv>

#include <fmt/format.h>

#include "tools/serve/pause.h"
#include "tools/serve/s3/face.h"
#include "tools/serve/s3/names.h"

namespace ramet::serve::s3 {
namespace {

constexpr int kAttempts = 12;

}  // namespace

Task<Outcome<Response>> S3Face::quick(FunctionRef<Outcome<Response>()> work) {
  auto answer = co_await services_.workers.run_quick(work);
  co_return answer;
}

Task<Outcome<Response>> S3Face::slow(FunctionRef<Outcome<Response>()> work) {
  auto answer = co_await services_.workers.run(work);
  co_return answer;
}

Task<Outcome<Sequence>> S3Face::change(ContainerId container, Attempt attempt) {
  using Begun = Outcome<std::unique_ptr<Transaction>>;
  for (int i = 0; i < kAttempts; ++i) {
    auto begun = co_await services_.workers.run_quick([&]() -> Begun {
      // The transaction first: what it shares of the view was committed before it began to look.
      RAMET_ASSIGN(auto transaction, services_.store.begin(container));
      RAMET_ASSIGN(const auto view, services_.store.view(container));
      RAMET_TRY(attempt(*transaction, *view));
      return transaction;
    });
    if (begun.ok()) {
      auto committed =
          co_await services_.workers.commit(services_.store, std::move(*begun));
      if (committed.ok()) co_return *committed;
      if (committed.error().code() != ErrorCode::kBusy) co_return std::move(committed).error();
    } else if (begun.error().code() != ErrorCode::kBusy) {
      co_return std::move(begun).error();
    }
    co_await pause_before(i);
  }
  co_return Fault(Code::kSlowDown);
}

Outcome<std::optional<std::string>> S3Face::document(ContainerId container,
                                                     std::string_view name) {
  RAMET_ASSIGN(const auto view, services_.store.view(container));
  return document(*view, name);
}

Outcome<std::optional<std::string>> S3Face::document(const View& view, std::string_view name) {
  auto text = view.document(name);
  if (text.ok()) return std::optional<std::string>(std::move(*text));
  if (text.error().code() == ErrorCode::kNotFound) return std::optional<std::string>();
  return std::move(text).error();
}

Task<Outcome<Response>> S3Face::change_document(Call& call, std::string_view name,
                                                std::optional<std::string> text, int status) {
  auto done = co_await change(call.container.id,
                              [&](Transaction& transaction, const View&) -> Outcome<void> {
                                const Status set = transaction.set_document(
                                    name, text ? std::optional<std::string_view>(*text)
                                               : std::nullopt);
                                if (!set.ok() && set.error().code() != ErrorCode::kNotFound) {
                                  return Fault(set.error());
                                }
                                return {};
                              });
  if (!done.ok()) co_return std::move(done).error();
  Response response;
  response.status = status;
  co_return response;
}

Outcome<std::shared_ptr<const View>> S3Face::view_of(const Call& call) {
  const auto as_of = call.request.fields.find("x-ramet-as-of");
  if (!as_of) return call.view;
  const auto time = parse_iso_date(*as_of);
  std::optional<SnapshotInfo> newest;
  RAMET_TRY(services_.store.snapshots(call.container.id, [&](const SnapshotInfo& snapshot) {
    const bool fits = time ? snapshot.created <= *time : snapshot.name == *as_of;
    if (fits && (!newest || snapshot.created > newest->created)) newest = snapshot;
    return true;
  }));
  if (!newest) {
    return Fault(Code::kNoSuchVersion,
                 fmt::format("The bucket has no snapshot that is '{}', or as old.", *as_of))
        .with("AsOf", std::string(*as_of));
  }
  RAMET_ASSIGN(auto view, services_.store.view(call.container.id, newest->name));
  return view;
}

Outcome<std::string> S3Face::versioning(const ContainerInfo& container) {
  RAMET_ASSIGN(const auto settings, services_.store.settings(container.id));
  for (const SettingInfo& setting : settings) {
    if (setting.name == kVersioningSetting) return setting.value;
  }
  return std::string("off");
}

bool S3Face::keeps_versions(const ContainerInfo& container) {
  auto value = versioning(container);
  return value.ok() && *value != "off";
}

Outcome<ContainerId> S3Face::uploads() {
  {
    const std::lock_guard lock(mutex_);
    if (uploads_) return *uploads_;
  }
  RAMET_ASSIGN(const ContainerId found, staging_container(services_.store));
  // Made once, so that the first ones to need it do not meet.
  RAMET_ASSIGN(const auto transaction, services_.store.begin(found));
  RAMET_TRY(transaction->create_folders("staging"));
  const auto committed = transaction->commit();
  if (!committed.ok() && committed.error().code() != ErrorCode::kBusy) {
    return Fault(committed.error());
  }
  const std::lock_guard lock(mutex_);
  uploads_ = found;
  return found;
}

void S3Face::remove_old_staging() {
  // Nobody else writes there: what is left is of a process that did not end well.
  const auto found = services_.store.container(std::string(kStagingContainer));
  if (!found.ok()) return;
  const auto remove = [&]() -> Status {
    RAMET_ASSIGN(const auto transaction, services_.store.begin(found->id));
    const auto staging = transaction->lookup("staging");
    if (!staging.ok()) return ok();
    RAMET_TRY(transaction->remove_tree(kRootFolder, "staging"));
    RAMET_TRY(transaction->commit());
    return ok();
  };
  ignore_error(remove(), "what is left takes space, and goes at the next start");
}

Principal S3Face::owner_of(ContainerId container) {
  Principal nobody;
  nobody.name = "ramet";
  auto text = document(container, kOwnerDocument);
  if (!text.ok() || !*text) return nobody;
  const auto id = parse_uuid<PrincipalId>(**text);
  if (!id.ok()) return nobody;
  auto principal = services_.access.principal(*id);
  return principal.ok() ? std::move(*principal) : nobody;
}

}  // namespace ramet::serve::s3
