// Goal: a store behaves as the plain model does, whatever is done to it; two transactions at once
// never leave what one alone could not. Method: rapidcheck, lists of steps that shrink.
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <map>
#include <set>

#include "io/env_sim.h"
#include "tools/sim/workload.h"

namespace ramet::sim {
namespace {

std::unique_ptr<Store> open_on(const std::shared_ptr<io::SimEnv>& env) {
  auto store = Store::open("/store", tiny_options(env));
  RC_ASSERT(store.ok());
  return std::move(*store);
}

RC_GTEST_PROP(ModelProperty, AStoreIsWhatTheModelIs, (const std::vector<uint16_t>& seeds)) {
  const auto env = std::make_shared<io::SimEnv>(1);
  RC_ASSERT(Store::create("/store", tiny_options(env)).ok());
  auto store = open_on(env);
  Workload workload(1);
  for (const uint16_t seed : seeds) {
    const Status status = workload.step(store.get(), seed);
    if (!status.ok()) RC_FAIL(workload.last() + ": " + status.error().to_string());
    if (seed % 16 != 0) continue;
    RC_ASSERT(store->close().ok());
    store = open_on(env);
  }
  const std::string is = describe(*store);
  const std::string should = describe(workload.model());
  if (is != should) RC_FAIL(first_difference(is, should));
  RC_ASSERT(store->close().ok());
}

// --- two transactions at once --------------------------------------------------------------------

constexpr const char* kNames[] = {"a", "b", "c"};

Attributes folder_attributes() {
  Attributes attributes;
  attributes.mode = 040755;
  return attributes;
}

// One random change below a few names; what cannot be done is skipped.
void change(Transaction& transaction, uint32_t step) {
  const auto next = [&step](uint32_t n) {
    const uint32_t picked = step % n;
    step /= n;
    return picked;
  };
  const uint32_t kind = next(8);
  std::vector<FolderId> folders{kRootFolder};
  for (size_t i = 0; i < folders.size() && folders.size() < 8; ++i) {
    ignore_error(transaction.list(folders[i], {}, [&](const Entry& entry) {
      if (entry.is_folder()) folders.push_back(entry.folder);
      return true;
    }), "checked at the end");
  }
  const FolderId folder = folders[next(static_cast<uint32_t>(folders.size()))];
  const FolderId other = folders[next(static_cast<uint32_t>(folders.size()))];
  const char* name = kNames[next(3)];
  const char* second = kNames[next(3)];
  const auto found = transaction.lookup(folder, name);
  const char* why = "not everything can be done in every state";
  switch (kind) {
    case 0:
      ignore_error(transaction.create_folder(folder, name, folder_attributes()), why);
      break;
    case 1:
    case 2: {
      auto writer = transaction.write_content();
      ignore_error((*writer)->append(std::string(1 + step % 5, static_cast<char>('a' + kind))),
                   why);
      ignore_error(transaction.put_object(folder, name, Attributes{}, std::move(*writer)), why);
      break;
    }
    case 3:
    case 4:
      if (found.ok() && !found->is_folder()) {
        ignore_error(transaction.link(found->object, other, second), why);
      }
      break;
    case 5: ignore_error(transaction.remove_tree(folder, name), why); break;
    default:
      ignore_error(transaction.rename(folder, name, other, second, step % 2 == 0), why);
  }
}

// Everything that is in the container can be reached, once, and is counted rightly.
void expect_sound(const View& view) {
  std::map<std::string, uint32_t> names;  // of objects, by id
  std::set<std::string> folders;
  std::vector<FolderId> stack{kRootFolder};
  uint64_t bytes = 0;
  while (!stack.empty()) {
    const FolderId at = stack.back();
    stack.pop_back();
    std::set<std::string> here;
    const Status listed = view.list(at, {}, [&](const Entry& entry) {
      RC_ASSERT(here.insert(entry.name).second);
      if (entry.is_folder()) {
        RC_ASSERT(folders.insert(Bytes(entry.folder.view())).second);
        const auto info = view.folder(entry.folder);
        RC_ASSERT(info.ok());
        RC_ASSERT(info->parent == at && info->name == entry.name);
        stack.push_back(entry.folder);
      } else {
        const bool is_first = ++names[Bytes(entry.object.view())] == 1;
        RC_ASSERT(view.verify(entry.object).ok());
        if (is_first) bytes += entry.size;
      }
      return true;
    });
    RC_ASSERT(listed.ok());
  }
  RC_ASSERT(view.summary()[SummaryColumn::kFolders] == folders.size());
  RC_ASSERT(view.summary()[SummaryColumn::kObjects] == names.size());
  RC_ASSERT(view.summary()[SummaryColumn::kContentBytes] == bytes);
  const Status visited = view.objects([&](const ObjectInfo& info) {
    RC_ASSERT(info.links_count == names[Bytes(info.id.view())]);
    const auto path = view.path_of(info.id);
    RC_ASSERT(path.ok());
    const auto found = view.lookup(*path);
    RC_ASSERT(found.ok());
    RC_ASSERT(found->object == info.id);
    return true;
  });
  RC_ASSERT(visited.ok());
}

using Steps = std::vector<uint32_t>;

RC_GTEST_PROP(ModelProperty, TransactionsAtOnceLeaveASoundContainer,
              (const std::vector<std::tuple<Steps, Steps>>& rounds)) {
  const auto env = std::make_shared<io::SimEnv>(1);
  StoreOptions options = tiny_options(env);
  RC_ASSERT(Store::create("/store", options).ok());
  if (rounds.size() % 2 == 0) options.transaction_bytes_max = 200;  // they spill
  auto store = Store::open("/store", options);
  RC_ASSERT(store.ok());
  const ContainerId container = (*store)->create_container("c")->id;
  for (const auto& [first, second] : rounds) {
    auto one = (*store)->begin(container);
    auto two = (*store)->begin(container);
    RC_ASSERT(one.ok() && two.ok());
    for (const uint32_t step : first) change(**one, step);
    for (const uint32_t step : second) change(**two, step);
    RC_ASSERT((*one)->commit().ok());
    const auto committed = (*two)->commit();
    if (!committed.ok()) RC_ASSERT(committed.error().code() == ErrorCode::kBusy);
    RC_CLASSIFY(committed.ok() && !first.empty() && !second.empty(), "both");
    const auto view = (*store)->view(container);
    RC_ASSERT(view.ok());
    expect_sound(**view);
  }
  RC_ASSERT((*store)->close().ok());
}

}  // namespace
}  // namespace ramet::sim
