// Goal: a change of access that was acknowledged is there after a power cut at any I/O, with its
// entry in the audit log, and none is there by half [INV-1]. Method: a fixed list of changes on the
// simulated disk, cut at each of its operations in turn; what recovery shows is the state after the
// last acknowledged change, or after the one that was under way; and fsck finds nothing.
#include <gtest/gtest.h>

#include <string>

#include "engine/access.h"
#include "engine/fsck.h"
#include "io/env_sim.h"
#include "tools/sim/workload.h"

namespace ramet::sim {
namespace {

Result<PrincipalId> id_of(Store& store, const char* name) {
  RAMET_ASSIGN(const Principal found, store.access().principal(name));
  return found.id;
}

Status create(Store& store, const char* name, PrincipalKind kind) {
  Principal principal;
  principal.name = name;
  principal.kind = kind;
  const auto made = store.access().create_principal(principal);
  return made.ok() ? ok() : Status(made.error());
}

constexpr size_t kChanges = 10;
constexpr size_t kCheckpointBefore = 5;  // so that later changes are replayed on a checkpoint

Status apply(Store& store, ContainerId container, size_t number) {
  if (number == kCheckpointBefore) RAMET_TRY(store.checkpoint());
  AccessControl& access = store.access();
  if (number == 0) return create(store, "alice", PrincipalKind::kUser);
  if (number == 1) return create(store, "team", PrincipalKind::kGroup);
  RAMET_ASSIGN(const PrincipalId alice, id_of(store, "alice"));
  if (number == 9) return access.remove_principal(alice);
  RAMET_ASSIGN(const PrincipalId team, id_of(store, "team"));
  switch (number) {
    case 2: {
      RAMET_ASSIGN(Principal member, access.principal(alice));
      member.groups = {{team, true}};
      return access.update_principal(member);
    }
    case 3: {
      const auto made = access.create_token(alice, "t", {}, 0);
      return made.ok() ? ok() : Status(made.error());
    }
    case 4: {
      const auto made = access.create_key(alice, "k", {}, 0);
      return made.ok() ? ok() : Status(made.error());
    }
    case 5: return access.set_grant(container, team, AccessLevel::kUpload);
    case 6: return access.set_grant(container, alice, AccessLevel::kView);
    case 7: return access.set_container_access(container, {true, false, "eu", "alice"});
    default: return access.set_grant(container, team, AccessLevel::kNone);
  }
}

// All that there is but ids and secrets, which differ.
std::string state_of(Store& store, ContainerId container) {
  AccessControl& access = store.access();
  std::string out;
  const auto add = [&out](const auto& words_of) {
    return [&out, words_of](const auto& found) {
      out += words_of(found) + " ";
      return true;
    };
  };
  const auto check = [&](const Status& status) {
    if (!status.ok()) out += status.error().to_string();
  };
  std::vector<Principal> all;
  check(access.principals([&](const Principal& principal) {
    all.push_back(principal);
    return true;
  }));
  for (const Principal& principal : all) {
    out += "\n" + principal.name + " in " + std::to_string(principal.groups.size()) + ": ";
    check(access.tokens(principal.id, add([](const Token& t) { return "token " + t.name; })));
    check(access.keys(principal.id, add([](const AccessKey& k) { return "key " + k.name; })));
    check(access.members(principal.id, add([](const Principal& m) { return "has " + m.name; })));
    check(access.grants_of(principal.id, add([](const Grant& grant) {
      return std::string(level_name(grant.level));
    })));
  }
  check(access.grants(container, add([](const Grant& grant) {
    return "\n" + std::string(level_name(grant.level));
  })));
  const auto set = access.container_access(container);
  out += set.ok() ? set->region : set.error().to_string();
  check(access.audit_log(0, add([](const AuditEntry& entry) {
    return "\n" + entry.action + " " + entry.target;
  })));
  return out;
}

struct Disk {
  std::shared_ptr<io::SimEnv> env;
  std::unique_ptr<Store> store;
  ContainerId container;
};

Disk new_disk() {
  Disk disk;
  disk.env = std::make_shared<io::SimEnv>(13);
  EXPECT_TRUE(Store::create("/store", tiny_options(disk.env)).ok());
  disk.store = std::move(*Store::open("/store", tiny_options(disk.env)));
  disk.container = disk.store->create_container("c")->id;
  return disk;
}

TEST(Access, AcknowledgedChangesSurviveAPowerCutAtAnyOperation) {
  Disk whole = new_disk();
  const uint64_t first = whole.env->operations();
  std::vector<std::string> states = {state_of(*whole.store, whole.container)};
  for (size_t i = 0; i < kChanges; ++i) {
    const Status done = apply(*whole.store, whole.container, i);
    ASSERT_TRUE(done.ok()) << done.error().to_string();
    states.push_back(state_of(*whole.store, whole.container));
    ASSERT_NE(states[i], states[i + 1]) << "change " << i << " shows";
  }
  const uint64_t last = whole.env->operations();
  ASSERT_GT(last, first + kChanges);
  for (uint64_t point = first + 1; point <= last; ++point) {
    for (const io::CutPolicy policy : {io::CutPolicy::kLoseAll, io::CutPolicy::kRandom}) {
      SCOPED_TRACE(point);
      Disk disk = new_disk();
      disk.env->cut_power_at(point, policy);
      size_t done = 0;
      while (done < kChanges && apply(*disk.store, disk.container, done).ok()) ++done;
      disk.store.reset();
      ASSERT_FALSE(disk.env->powered());
      disk.env->restart();
      FsckOptions fsck;
      fsck.env = disk.env;
      const auto report = ramet::fsck("/store", fsck, [](const Finding& finding) {
        if (finding.kind->code == "catalog-entry") ADD_FAILURE() << finding.message;
      });
      ASSERT_TRUE(report.ok());
      auto opened = Store::open("/store", tiny_options(disk.env));
      ASSERT_TRUE(opened.ok()) << opened.error().to_string();
      const std::string is = state_of(**opened, disk.container);
      const bool next = done < kChanges && is == states[done + 1];
      EXPECT_TRUE(is == states[done] || next) << is;
    }
  }
}

}  // namespace
}  // namespace ramet::sim
