// Goal: what engine/access.h promises of principals, secrets, grants and the audit log holds, also
// over a restart, a drop and an undelete. Method: the public interface; times are those of a
// simulated machine, whose clock the tests set.
#include "engine/access.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "engine/fsck.h"
#include "engine/no_wait.h"
#include "io/env_sim.h"
#include "tests/engine/store_fixture.h"

namespace ramet {
namespace {

using test::code_of;

constexpr int64_t kSecond = 1'000'000'000;
constexpr int64_t kHour = 3600 * kSecond;
constexpr int64_t kGrace = 600 * kSecond;
constexpr AccessLevel kAll = AccessLevel::kAdminister;

class AccessTest : public test::StoreTest {
 protected:
  void SetUp() override {
    env_ = std::make_shared<io::SimEnv>(1);
    ASSERT_TRUE(Store::create("/store", options()).ok());
    open_sim();
    container_ = store_->create_container("c")->id;
  }
  StoreOptions options() const {
    StoreOptions options;
    options.env = env_;
    options.background = false;
    options.drop_grace = kGrace;
    options.ballast_bytes = 1 << 20;
    return options;
  }
  void open_sim() {
    auto opened = Store::open("/store", options());
    RAMET_CHECK(opened.ok(), "the store cannot be opened");
    store_ = std::move(*opened);
  }
  void reopen_sim() {
    EXPECT_TRUE(store_->close().ok());
    store_.reset();
    open_sim();
  }
  void pass(int64_t nanoseconds) { env_->set_now(env_->now() + nanoseconds); }
  AccessControl& access() { return store_->access(); }

  static Principal named(const std::string& name, PrincipalKind kind = PrincipalKind::kUser) {
    Principal principal;
    principal.name = name;
    principal.kind = kind;
    return principal;
  }
  Principal make(const Principal& principal) {
    auto made = access().create_principal(principal);
    EXPECT_TRUE(made.ok()) << made.error().to_string();
    return made.ok() ? *made : Principal{};
  }
  Principal make(const std::string& name, PrincipalKind kind = PrincipalKind::kUser) {
    return make(named(name, kind));
  }
  std::string token_of(const Principal& principal, const Scope& scope = {}, int64_t expires = 0) {
    const auto made = access().create_token(principal.id, "t", scope, expires);
    EXPECT_TRUE(made.ok()) << made.error().to_string();
    return made.ok() ? made->secret : "";
  }
  // The level of whoever shows this token, or the name of an error's code.
  std::string level_with(const std::string& secret, ContainerId container) {
    const auto caller = access().authenticate_token(secret);
    if (!caller.ok()) return code_of(caller);
    const auto level = access().level(*caller, container);
    return level.ok() ? std::string(level_name(*level)) : code_of(level);
  }
  std::string level_with(const std::string& secret) { return level_with(secret, container_); }
  void grant(const PrincipalId& principal, AccessLevel level) {
    const Status set = access().set_grant(container_, principal, level);
    EXPECT_TRUE(set.ok()) << set.error().to_string();
  }
  std::vector<Grant> grants(ContainerId container) {
    std::vector<Grant> out;
    const Status listed = access().grants(container, [&](const Grant& grant) {
      out.push_back(grant);
      return true;
    });
    EXPECT_TRUE(listed.ok()) << listed.error().to_string();
    return out;
  }
  std::vector<std::string> names() {
    std::vector<std::string> out;
    EXPECT_TRUE(access().principals([&](const Principal& principal) {
                          out.push_back(principal.name);
                          return true;
                        }).ok());
    return out;
  }
  std::vector<AuditEntry> log(uint64_t from = 0) {
    std::vector<AuditEntry> out;
    EXPECT_TRUE(access().audit_log(from, [&](const AuditEntry& entry) {
                          out.push_back(entry);
                          return true;
                        }).ok());
    return out;
  }
  std::vector<std::string> actions() {
    std::vector<std::string> out;
    for (const AuditEntry& entry : log()) out.push_back(entry.action);
    return out;
  }
  template <typename Visit>
  static size_t count(const Visit& listing) {
    size_t n = 0;
    EXPECT_TRUE(listing([&](const auto&) { return ++n > 0; }).ok());
    return n;
  }
  size_t tokens_of(PrincipalId id) {
    return count([&](auto visit) { return access().tokens(id, visit); });
  }
  void expect_sound() {
    ASSERT_TRUE(store_->close().ok());
    store_.reset();
    FsckOptions fsck;
    fsck.env = env_;
    const auto report = ramet::fsck("/store", fsck, [](const Finding& finding) {
      if (finding.kind->severity != Severity::kHint) ADD_FAILURE() << finding.message;
    });
    EXPECT_TRUE(report.ok());
    open_sim();
  }

  std::shared_ptr<io::SimEnv> env_;
};

// --- names of things -----------------------------------------------------------------------------

TEST(AccessText, LevelsHaveNamesThatReadBack) {
  for (int level = 0; level <= 4; ++level) {
    const auto value = static_cast<AccessLevel>(level);
    EXPECT_EQ(*parse_level(level_name(value)), value);
  }
  const auto wrong = parse_level("admin");
  ASSERT_FALSE(wrong.ok());
  for (const char* name : {"none", "view", "upload", "contribute", "administer", "'admin'"}) {
    EXPECT_NE(wrong.error().message().find(name), std::string::npos) << name;
  }
}

TEST(AccessText, NamesOfPrincipalsArePlain) {
  for (const char* good : {"a", "alice", "ci-7", "a.b_c-d", "x9"}) {
    EXPECT_TRUE(check_principal_name(good).ok()) << good;
  }
  EXPECT_TRUE(check_principal_name(std::string(64, 'a')).ok());
  for (const char* bad : {"", "Alice", "9a", "-a", "a b", "a/b", "a:b", "a@b", "\xC3\xA4",
                          "everyone", "a\n"}) {
    EXPECT_EQ(code_of(check_principal_name(bad)), "invalid argument") << bad;
  }
  EXPECT_FALSE(check_principal_name(std::string(65, 'a')).ok());
}

TEST(AccessText, TextsAreUtf8WithoutControlCharacters) {
  EXPECT_TRUE(check_access_text("", 5, "it").ok());
  EXPECT_TRUE(check_access_text("\xC3\xA4\xE2\x82\xAC", 5, "it").ok());
  EXPECT_TRUE(check_access_text("\xF0\x9F\x98\x80", 5, "it").ok());
  for (const char* bad : {"a\nb", "\x7F", "\xC3", "\xC0\x80", "\xED\xA0\x80", "\xF4\x90\x80\x80",
                          "\xC2\x85", "\x80", "toolong"}) {
    EXPECT_EQ(code_of(check_access_text(bad, 5, "it")), "invalid argument") << bad;
  }
}

// --- principals ----------------------------------------------------------------------------------

TEST_F(AccessTest, PrincipalsAreFoundByIdAndByNameAlsoAfterARestart) {
  Principal given = named("alice");
  given.title = "Alice \xC3\x84.";
  given.email = "alice@example.org";
  given.super_admin = true;
  given.may_create = false;
  const Principal alice = make(given);
  EXPECT_FALSE(alice.id.is_null());
  EXPECT_GT(alice.created, 0);
  make("ci", PrincipalKind::kService);
  make("team", PrincipalKind::kGroup);
  for (int i = 0; i < 2; ++i) {
    EXPECT_EQ(*access().principal("alice"), alice);
    EXPECT_EQ(*access().principal(alice.id), alice);
    EXPECT_EQ(names(), (std::vector<std::string>{"alice", "ci", "team"}));
    EXPECT_EQ(code_of(access().principal("bob")), "not found");
    EXPECT_EQ(code_of(access().principal(PrincipalId{})), "not found");
    reopen_sim();
  }
  expect_sound();
}

TEST_F(AccessTest, NamesAreUniqueAndComeFree) {
  Principal alice = make("alice");
  make("bob");
  const auto twice = access().create_principal(named("alice"));
  EXPECT_EQ(code_of(twice), "already exists");
  EXPECT_NE(twice.error().message().find("'alice'"), std::string::npos);
  alice.name = "bob";
  EXPECT_EQ(code_of(access().update_principal(alice)), "already exists");
  alice.name = "carol";
  EXPECT_TRUE(access().update_principal(alice).ok());
  EXPECT_EQ(names(), (std::vector<std::string>{"bob", "carol"}));
  make("alice");
  EXPECT_TRUE(access().remove_principal(alice.id).ok());
  EXPECT_EQ(code_of(access().remove_principal(alice.id)), "not found");
  make("carol");
  EXPECT_EQ(names(), (std::vector<std::string>{"alice", "bob", "carol"}));
  expect_sound();
}

TEST_F(AccessTest, WrongPrincipalsAreRefusedAndChangeNothing) {
  const Principal team = make("team", PrincipalKind::kGroup);
  const Principal bob = make("bob");
  const Sequence before = store_->info()->sequence;
  const auto refused = [&](const Principal& principal, const char* code) {
    EXPECT_EQ(code_of(access().create_principal(principal)), code) << principal.name;
  };
  refused(named("Alice"), "invalid argument");
  refused(named("everyone"), "invalid argument");
  Principal wrong = named("alice");
  wrong.title = std::string(256, 'x');
  refused(wrong, "invalid argument");
  wrong = named("alice");
  wrong.email = "nobody";
  refused(wrong, "invalid argument");
  wrong = named("g2", PrincipalKind::kGroup);
  wrong.super_admin = true;
  refused(wrong, "invalid argument");
  wrong = named("g2", PrincipalKind::kGroup);
  wrong.groups = {{team.id, false}};
  refused(wrong, "invalid argument");
  wrong = named("alice");
  wrong.groups = {{bob.id, false}};  // no group
  refused(wrong, "invalid argument");
  wrong.groups = {{PrincipalId{}, false}};
  refused(wrong, "not found");
  wrong.groups = {{team.id, false}, {team.id, true}};
  refused(wrong, "invalid argument");
  wrong = named("alice");
  wrong.kind = static_cast<PrincipalKind>(9);
  refused(wrong, "invalid argument");
  Principal other_kind = bob;
  other_kind.kind = PrincipalKind::kService;
  EXPECT_EQ(code_of(access().update_principal(other_kind)), "invalid argument");
  EXPECT_TRUE(access().update_principal(bob).ok());  // as it is
  EXPECT_EQ(store_->info()->sequence, before);
}

TEST_F(AccessTest, RemovingTakesAlongAllThatBelongs) {
  const Principal team = make("team", PrincipalKind::kGroup);
  Principal given = named("alice");
  given.groups = {{team.id, true}};
  const Principal alice = make(given);
  const std::string secret = token_of(alice);
  const auto pair = access().create_key(alice.id, "k", {}, 0);
  grant(alice.id, AccessLevel::kView);
  grant(team.id, AccessLevel::kUpload);
  EXPECT_EQ(count([&](auto visit) { return access().members(team.id, visit); }), 1u);
  EXPECT_EQ(level_with(secret), "upload");

  EXPECT_TRUE(access().remove_principal(team.id).ok());
  EXPECT_TRUE(access().principal("alice")->groups.empty());
  EXPECT_EQ(level_with(secret), "view");
  ASSERT_EQ(grants(container_).size(), 1u);
  expect_sound();
  EXPECT_TRUE(access().remove_principal(alice.id).ok());
  EXPECT_EQ(level_with(secret), "permission denied");
  EXPECT_EQ(code_of(access().find_key(pair->id)), "permission denied");
  EXPECT_TRUE(grants(container_).empty());
  EXPECT_TRUE(names().empty());
  expect_sound();
}

// --- secrets -------------------------------------------------------------------------------------

TEST_F(AccessTest, TokensAuthenticateUntilTheyAreRemoved) {
  const Principal alice = make("alice");
  const auto made = access().create_token(alice.id, "laptop", {}, 0);
  ASSERT_TRUE(made.ok());
  EXPECT_EQ(made->secret.size(), 47u);
  EXPECT_TRUE(made->secret.starts_with("rmt_"));
  EXPECT_EQ(made->secret.find_first_not_of("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
                                           "0123456789-_"), std::string::npos);
  EXPECT_EQ(made->token.hash, blake3(made->secret));
  for (int i = 0; i < 2; ++i) {
    EXPECT_EQ(access().authenticate_token(made->secret)->principal, alice);
    reopen_sim();
  }
  std::string wrong = made->secret;
  wrong.back() = wrong.back() == 'A' ? 'B' : 'A';
  EXPECT_EQ(level_with(wrong), "permission denied");
  EXPECT_EQ(level_with(""), "permission denied");
  EXPECT_EQ(level_with(made->secret + "A"), "permission denied");
  EXPECT_TRUE(access().remove_token(made->token.hash).ok());
  EXPECT_EQ(level_with(made->secret), "permission denied");
  EXPECT_EQ(code_of(access().remove_token(made->token.hash)), "not found");
  EXPECT_EQ(tokens_of(alice.id), 0u);
}

TEST_F(AccessTest, NoTwoSecretsAreEqualAndTokensAreNotStored) {
  const Principal alice = make("alice");
  std::set<std::string> secrets;
  for (int i = 0; i < 50; ++i) {
    secrets.insert(token_of(alice));
    const auto pair = access().create_key(alice.id, "", {}, 0);
    EXPECT_EQ(pair->id.size(), 20u);
    EXPECT_TRUE(pair->id.starts_with("RMTK"));
    EXPECT_EQ(pair->id.find_first_not_of("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"), std::string::npos);
    EXPECT_EQ(pair->secret.size(), 40u);
    secrets.insert(pair->id);
    secrets.insert(pair->secret);
  }
  EXPECT_EQ(secrets.size(), 150u);
  EXPECT_EQ(tokens_of(alice.id), 50u);
  EXPECT_EQ(count([&](auto visit) {
              return access().keys(alice.id, [&](const AccessKey& key) {
                EXPECT_EQ(key.secret, "");
                return visit(key);
              });
            }),
            50u);
  const std::string secret = token_of(alice);
  ASSERT_TRUE(store_->checkpoint().ok());
  const auto segments = env_->list("/store/segments");
  ASSERT_TRUE(segments.ok());
  for (const std::string& name : *segments) {
    const auto bytes = io::read_file(*env_, "/store/segments/" + name, 64u << 20);
    ASSERT_TRUE(bytes.ok());
    EXPECT_EQ(bytes->find(secret), std::string::npos);
    EXPECT_EQ(bytes->find(secret.substr(4)), std::string::npos);
  }
}

TEST_F(AccessTest, KeysGiveTheirSecretToWhoChecksSignatures) {
  const Principal alice = make("alice");
  const auto pair = access().create_key(alice.id, "backup", {AccessLevel::kView, {}, false}, 0);
  ASSERT_TRUE(pair.ok());
  for (int i = 0; i < 2; ++i) {
    const auto found = access().find_key(pair->id);
    ASSERT_TRUE(found.ok());
    EXPECT_EQ(found->secret, pair->secret);
    EXPECT_EQ(found->caller.principal, alice);
    EXPECT_EQ(found->caller.scope, pair->scope);
    reopen_sim();
  }
  EXPECT_EQ(code_of(access().find_key("RMTKAAAAAAAAAAAAAAAA")), "permission denied");
  EXPECT_EQ(code_of(access().find_key("")), "permission denied");
  EXPECT_TRUE(access().remove_key(pair->id).ok());
  EXPECT_EQ(code_of(access().find_key(pair->id)), "permission denied");
  EXPECT_EQ(code_of(access().remove_key(pair->id)), "not found");
}

TEST_F(AccessTest, SecretsExpireAndSleepWithTheirPrincipal) {
  Principal alice = make("alice");
  const std::string secret = token_of(alice, {}, env_->now() + kHour);
  const std::string other = token_of(alice);
  const auto pair = access().create_key(alice.id, "", {}, env_->now() + kHour);
  grant(alice.id, AccessLevel::kView);
  EXPECT_EQ(level_with(secret), "view");
  pass(kHour - kSecond);
  EXPECT_EQ(level_with(secret), "view");
  EXPECT_TRUE(access().find_key(pair->id).ok());
  pass(2 * kSecond);
  EXPECT_EQ(level_with(secret), "permission denied");
  EXPECT_EQ(code_of(access().find_key(pair->id)), "permission denied");
  EXPECT_EQ(level_with(other), "view");

  const auto caller = access().authenticate_token(other);
  alice.disabled = true;
  ASSERT_TRUE(access().update_principal(alice).ok());
  EXPECT_EQ(level_with(other), "permission denied");
  EXPECT_EQ(*access().level(*caller, container_), AccessLevel::kNone);  // while it is at it
  alice.disabled = false;
  ASSERT_TRUE(access().update_principal(alice).ok());
  EXPECT_EQ(level_with(other), "view");
  // All refusals are the same to whoever asks.
  const auto unknown = access().authenticate_token("rmt_" + std::string(43, 'A'));
  EXPECT_EQ(access().authenticate_token(secret).error().message(), unknown.error().message());
}

TEST_F(AccessTest, WrongSecretsAreRefused) {
  const Principal alice = make("alice");
  const Principal team = make("team", PrincipalKind::kGroup);
  const Sequence before = store_->info()->sequence;
  const auto refused = [&](const auto& made, const char* code) { EXPECT_EQ(code_of(made), code); };
  refused(access().create_token(team.id, "", {}, 0), "invalid argument");
  refused(access().create_key(team.id, "", {}, 0), "invalid argument");
  refused(access().create_token(PrincipalId{}, "", {}, 0), "not found");
  refused(access().create_token(alice.id, "a\nb", {}, 0), "invalid argument");
  refused(access().create_token(alice.id, "", {}, env_->now()), "invalid argument");
  refused(access().create_token(alice.id, "", {}, -1), "invalid argument");
  refused(access().create_token(alice.id, "", {kAll, {ContainerId{}}, true}, 0), "not found");
  EXPECT_EQ(store_->info()->sequence, before);
}

TEST_F(AccessTest, UseIsNotedAboutOnceAnHourAndWrittenOnlyWhenFlushed) {
  const Principal alice = make("alice");
  const std::string secret = token_of(alice);
  const auto pair = access().create_key(alice.id, "", {}, 0);
  const auto used = [&] {
    std::pair<int64_t, int64_t> out;
    EXPECT_TRUE(access().tokens(alice.id, [&](const Token& token) {
                          out.first = token.last_used;
                          return true;
                        }).ok());
    EXPECT_TRUE(access().keys(alice.id, [&](const AccessKey& key) {
                          out.second = key.last_used;
                          return true;
                        }).ok());
    return out;
  };
  const int64_t first = env_->now();
  const Sequence before = store_->info()->sequence;
  for (int i = 0; i < 100; ++i) EXPECT_EQ(level_with(secret), "none");
  EXPECT_TRUE(access().find_key(pair->id).ok());
  EXPECT_EQ(store_->info()->sequence, before);
  EXPECT_TRUE(access().flush_last_used().ok());
  EXPECT_TRUE(access().flush_last_used().ok());
  EXPECT_EQ(store_->info()->sequence, before + 1);
  EXPECT_GE(used().first, first);
  EXPECT_GE(used().second, first);
  pass(kHour / 2);
  EXPECT_EQ(level_with(secret), "none");
  EXPECT_TRUE(access().flush_last_used().ok());
  EXPECT_EQ(store_->info()->sequence, before + 1);
  pass(kHour);
  EXPECT_EQ(level_with(secret), "none");
  const int64_t later = used().first;
  reopen_sim();  // closing flushes
  EXPECT_GE(used().first, later + kHour);
  EXPECT_LT(used().second, later + kHour);
  // What was removed meanwhile stays so.
  pass(2 * kHour);
  EXPECT_EQ(level_with(secret), "none");
  EXPECT_TRUE(access().remove_token(blake3(secret)).ok());
  EXPECT_TRUE(access().flush_last_used().ok());
  EXPECT_EQ(tokens_of(alice.id), 0u);
  expect_sound();
}

// --- grants --------------------------------------------------------------------------------------

TEST_F(AccessTest, GrantsAreSetReplacedAndRemoved) {
  const Principal alice = make("alice");
  const std::string secret = token_of(alice);
  EXPECT_EQ(level_with(secret), "none");
  grant(alice.id, AccessLevel::kContribute);
  EXPECT_EQ(level_with(secret), "contribute");
  grant(alice.id, AccessLevel::kView);
  EXPECT_EQ(level_with(secret), "view");
  grant(PrincipalId{}, AccessLevel::kUpload);
  EXPECT_EQ(level_with(secret), "upload");
  EXPECT_EQ(grants(container_).size(), 2u);
  EXPECT_EQ(count([&](auto visit) { return access().grants_of(alice.id, visit); }), 1u);
  EXPECT_EQ(count([&](auto visit) { return access().grants_of(PrincipalId{}, visit); }), 1u);
  reopen_sim();
  EXPECT_EQ(level_with(secret), "upload");
  const Sequence before = store_->info()->sequence;
  grant(PrincipalId{}, AccessLevel::kUpload);  // as it is
  EXPECT_EQ(store_->info()->sequence, before);
  grant(PrincipalId{}, AccessLevel::kNone);
  grant(alice.id, AccessLevel::kNone);
  grant(alice.id, AccessLevel::kNone);
  EXPECT_EQ(level_with(secret), "none");
  EXPECT_TRUE(grants(container_).empty());
  EXPECT_EQ(code_of(access().set_grant(ContainerId{}, alice.id, kAll)), "not found");
  PrincipalId nobody;
  nobody.bytes[0] = 7;
  EXPECT_EQ(code_of(access().set_grant(container_, nobody, kAll)), "not found");
  EXPECT_EQ(code_of(access().set_grant(container_, alice.id, static_cast<AccessLevel>(5))),
            "invalid argument");
  expect_sound();
}

TEST_F(AccessTest, ClonesCarryNoGrantsAndUndeleteKeepsThem) {
  const Principal alice = make("alice");
  const std::string secret = token_of(alice);
  grant(alice.id, AccessLevel::kContribute);
  ASSERT_TRUE(access().set_container_access(container_, {true, false, "eu", "alice"}).ok());
  CloneSpec spec;
  spec.source = container_;
  spec.new_container = "clone";
  const auto clone = store_->clone(spec);
  ASSERT_TRUE(clone.ok());
  EXPECT_EQ(level_with(secret, clone->container), "none");
  EXPECT_EQ(*access().container_access(clone->container), ContainerAccess{});
  EXPECT_TRUE(grants(clone->container).empty());

  ASSERT_TRUE(store_->drop_container(container_, {}).ok());
  EXPECT_EQ(code_of(access().set_grant(container_, alice.id, kAll)), "not found");
  expect_sound();
  DropNumber number = 0;
  ASSERT_TRUE(store_->dropped([&](const DroppedInfo& info) {
                      number = info.number;
                      return true;
                    }).ok());
  ASSERT_TRUE(store_->undelete(number, "again").ok());
  EXPECT_EQ(level_with(secret), "contribute");
  EXPECT_EQ(access().container_access(container_)->region, "eu");
  expect_sound();
}

TEST_F(AccessTest, WhatIsReleasedLeavesNoGrants) {
  const Principal alice = make("alice");
  const auto granted = [&] {
    return count([&](auto visit) { return access().grants_of(alice.id, visit); });
  };
  const auto other = store_->create_container("other");
  grant(alice.id, AccessLevel::kContribute);
  grant(PrincipalId{}, AccessLevel::kView);
  ASSERT_TRUE(access().set_grant(other->id, alice.id, AccessLevel::kView).ok());
  ASSERT_TRUE(access().set_container_access(other->id, {true, true, "eu", ""}).ok());
  EXPECT_EQ(granted(), 2u);
  ASSERT_TRUE(store_->drop_container(container_, {}).ok());
  EXPECT_EQ(granted(), 2u);
  pass(2 * kGrace);
  ReclaimOptions reclaim;
  reclaim.until_idle = true;
  ASSERT_TRUE(store_->reclaim(reclaim).ok());
  EXPECT_EQ(granted(), 1u);
  EXPECT_EQ(count([&](auto visit) { return access().grants_of(PrincipalId{}, visit); }), 0u);
  expect_sound();
  DropOptions now;
  now.now = true;
  ASSERT_TRUE(store_->drop_container(other->id, now).ok());
  EXPECT_EQ(granted(), 0u);
  expect_sound();
}

TEST_F(AccessTest, ContainersHaveSettingsOfTheirOwners) {
  make("org");
  const ContainerAccess set{true, true, "eu-central", "org"};
  EXPECT_EQ(*access().container_access(container_), ContainerAccess{});
  EXPECT_TRUE(access().set_container_access(container_, set).ok());
  reopen_sim();
  EXPECT_EQ(*access().container_access(container_), set);
  EXPECT_EQ(code_of(access().set_container_access(container_, {true, true, "", "nobody"})),
            "not found");
  EXPECT_EQ(code_of(access().set_container_access(container_, {true, true, "a\nb", ""})),
            "invalid argument");
  EXPECT_EQ(code_of(access().container_access(ContainerId{})), "not found");
  EXPECT_EQ(*access().container_access(container_), set);
  EXPECT_TRUE(access().set_container_access(container_, {}).ok());
  EXPECT_EQ(*access().container_access(container_), ContainerAccess{});
  expect_sound();
}

// --- audit ---------------------------------------------------------------------------------------

TEST_F(AccessTest, EveryChangeIsLoggedWithWhoMadeItAndNoSecrets) {
  const Principal alice = make("alice");
  std::string secret;
  std::string key_secret;
  {
    const AuditScope scope("root", "192.0.2.7");
    secret = token_of(alice);
    {
      const AuditScope inner("other", "::1");
      grant(alice.id, AccessLevel::kView);
    }
    const auto pair = access().create_key(alice.id, "k", {}, 0);
    key_secret = pair->secret;
    EXPECT_TRUE(access().remove_key(pair->id).ok());
  }
  EXPECT_TRUE(access().set_container_access(container_, {false, true, "", ""}).ok());
  grant(alice.id, AccessLevel::kNone);
  EXPECT_TRUE(access().remove_token(blake3(secret)).ok());
  EXPECT_TRUE(access().remove_principal(alice.id).ok());
  AuditEntry own;
  own.principal = "alice";
  own.action = "container.drop";
  own.target = std::string(5000, 'x');
  own.from = "192.0.2.9";
  EXPECT_TRUE(access().audit(own).ok());
  EXPECT_EQ(code_of(access().audit(AuditEntry{})), "invalid argument");

  reopen_sim();
  EXPECT_EQ(actions(), (std::vector<std::string>{
                           "principal.create", "token.create", "grant.set", "key.create",
                           "key.remove", "container.access", "grant.remove", "token.remove",
                           "principal.remove", "container.drop"}));
  const auto entries = log();
  EXPECT_EQ(entries[0].principal, "");
  EXPECT_EQ(entries[0].from, "local");
  EXPECT_EQ(entries[1].principal, "root");
  EXPECT_EQ(entries[1].from, "192.0.2.7");
  EXPECT_EQ(entries[2].principal, "other");
  EXPECT_EQ(entries[2].target, "c");
  EXPECT_EQ(entries[3].principal, "root");
  EXPECT_EQ(entries[9].from, "192.0.2.9");
  EXPECT_EQ(entries[9].target.size(), 1024u);
  for (size_t i = 0; i < entries.size(); ++i) {
    if (i > 0) {
      EXPECT_GT(entries[i].number, entries[i - 1].number);
    }
    EXPECT_GT(entries[i].time, 0);
    for (const std::string& text : {entries[i].target, entries[i].detail}) {
      EXPECT_EQ(text.find(secret), std::string::npos);
      EXPECT_EQ(text.find(key_secret), std::string::npos);
    }
  }
  expect_sound();
}

TEST_F(AccessTest, FailedChangesAreNotLogged) {
  make("alice");
  EXPECT_FALSE(access().create_principal(named("alice")).ok());
  EXPECT_EQ(actions(), (std::vector<std::string>{"principal.create"}));
}

TEST_F(AccessTest, TheLogIsReadFromANumberAndTrimmed) {
  std::vector<AuditEntry> entries(3000);
  for (size_t i = 0; i < entries.size(); ++i) {
    entries[i].action = "test";
    entries[i].target = std::to_string(i);
  }
  ASSERT_TRUE(access().audit_all(entries).ok());
  const auto all = log();
  ASSERT_EQ(all.size(), entries.size());
  for (size_t i = 0; i < all.size(); ++i) EXPECT_EQ(all[i].target, std::to_string(i));
  EXPECT_EQ(log(all[1000].number).front().target, "1000");
  EXPECT_TRUE(access().trim_audit_log(all[2990].number).ok());
  auto left = log();
  ASSERT_EQ(left.size(), 11u);
  EXPECT_EQ(left.front().target, "2990");
  EXPECT_EQ(left.back().action, "audit.trim");
  EXPECT_TRUE(access().trim_audit_log(all[2990].number).ok());  // nothing more
  EXPECT_EQ(log().size(), 11u);
  EXPECT_TRUE(access().trim_audit_log(UINT64_MAX).ok());
  reopen_sim();
  left = log();
  ASSERT_EQ(left.size(), 1u);
  EXPECT_EQ(left[0].action, "audit.trim");
}

// --- where it may not wait or write --------------------------------------------------------------

TEST_F(AccessTest, ChangesDoNotRunWhereNobodyMayWait) {
  const Principal alice = make("alice");
  const std::string secret = token_of(alice);
  const NoWaitScope no_wait;
  EXPECT_EQ(code_of(access().create_principal(named("bob"))), "would wait");
  EXPECT_EQ(code_of(access().audit_all({})), "ok");
  EXPECT_EQ(level_with(secret), "none");
  EXPECT_EQ(code_of(access().flush_last_used()), "would wait");
}

TEST_F(AccessTest, AReaderAuthenticatesAndChangesNothing) {
  const Principal alice = make("alice");
  const std::string secret = token_of(alice);
  grant(alice.id, AccessLevel::kView);
  ASSERT_TRUE(store_->close().ok());
  EXPECT_EQ(code_of(access().authenticate_token(secret)), "failed precondition");
  EXPECT_EQ(code_of(access().create_principal(named("bob"))), "failed precondition");
  EXPECT_EQ(code_of(access().principal("alice")), "failed precondition");
  store_.reset();
  StoreOptions reading = options();
  reading.read_only = true;
  auto opened = Store::open("/store", reading);
  ASSERT_TRUE(opened.ok());
  store_ = std::move(*opened);
  EXPECT_EQ(level_with(secret), "view");
  EXPECT_TRUE(access().flush_last_used().ok());
  EXPECT_EQ(code_of(access().create_principal(named("bob"))), "failed precondition");
}

}  // namespace
}  // namespace ramet
