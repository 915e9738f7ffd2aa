// Goal: whatever is done to trees and clones of them, in whatever order, they are what plain maps
// are. Method: random operations on several versions at once, each with a std::map beside it;
// small nodes, so that trees get deep; everything is compared after each few steps.
#include <gtest/gtest-spi.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <limits>
#include <set>

#include "tests/engine/tree/tree_fixture.h"

namespace ramet::engine {
namespace {

// One step; the numbers mean what the operation makes of them, so any values are valid.
struct Step {
  uint8_t operation = 0;
  uint16_t a = 0, b = 0;
  uint32_t c = 0;
};
void showValue(const Step& step, std::ostream& os) {
  os << "{" << int{step.operation} << "," << step.a << "," << step.b << "," << step.c << "}";
}

// Short, long and binary keys, most of them with neighbours that share a long prefix.
std::string key_of(uint16_t n) {
  switch (n % 5) {
    case 0: return number_key(n);
    case 1: return std::string(150, 'p') + std::to_string(n / 5);
    case 2: {
      Bytes key = "\x01";
      append_big_endian<uint32_t>(key, n);
      return key + std::string(n % 7, '\0');
    }
    case 3: return std::string(n % 40, 'q') + static_cast<char>(n % 256);
    default: return n % 100 == 4 ? std::string(kMaxKeyBytes - n % 3, 'z') : number_key(n / 8);
  }
}

ModelValue value_of(uint32_t n) {
  ModelValue value;
  const size_t size = n % 97 == 0 ? n % (10 << 10) : n % 23 == 0 ? n % 600 : n % 30;
  for (size_t i = 0; i < size; ++i) value.bytes.push_back(static_cast<char>(n * 31 + i * n));
  for (uint32_t i = 0; i < n % 4; ++i) value.refs.push_back({n % 9 + 1, n + i, n * 77ull});
  return value;
}

// What happened, to check the births: keys in [from, to) may have changed at `sequence`.
struct Change {
  std::string from, to;
  Sequence sequence;
};

struct Version {
  Tree tree;
  Model model;
  std::vector<Change> changes;
};

class Machine {
 public:
  // Begins with one version of so many keys.
  Machine(uint32_t node_bytes, uint16_t keys) : context_(node_bytes) {
    versions_.push_back({Tree(context_.tree), {}, {}});
    for (uint16_t i = 0; i < keys; ++i) {
      put(versions_[0], key_of(static_cast<uint16_t>(i * 7919 % 3000)), value_of(i));
    }
  }

  // Stops early when `failed` says so.
  template <typename Failed>
  void run(const std::vector<Step>& steps, const Failed& failed) {
    size_t n = 0;
    for (const Step& step : steps) {
      ++sequence_;
      apply(step, versions_[step.c % versions_.size()]);
      if (++n % 8 == 0) compare(versions_[step.c % versions_.size()], step);
      if (failed()) return;
    }
    for (const Version& version : versions_) {
      expect_equals(context_.tree, version.tree.share(), version.model);
    }
    for (const auto& [root, model] : frozen_) expect_equals(context_.tree, root, model);
  }

 private:
  void put(Version& version, const std::string& key, const ModelValue& value) {
    must(version.tree.put(key, value.bytes, value.refs, sequence_));
    version.model[key] = value;
    version.changes.push_back({key, key + '\0', sequence_});
  }

  void erase(Version& version, const std::string& key) {
    const bool was_there = version.model.erase(key) == 1;
    EXPECT_EQ(must(version.tree.erase(key, sequence_)), was_there);
    if (was_there) version.changes.push_back({key, key + '\0', sequence_});
  }

  static void erase_in_model(Version& version, const std::string& from, const std::string& to,
                             Sequence sequence) {
    const auto begin = version.model.lower_bound(from);
    const auto end = to.empty() ? version.model.end() : version.model.lower_bound(to);
    if (begin == end) return;
    version.model.erase(begin, end);
    version.changes.push_back({from, to, sequence});
  }

  void apply(const Step& step, Version& version) {
    std::string from = key_of(step.a), to = key_of(step.b);
    if (from > to) std::swap(from, to);
    switch (step.operation % 20) {
      case 0:
      case 1:
      case 2: return put(version, key_of(step.a), value_of(step.c));
      case 3:
        for (uint16_t i = 0; i < 40; ++i) {
          put(version, key_of(static_cast<uint16_t>(step.a + i)), value_of(step.c + i));
        }
        return;
      case 4:
      case 5:
      case 6: return erase(version, nearest(version, key_of(step.a)));
      case 7:
        for (int i = 0; i < 20; ++i) erase(version, nearest(version, from));
        return;
      case 8:
      case 9: return batch(step, version);
      case 10:
        if (step.c % 3 == 0) to = version.model.size() < 50 ? "" : nearest(version, to);
        if (to.empty() || from < to) erase_in_model(version, from, to, sequence_);
        return must(version.tree.erase_range(from, to, sequence_));
      case 11: {
        if (step.c % 4 == 0) to.clear();
        if (step.b % 4 == 0) from.clear();
        must(version.tree.keep_range(from, to, sequence_));
        if (!to.empty() && from >= to) return erase_in_model(version, "", "", sequence_);
        if (!from.empty()) erase_in_model(version, "", from, sequence_);
        if (!to.empty()) erase_in_model(version, to, "", sequence_);
        return;
      }
      case 12:
      case 13: return graft(step, version, from, to);
      case 14:
      case 15:
        if (versions_.size() < 6) {
          Version clone{Tree(context_.tree, version.tree.share()), version.model, version.changes};
          versions_.push_back(std::move(clone));
        } else {
          // Clones go in any order, sources before their clones too.
          versions_.erase(versions_.begin() + step.a % versions_.size());
        }
        return;
      case 16:
        frozen_.emplace_back(version.tree.share(), version.model);
        if (frozen_.size() > 4) frozen_.erase(frozen_.begin() + step.a % frozen_.size());
        return;
      case 17:
        must(persist(context_.tree, version.tree.share(), sequence_));
        for (Version& each : versions_) each.tree.replace_persisted();
        return;
      case 18: {
        // Reload from what was written, with nothing cached.
        const Root root = must(persist(context_.tree, version.tree.share(), sequence_));
        context_.cache.clear();
        version.tree = Tree(context_.tree, root);
        return;
      }
      default: must(persist(context_.tree, version.tree.share(), sequence_)); return;
    }
  }

  std::string nearest(const Version& version, const std::string& key) {
    const auto found = version.model.lower_bound(key);
    return found == version.model.end() ? key : found->first;
  }

  void batch(const Step& step, Version& version) {
    std::map<std::string, std::optional<ModelValue>> wanted;
    for (uint32_t i = 0; i < step.b % 30u; ++i) {
      const std::string key = key_of(static_cast<uint16_t>(step.a + i * step.c));
      if ((step.c + i) % 3 == 0) {
        wanted[key] = std::nullopt;
      } else {
        wanted[key] = value_of(step.c + i * 7);
      }
    }
    std::vector<Mutation> mutations;
    for (const auto& [key, value] : wanted) {
      if (value) {
        mutations.push_back({key, false, value->bytes, value->refs, nullptr});
        version.model[key] = *value;
      } else {
        mutations.push_back({key, true, {}, {}, nullptr});
        if (version.model.erase(key) == 0) continue;
      }
      version.changes.push_back({key, key + '\0', sequence_});
    }
    must(version.tree.apply(mutations, sequence_));
  }

  void graft(const Step& step, Version& version, const std::string& from, const std::string& to) {
    if (from == to) return;
    // Half of the time a part of some version, else a bulk-loaded tree of older birth.
    const Version& source = versions_[step.a % versions_.size()];
    Model inside(source.model.lower_bound(from), source.model.lower_bound(to));
    Root subtree;
    if (step.c % 2 == 0) {
      Tree part(context_.tree, source.tree.share());
      must(part.keep_range(from, to, 1));
      subtree = part.share();
    } else {
      BulkBuilder builder(context_.tree, 1);
      for (const auto& [key, value] : inside) must(builder.add(key, value.bytes, value.refs));
      subtree = must(builder.finish());
    }
    EXPECT_EQ(subtree.summary, fold(inside, "", ""));
    const bool occupied = version.model.lower_bound(from) != version.model.lower_bound(to);
    if (occupied && !inside.empty()) {
      const Status status = version.tree.graft(from, to, subtree, sequence_);
      ASSERT_FALSE(status.ok());
      ASSERT_EQ(status.error().code(), ErrorCode::kFailedPrecondition);
      must(version.tree.erase_range(from, to, sequence_));
      erase_in_model(version, from, to, sequence_);
    }
    must(version.tree.graft(from, to, subtree, sequence_));
    if (inside.empty()) return;
    version.model.insert(inside.begin(), inside.end());
    version.changes.push_back({from, to, sequence_});
  }

  void compare(const Version& version, const Step& step) {
    const Root root = version.tree.share();
    expect_equals(context_.tree, root, version.model);
    std::string from = key_of(static_cast<uint16_t>(step.a + 1));
    std::string to = key_of(static_cast<uint16_t>(step.b + 3));
    if (from > to) std::swap(from, to);
    if (step.c % 5 == 0) to.clear();
    if (step.c % 7 == 0) from.clear();
    if (from != to || to.empty()) {
      EXPECT_EQ(must(summarize(context_.tree, root, from, to)), fold(version.model, from, to));
      compare_births(version, root, from, to);
    }
    for (const std::string& key : {from, to, nearest(version, from)}) {
      Value value;
      const auto found = version.model.find(key);
      ASSERT_EQ(must(get(context_.tree, root, key, &value)), found != version.model.end());
      if (found != version.model.end()) {
        EXPECT_EQ(to_model(value), found->second);
      }
      compare_seeks(root, version.model, key);
    }
    const Version& other = versions_[step.b % versions_.size()];
    compare_diff(version, other);
    compare_range_diff(version, other, from, to);
  }

  void compare_births(const Version& version, const Root& root, const std::string& from,
                      const std::string& to) {
    Sequence newest = 0;
    for (const Change& change : version.changes) {
      const bool apart =
          (!to.empty() && change.from >= to) || (!change.to.empty() && change.to <= from);
      if (!apart) newest = std::max(newest, change.sequence);
    }
    EXPECT_GE(must(newest_birth(context_.tree, root, from, to)), newest)
        << "a change in the range would be overlooked";
  }

  void compare_seeks(const Root& root, const Model& model, const std::string& key) {
    Cursor cursor(context_.tree, root);
    const auto at = model.lower_bound(key);
    must(cursor.seek(key));
    ASSERT_EQ(cursor.valid(), at != model.end());
    if (cursor.valid()) {
      EXPECT_EQ(cursor.key(), at->first);
    }
    must(cursor.seek_before(key));
    ASSERT_EQ(cursor.valid(), at != model.begin());
    if (cursor.valid()) {
      EXPECT_EQ(cursor.key(), std::prev(at)->first);
    }
  }

  void compare_diff(const Version& a, const Version& b) {
    std::map<std::string, int> expected;
    for (const auto& [key, value] : a.model) {
      const auto other = b.model.find(key);
      if (other == b.model.end()) expected[key] = 1;
      if (other != b.model.end() && !(other->second == value)) expected[key] = 2;
    }
    for (const auto& [key, value] : b.model) {
      if (a.model.count(key) == 0) expected[key] = 3;
    }
    std::map<std::string, int> found;
    std::string last;
    must(diff(context_.tree, a.tree.share(), b.tree.share(),
              [&](ByteView key, const Value* before, const Value* after) {
                EXPECT_TRUE(found.empty() || last < key);
                last = key;
                found[last] = before == nullptr ? 3 : after == nullptr ? 1 : 2;
                if (before != nullptr) {
                  EXPECT_EQ(to_model(*before), a.model.at(last));
                }
                if (after != nullptr) {
                  EXPECT_EQ(to_model(*after), b.model.at(last));
                }
                return true;
              }));
    EXPECT_EQ(found, expected);
  }

  void compare_range_diff(const Version& a, const Version& b, const std::string& from,
                          const std::string& to) {
    std::set<std::string> expected;
    for (const Model* model : {&a.model, &b.model}) {
      for (auto i = model->lower_bound(from); i != model->end() && (to.empty() || i->first < to);
           ++i) {
        const auto in_a = a.model.find(i->first), in_b = b.model.find(i->first);
        const bool same = in_a != a.model.end() && in_b != b.model.end() &&
                          in_a->second == in_b->second;
        if (!same) expected.insert(i->first);
      }
    }
    std::set<std::string> found;
    must(diff(context_.tree, a.tree.share(), b.tree.share(), from, to,
              [&](ByteView key, const Value*, const Value*) {
                EXPECT_TRUE(found.insert(std::string(key)).second);
                return true;
              }));
    EXPECT_EQ(found, expected);
    EXPECT_EQ(must(differs(context_.tree, a.tree.share(), b.tree.share(), from, to)),
              !expected.empty());
  }

  TestContext context_;
  std::vector<Version> versions_;
  std::vector<std::pair<Root, Model>> frozen_;
  Sequence sequence_ = 1;
};

rc::Gen<std::vector<Step>> steps(int size) {
  const auto whole = [](auto zero) {
    using T = decltype(zero);
    return rc::gen::resize(rc::kNominalSize, rc::gen::arbitrary<T>());
  };
  return rc::gen::resize(size, rc::gen::container<std::vector<Step>>(rc::gen::build<Step>(
                                   rc::gen::set(&Step::operation, whole(uint8_t{})),
                                   rc::gen::set(&Step::a, rc::gen::inRange<uint16_t>(0, 3000)),
                                   rc::gen::set(&Step::b, rc::gen::inRange<uint16_t>(0, 3000)),
                                   rc::gen::set(&Step::c, whole(uint32_t{})))));
}

// Failures are caught, so that a program that fails can be shrunk.
void run(uint32_t node_bytes, int size) {
  const auto program = *steps(size);
  const auto keys = *rc::gen::inRange<uint16_t>(0, 500);
  ::testing::TestPartResultArray failures;
  {
    ::testing::ScopedFakeTestPartResultReporter reporter(&failures);
    Machine machine(node_bytes, keys);
    machine.run(program, [&] { return failures.size() > 0; });
  }
  if (failures.size() > 0) {
    const auto& first = failures.GetTestPartResult(0);
    RC_LOG() << first.file_name() << ":" << first.line_number() << ": " << first.message();
  }
  RC_ASSERT(failures.size() == 0);
}

RC_GTEST_PROP(TreeProperty, VersionsOfTinyNodesEqualTheirModels, ()) { run(256, 150); }
RC_GTEST_PROP(TreeProperty, VersionsOfSmallNodesEqualTheirModels, ()) { run(512, 300); }
RC_GTEST_PROP(TreeProperty, VersionsOfUsualNodesEqualTheirModels, ()) { run(8192, 300); }

}  // namespace
}  // namespace ramet::engine
