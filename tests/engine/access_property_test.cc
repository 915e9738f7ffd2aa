// Goal: what somebody may do in a container is what a plain model says, after any history of
// changes, whatever of it was answered from memory before. Method: random changes of principals,
// groups, grants, tokens and their scopes; after each, all levels of all tokens are compared. And
// the same beside many threads: no thread is given what was taken away before it asked.
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <atomic>
#include <map>
#include <optional>
#include <thread>

#include "engine/access.h"
#include "engine/fsck.h"
#include "io/env_sim.h"
#include "tests/engine/store_fixture.h"

namespace ramet {
namespace {

constexpr size_t kContainers = 3;
constexpr size_t kUsers = 3;
constexpr size_t kGroups = 2;

struct ModelToken {
  size_t user = 0;
  Scope scope;
  int64_t expires = 0;
};

// Principals 0 .. kUsers-1 are users, kUsers .. are groups, the last one is everyone.
constexpr size_t kEveryone = kUsers + kGroups;

struct AccessModel {
  bool exists[kEveryone] = {};
  bool super[kEveryone] = {};
  bool disabled[kEveryone] = {};
  bool member[kUsers][kGroups] = {};
  std::map<std::pair<size_t, size_t>, AccessLevel> grants;  // (container, principal)
  std::map<std::string, ModelToken> tokens;

  AccessLevel granted(size_t container, size_t who) const {
    const auto found = grants.find({container, who});
    return found == grants.end() ? AccessLevel::kNone : found->second;
  }
  // Nothing: it is not let in.
  std::optional<AccessLevel> level(const ModelToken& token, size_t container, ContainerId id,
                                   int64_t now) const {
    const size_t user = token.user;
    if (!exists[user] || disabled[user]) return std::nullopt;
    if (token.expires != 0 && now >= token.expires) return std::nullopt;
    AccessLevel most = std::max(granted(container, user), granted(container, kEveryone));
    for (size_t group = 0; group < kGroups; ++group) {
      const size_t at = kUsers + group;
      if (member[user][group] && exists[at] && !disabled[at]) {
        most = std::max(most, granted(container, at));
      }
    }
    if (super[user]) most = AccessLevel::kAdminister;
    const auto& only = token.scope.containers;
    if (!only.empty() && std::find(only.begin(), only.end(), id) == only.end()) {
      most = AccessLevel::kNone;
    }
    return std::min(most, token.scope.most);
  }
  void forget(size_t who) {
    exists[who] = false;
    std::erase_if(grants, [&](const auto& grant) { return grant.first.second == who; });
    std::erase_if(tokens, [&](const auto& token) { return token.second.user == who; });
    for (size_t user = 0; user < kUsers; ++user) {
      for (size_t group = 0; group < kGroups; ++group) {
        if (user == who || kUsers + group == who) member[user][group] = false;
      }
    }
  }
};

class World {
 public:
  World() : env_(std::make_shared<io::SimEnv>(7)) {
    RC_ASSERT(Store::create("/store", options()).ok());
    open();
    for (size_t i = 0; i < kContainers; ++i) {
      containers_.push_back(store_->create_container("c" + std::to_string(i))->id);
    }
  }
  ~World() { static_cast<void>(store_->close().ok()); }

  void step() {
    const size_t who = *rc::gen::inRange<size_t>(0, kEveryone);
    const size_t user = *rc::gen::inRange<size_t>(0, kUsers);
    const size_t container = *rc::gen::inRange<size_t>(0, kContainers);
    const auto level = static_cast<AccessLevel>(*rc::gen::inRange(0, 5));
    switch (*rc::gen::inRange(0, 10)) {
      case 0:
      case 1: return create(who);
      case 2: return remove(who);
      case 3: return update(who);
      case 4:
      case 5: return grant(container, *rc::gen::inRange<size_t>(0, kEveryone + 1), level);
      case 6:
      case 7: return token(user, level);
      case 8: return revoke();
      default:
        if (*rc::gen::arbitrary<bool>()) return reopen();
        env_->set_now(env_->now() + kStep);
    }
  }

  void compare() {
    for (const auto& [secret, token] : model_.tokens) {
      const auto caller = access().authenticate_token(secret);
      for (size_t i = 0; i < kContainers; ++i) {
        const auto wanted = model_.level(token, i, containers_[i], env_->now());
        RC_ASSERT(caller.ok() == wanted.has_value());
        if (!wanted) continue;
        const auto level = access().level(*caller, containers_[i]);
        RC_ASSERT(level.ok());
        RC_ASSERT(*level == *wanted);
      }
    }
    for (const std::string& secret : revoked_) {
      RC_ASSERT(!access().authenticate_token(secret).ok());
    }
    for (size_t i = 0; i < kContainers; ++i) {
      size_t found = 0;
      RC_ASSERT(access().grants(containers_[i], [&](const Grant&) { return ++found > 0; }).ok());
      RC_ASSERT(found == static_cast<size_t>(std::count_if(
                             model_.grants.begin(), model_.grants.end(),
                             [&](const auto& grant) { return grant.first.first == i; })));
    }
  }

  void check() {
    RC_ASSERT(store_->close().ok());
    FsckOptions fsck;
    fsck.env = env_;
    std::string wrong;
    const auto report = ramet::fsck("/store", fsck, [&](const Finding& finding) {
      if (finding.kind->severity != Severity::kHint) wrong += finding.message + "\n";
    });
    RC_ASSERT(report.ok());
    RC_ASSERT(wrong == "");
    open();
  }

 private:
  static constexpr int64_t kStep = 1'000'000'000'000;

  StoreOptions options() const {
    StoreOptions options;
    options.env = env_;
    options.background = false;
    options.ballast_bytes = 1 << 20;
    return options;
  }
  void open() {
    store_.reset();
    auto opened = Store::open("/store", options());
    RC_ASSERT(opened.ok());
    store_ = std::move(*opened);
  }
  void reopen() {
    RC_ASSERT(store_->close().ok());
    open();
  }
  AccessControl& access() { return store_->access(); }

  Principal wanted(size_t who) const {
    Principal principal;
    principal.id = ids_[who];
    principal.name = "p" + std::to_string(who);
    principal.kind = who < kUsers ? PrincipalKind::kUser : PrincipalKind::kGroup;
    principal.super_admin = model_.super[who];
    principal.disabled = model_.disabled[who];
    for (size_t group = 0; who < kUsers && group < kGroups; ++group) {
      if (model_.member[who][group]) principal.groups.push_back({ids_[kUsers + group], false});
    }
    return principal;
  }
  // Random flags, and groups that there are.
  void choose(size_t who) {
    model_.disabled[who] = *rc::gen::inRange(0, 4) == 0;
    if (who >= kUsers) return;
    model_.super[who] = *rc::gen::inRange(0, 6) == 0;
    for (size_t group = 0; group < kGroups; ++group) {
      model_.member[who][group] = model_.exists[kUsers + group] && *rc::gen::arbitrary<bool>();
    }
  }
  void create(size_t who) {
    if (model_.exists[who]) {
      RC_ASSERT(!access().create_principal(wanted(who)).ok());
      return;
    }
    choose(who);
    const auto made = access().create_principal(wanted(who));
    RC_ASSERT(made.ok());
    ids_[who] = made->id;
    model_.exists[who] = true;
  }
  void remove(size_t who) {
    RC_ASSERT(access().remove_principal(ids_[who]).ok() == model_.exists[who]);
    for (const auto& [secret, token] : model_.tokens) {
      if (token.user == who) revoked_.push_back(secret);
    }
    model_.forget(who);
  }
  void update(size_t who) {
    if (!model_.exists[who]) return;
    choose(who);
    RC_ASSERT(access().update_principal(wanted(who)).ok());
  }
  void grant(size_t container, size_t who, AccessLevel level) {
    const PrincipalId id = who == kEveryone ? PrincipalId{} : ids_[who];
    if (who != kEveryone && !model_.exists[who]) return;
    RC_ASSERT(access().set_grant(containers_[container], id, level).ok());
    model_.grants.erase({container, who});
    if (level != AccessLevel::kNone) model_.grants[{container, who}] = level;
  }
  void token(size_t user, AccessLevel most) {
    ModelToken token;
    token.user = user;
    token.scope.most = most;
    if (*rc::gen::arbitrary<bool>()) {
      token.scope.containers = {containers_[*rc::gen::inRange<size_t>(0, kContainers)]};
    }
    if (*rc::gen::arbitrary<bool>()) token.expires = env_->now() + 2 * kStep;
    const auto made = access().create_token(ids_[user], "", token.scope, token.expires);
    RC_ASSERT(made.ok() == model_.exists[user]);
    if (made.ok()) model_.tokens[made->secret] = token;
  }
  void revoke() {
    if (model_.tokens.empty()) return;
    const auto first = model_.tokens.begin();
    RC_ASSERT(access().remove_token(blake3(first->first)).ok());
    revoked_.push_back(first->first);
    model_.tokens.erase(first);
  }

  std::shared_ptr<io::SimEnv> env_;
  std::unique_ptr<Store> store_;
  std::vector<ContainerId> containers_;
  PrincipalId ids_[kEveryone];
  AccessModel model_;
  std::vector<std::string> revoked_;
};

RC_GTEST_PROP(AccessProperty, LevelsAreThoseOfTheModel, ()) {
  World world;
  const int steps = *rc::gen::inRange(1, 40);
  for (int i = 0; i < steps; ++i) {
    world.step();
    world.compare();
  }
  world.check();
}

// --- many threads --------------------------------------------------------------------------------

class AccessThreads : public test::StoreTest {};

TEST_F(AccessThreads, NobodyIsGivenWhatWasTakenAwayBefore) {
  AccessControl& access = store_->access();
  Principal given;
  given.name = "alice";
  const Principal alice = *access.create_principal(given);
  const std::string secret = access.create_token(alice.id, "", {}, 0)->secret;
  // Odd rounds grant, even ones have taken away; the number is raised before a grant and behind
  // the taking away, so that who reads the same even number twice must have been given nothing.
  std::atomic<uint64_t> round{0};
  std::atomic<bool> stop{false};
  std::atomic<uint64_t> wrong{0}, looked{0}, given_some{0};
  std::vector<std::thread> readers;
  for (int i = 0; i < 6; ++i) {
    readers.emplace_back([&] {
      while (!stop) {
        const uint64_t before = round;
        const auto caller = access.authenticate_token(secret);
        const auto level = caller.ok() ? access.level(*caller, container_)
                                       : Result<AccessLevel>(AccessLevel::kNone);
        const uint64_t after = round;
        if (!caller.ok() || !level.ok()) ++wrong;
        if (*level != AccessLevel::kNone) ++given_some;
        if (before == after && before % 2 == 0 && *level != AccessLevel::kNone) ++wrong;
        ++looked;
      }
    });
  }
  std::thread other([&] {  // changes that have nothing to do with it, and uses to be written
    for (int i = 0; !stop; ++i) {
      AuditEntry entry;
      entry.action = "test";
      if (!access.audit(entry).ok() || !access.flush_last_used().ok()) ++wrong;
      const auto key = access.create_key(alice.id, "", {}, 0);
      if (!key.ok() || !access.find_key(key->id).ok() || !access.remove_key(key->id).ok()) ++wrong;
    }
  });
  for (int i = 0; i < 60; ++i) {
    ++round;
    EXPECT_TRUE(access.set_grant(container_, alice.id, AccessLevel::kUpload).ok());
    const uint64_t enough = looked + 50;
    while (looked < enough) std::this_thread::yield();
    EXPECT_TRUE(access.set_grant(container_, alice.id, AccessLevel::kNone).ok());
    ++round;
  }
  stop = true;
  for (std::thread& reader : readers) reader.join();
  other.join();
  EXPECT_EQ(wrong, 0u);
  EXPECT_GT(given_some, 0u);
}

}  // namespace
}  // namespace ramet
