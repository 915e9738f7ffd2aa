// Goal: fsck says what of access control does not agree, and what a repair would do about it takes
// access away, never gives any, and leaves nothing to be found. Method: entries made by hand.
#include "engine/access/access_check.h"

#include <gtest/gtest.h>

#include <map>

#include "engine/access/access_change.h"
#include "engine/access/access_records.h"

namespace ramet::engine {
namespace {

PrincipalId principal_of(uint8_t n) { return make_id<PrincipalId>(n, {n}); }
ContainerId container_of(uint8_t n) { return make_id<ContainerId>(n, {n}); }

using Entries = std::map<Bytes, Bytes>;

void put(Entries& entries, const Bytes& key, const Bytes& value) {
  entries[key] = value;
  const auto leading = entries_leading_to(key, value);
  ASSERT_TRUE(leading.ok());
  for (const auto& [from, to] : *leading) entries[from] = to;
}

// alice (1) in team (2), with a token, a key and grants on container 1.
Entries sound() {
  Entries out;
  Principal alice;
  alice.name = "alice";
  alice.groups = {{principal_of(2), true}};
  Principal team;
  team.name = "team";
  team.kind = PrincipalKind::kGroup;
  put(out, principal_key(principal_of(1)), encode_principal(alice));
  put(out, principal_key(principal_of(2)), encode_principal(team));
  Token token;
  token.principal = principal_of(1);
  put(out, token_key(blake3("t")), encode_token(token));
  AccessKey pair;
  pair.principal = principal_of(1);
  pair.secret = "secret";
  put(out, key_pair_key("RMTK"), encode_key_pair(pair));
  put(out, grant_key(container_of(1), principal_of(1)), encode_grant(AccessLevel::kView));
  put(out, grant_key(container_of(1), principal_of(2)), encode_grant(AccessLevel::kUpload));
  put(out, grant_key(container_of(1), PrincipalId{}), encode_grant(AccessLevel::kView));
  put(out, container_access_key(container_of(1)), encode_container_access({true, true, "", ""}));
  AuditEntry entry;
  entry.action = "test";
  put(out, audit_log_key(5), encode_audit_entry(entry));
  return out;
}

struct Looked {
  std::vector<AccessEntries::Fix> fixes;
  size_t malformed = 0;
};
Looked look(const Entries& entries, bool with_container = true) {
  AccessEntries read;
  Looked out;
  for (const auto& [key, value] : entries) {
    if (!read.add(key, value).ok()) ++out.malformed;
  }
  if (with_container) read.add_container(container_of(1));
  out.fixes = read.fixes();
  return out;
}

TEST(AccessCheck, SoundEntriesAgree) {
  const Looked looked = look(sound());
  EXPECT_EQ(looked.malformed, 0u);
  EXPECT_TRUE(looked.fixes.empty());
}

TEST(AccessCheck, WhateverEntryIsMissingItsMendingGivesNothingAndConverges) {
  const Entries all = sound();
  for (const auto& [missing, gone] : all) {
    Entries entries = all;
    entries.erase(missing);
    const Looked looked = look(entries);
    EXPECT_EQ(looked.malformed, 0u);
    for (const auto& fix : looked.fixes) {
      EXPECT_FALSE(fix.what.empty());
      if (fix.erases) {
        EXPECT_EQ(entries.erase(fix.key), 1u);
        continue;
      }
      const auto space = catalog_space_of(fix.key);
      EXPECT_TRUE(entries.contains(fix.key) || space == CatalogSpace::kPrincipalName ||
                  space == CatalogSpace::kOfPrincipal)
          << fix.what;
      entries[fix.key] = fix.value;
    }
    EXPECT_TRUE(look(entries).fixes.empty());
  }
}

TEST(AccessCheck, EntriesOfAContainerThatIsGoneGoToo) {
  Entries entries = sound();
  for (const auto& fix : look(entries, false).fixes) {
    ASSERT_TRUE(fix.erases) << fix.what;
    entries.erase(fix.key);
  }
  EXPECT_FALSE(entries.contains(container_access_key(container_of(1))));
  for (const auto& [key, value] : entries) {
    EXPECT_NE(catalog_space_of(key), CatalogSpace::kGrant);
  }
  EXPECT_TRUE(look(entries, false).fixes.empty());
}

TEST(AccessCheck, MalformedEntriesAreRefused) {
  for (const auto& [key, value] : sound()) {
    const auto space = catalog_space_of(key);
    if (space == CatalogSpace::kPrincipalName || space == CatalogSpace::kOfPrincipal) continue;
    AccessEntries read;
    EXPECT_FALSE(read.add(key, "nonsense").ok());
    EXPECT_FALSE(read.add(key, {}).ok());
  }
  // A level of a later version might mean anything.
  EXPECT_FALSE(decode_grant(encode_grant(static_cast<AccessLevel>(7))).ok());
  EXPECT_FALSE(decode_grant(encode_grant(AccessLevel::kNone)).ok());
}

}  // namespace
}  // namespace ramet::engine
