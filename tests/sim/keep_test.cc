// Goal: a rollback, an undelete, a drop, an expiry, pruning and a release are each done as a whole
// or not at all, wherever the power fails, and counts stay right. Method: one history of such
// steps, each one commit; the power is cut at each of its operations in turn, the store must show
// the state before or after the step, and the history goes on from there to the same end.
#include <gtest/gtest.h>

#include <functional>

#include <fmt/format.h>

#include "engine/store_impl.h"
#include "io/env_sim.h"
#include "tools/sim/workload.h"

namespace ramet::sim {
namespace {

using Step = std::function<Status(Store&)>;

StoreOptions options_on(std::shared_ptr<io::SimEnv> env) {
  StoreOptions options = tiny_options(std::move(env));
  options.drop_grace = 600'000'000'000;
  return options;
}

Result<ContainerId> id_of(Store& store, const std::string& name) {
  RAMET_ASSIGN(const ContainerInfo info, store.container(name));
  return info.id;
}

Step put(const std::string& container, const std::string& name, size_t bytes) {
  return [=](Store& store) -> Status {
    RAMET_ASSIGN(const ContainerId id, id_of(store, container));
    RAMET_ASSIGN(auto transaction, store.begin(id));
    RAMET_ASSIGN(auto content, transaction->write_content());
    RAMET_TRY(content->append(std::string(bytes, name.back())));
    RAMET_TRY(transaction->put_object(kRootFolder, name, Attributes{}, std::move(content)));
    RAMET_TRY(transaction->commit());
    return ok();
  };
}

Step snapshot(const std::string& container, const std::string& name, bool automatic = false) {
  return [=](Store& store) -> Status {
    RAMET_ASSIGN(const ContainerId id, id_of(store, container));
    RAMET_TRY(store.create_snapshot(id, name, SnapshotOptions{{}, 0, automatic}));
    return ok();
  };
}

Step clone(const std::string& from, const std::string& to, int64_t expires = 0) {
  return [=](Store& store) -> Status {
    CloneSpec spec;
    RAMET_ASSIGN(spec.source, id_of(store, from));
    spec.new_container = to;
    spec.expires = expires;
    RAMET_TRY(store.clone(spec));
    return ok();
  };
}

// On a container that is looked up by name.
Step with(const std::string& container, const std::function<Status(Store&, ContainerId)>& what) {
  return [=](Store& store) -> Status {
    RAMET_ASSIGN(const ContainerId id, id_of(store, container));
    return what(store, id);
  };
}

Step drop(const std::string& container, bool now = false) {
  return with(container, [now](Store& store, ContainerId id) {
    return store.drop_container(id, DropOptions{now});
  });
}

Step undelete(const std::string& name, const std::string& snapshot, const std::string& as) {
  return [=](Store& store) -> Status {
    DropNumber number = 0;
    RAMET_TRY(store.dropped([&](const DroppedInfo& info) {
      if (info.name == name && info.snapshot == snapshot) number = info.number;
      return true;
    }));
    RAMET_TRY(store.undelete(number, as));
    return ok();
  };
}

Step reclaim(bool now) {
  return [=](Store& store) -> Status {
    ReclaimOptions options;
    options.until_idle = true;
    options.now = now;
    RAMET_TRY(store.reclaim(options));
    return ok();
  };
}

std::vector<Step> history() {
  return {
      [](Store& store) -> Status {
        RAMET_TRY(store.create_container("c"));
        return ok();
      },
      put("c", "a", 5000),
      snapshot("c", "s"),
      put("c", "b", 3000),
      with("c", [](Store& store, ContainerId id) -> Status {
        RAMET_TRY(store.rollback(id, "s"));
        return ok();
      }),
      put("c", "d", 100),
      with("c", [](Store& store, ContainerId id) { return store.drop_snapshot(id, "s"); }),
      [](Store& store) { return store.checkpoint(); },
      undelete("c", "s", "t"),
      clone("c", "k"),
      put("k", "e", 2000),
      drop("c"),
      undelete("c", {}, "d"),
      with("d", [](Store& store, ContainerId id) -> Status {
        RAMET_TRY(store.rollback(id, "before-rollback-1"));
        return ok();
      }),
      with("d", [](Store& store, ContainerId id) {
        return store.set_setting(id, "keep", "last:1");
      }),
      snapshot("d", "auto", true),
      with("k", [](Store& store, ContainerId id) { return store.set_expiry(id, {}, 1); }),
      reclaim(false),  // it has expired
      undelete("k", {}, {}),
      snapshot("k", "u"),
      snapshot("k", "v"),
      with("k", [](Store& store, ContainerId id) -> Status {
        PruneOptions options;
        options.policy = *parse_retention("last:1");
        RAMET_TRY(store.prune_snapshots(id, options));
        return ok();
      }),
      drop("k"),
      reclaim(true),
      clone("d", "l", 1),
      drop("d", true),
      reclaim(false),
  };
}

// All that can be seen, and what can be taken back.
std::string state_of(Store& store) {
  std::string text = describe(store);
  const Status listed = store.dropped([&](const DroppedInfo& info) {
    text += fmt::format("dropped {}@{} with {}\n", info.name, info.snapshot, info.snapshots);
    return true;
  });
  return listed.ok() ? text : listed.error().to_string();
}

std::unique_ptr<Store> open_on(const std::shared_ptr<io::SimEnv>& env) {
  auto opened = Store::open("/store", options_on(env));
  EXPECT_TRUE(opened.ok()) << opened.error().to_string();
  return opened.ok() ? std::move(*opened) : nullptr;
}

void expect_right_counts(Store& store) {
  ASSERT_TRUE(store.checkpoint().ok());
  const auto found = static_cast<engine::StoreImpl&>(store).recount_references();
  ASSERT_TRUE(found.ok()) << found.error().to_string();
  EXPECT_TRUE(found->wrong.empty()) << found->wrong.front();
}

TEST(Keep, EveryStepIsDoneAsAWholeOrNotAtAll) {
  const std::vector<Step> steps = history();
  std::vector<std::string> states;  // before each step, and at the end
  uint64_t first = 0, last = 0;
  {
    const auto env = std::make_shared<io::SimEnv>(1);
    ASSERT_TRUE(Store::create("/store", options_on(env)).ok());
    const auto store = open_on(env);
    first = env->operations();
    for (const Step& step : steps) {
      states.push_back(state_of(*store));
      const Status done = step(*store);
      ASSERT_TRUE(done.ok()) << "step " << states.size() << ": " << done.error().to_string();
    }
    states.push_back(state_of(*store));
    last = env->operations();
    expect_right_counts(*store);
  }
  EXPECT_GT(last - first, 100u) << "points to cut at";
  EXPECT_NE(states[17].find("dropped"), states[18].find("dropped")) << "the expiry shows";
  for (uint64_t point = first + 1; point <= last; ++point) {
    SCOPED_TRACE(fmt::format("cut at operation {}", point));
    const auto env = std::make_shared<io::SimEnv>(1);
    ASSERT_TRUE(Store::create("/store", options_on(env)).ok());
    auto store = open_on(env);
    env->cut_power_at(point, point % 3 == 0 ? io::CutPolicy::kLoseAll : io::CutPolicy::kRandom);
    size_t at = 0;
    while (at < steps.size() && steps[at](*store).ok()) ++at;
    store.reset();
    if (env->powered()) env->power_cut(io::CutPolicy::kRandom);
    env->restart();
    store = open_on(env);
    ASSERT_NE(store, nullptr);
    const std::string is = state_of(*store);
    const bool before = is == states[at];
    const bool after = at + 1 < states.size() && is == states[at + 1];
    ASSERT_TRUE(before || after) << "step " << at << "\n" << first_difference(is, states[at]);
    for (size_t next = before ? at : at + 1; next < steps.size(); ++next) {
      const Status done = steps[next](*store);
      ASSERT_TRUE(done.ok()) << "step " << next << ": " << done.error().to_string();
    }
    ASSERT_EQ(state_of(*store) == states.back(), true)
        << first_difference(state_of(*store), states.back());
    ASSERT_NO_FATAL_FAILURE(expect_right_counts(*store));
    ASSERT_TRUE(store->close().ok());
    ASSERT_FALSE(testing::Test::HasFailure());
  }
}

}  // namespace
}  // namespace ramet::sim
