#include "tests/sim/repair_support.h"

#include <utility>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "tests/sim/machine.h"

namespace ramet::sim {

Repaired run_repair(const std::shared_ptr<io::Env>& env, bool apply, bool scavenge, bool data) {
  Repaired out;
  RepairOptions options;
  options.env = env;
  options.apply = apply;
  options.data = data;
  options.scavenge = scavenge;
  options.threads = 2;
  const auto done = repair("/store", options, [&](const RepairStep& step) {
    out.steps.push_back(step);
    out.text += fmt::format("{} {}@{}:{} -> {}: {}\n", outcome_name(step.outcome), step.container,
                            step.snapshot, step.path, step.saved_as, step.message);
  });
  if (done.ok()) {
    out.report = *done;
  } else {
    out.status = done.error();
  }
  return out;
}

Contents contents_on(const std::shared_ptr<io::SimEnv>& env) {
  StoreOptions options = tiny_options(env);
  options.read_only = true;
  const auto store = Store::open("/store", options);
  EXPECT_TRUE(store.ok()) << (store.ok() ? "" : store.error().to_string());
  return store.ok() ? contents_of(**store) : Contents{};
}

std::set<std::string> missing_of(const Contents& was, const Contents& is,
                                 const std::string& text) {
  std::set<std::string> missing;
  for (const auto& [path, bytes] : was) {
    const auto found = is.find(path);
    if (found == is.end()) {
      missing.insert(path);
    } else {
      EXPECT_TRUE(found->second == bytes) << path << "\n" << text;
    }
  }
  return missing;
}

void expect_sound(const std::shared_ptr<io::Env>& env, const std::string& text, bool data) {
  const Checked after = check(env, data);
  EXPECT_EQ(after.report.lost + after.report.damage, 0u) << text << "--\n" << after.text;
}

void expect_usable(const std::shared_ptr<io::SimEnv>& env) {
  {
    auto opened = Store::open("/store", tiny_options(env));
    ASSERT_TRUE(opened.ok()) << opened.error().to_string();
    Store& store = **opened;
    const auto id = store.create_container("after the repair");
    ASSERT_TRUE(id.ok()) << id.error().to_string();
    auto transaction = std::move(*store.begin(id->id));
    auto writer = std::move(*transaction->write_content());
    ASSERT_TRUE(writer->append(std::string(30'000, 'z')).ok());
    ASSERT_TRUE(transaction->put_object(kRootFolder, "new", Attributes{}, std::move(writer)).ok());
    const auto done = transaction->commit();
    ASSERT_TRUE(done.ok()) << done.error().to_string();
    transaction.reset();
    ReclaimOptions options;
    options.until_idle = true;
    const auto reclaimed = store.reclaim(options);
    ASSERT_TRUE(reclaimed.ok()) << reclaimed.error().to_string();
    ASSERT_TRUE(store.close().ok());
  }
  expect_sound(env);
}

bool same_files(const Files& a, const Files& b, std::string* differs) {
  for (const auto& [path, bytes] : a) {
    const auto found = b.find(path);
    if (found == b.end() || found->second != bytes) {
      *differs = path + (found == b.end() ? " is gone" : " differs");
      return false;
    }
  }
  for (const auto& [path, bytes] : b) {
    if (!a.contains(path)) {
      *differs = path + " is new";
      return false;
    }
  }
  return true;
}

bool is_segment(const std::string& path, Stream stream, const Bytes& bytes) {
  if (path.find("/segments/") == std::string::npos) return false;
  const auto header = decode_segment_header(bytes.substr(0, kSegmentHeaderBytes));
  return header.ok() && header->stream == stream;
}

}  // namespace ramet::sim
