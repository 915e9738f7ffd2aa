// A store with a history, to be inspected: sound, or in a damaged copy.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "engine/check/inspect_store.h"
#include "engine/inspect.h"
#include "tests/engine/store_fixture.h"
#include "tests/support/inspect_tree.h"

namespace ramet::test {

namespace fs = std::filesystem;

using Call = std::function<Status(Inspector&, InspectOutput&)>;

class InspectTest : public StoreTest {
 protected:
  // Several lives; clones, a snapshot, something dropped, something overwritten.
  void fill() {
    for (int i = 0; i < 30; ++i) put(fmt::format("/d/f{}", i), noise(3000, i));
    put("/big", noise(300'000, 1000));
    put("/text", std::string(100'000, 'x'));
    ASSERT_TRUE(store_->create_snapshot(container_, "nightly").ok());
    reopen();
    put("/d/f3", noise(4000, 77));
    clone("nightly", "clone");
    const ContainerId gone = clone("", "gone");
    put_into(gone, "/own", noise(5000, 99));
    reopen();
    ASSERT_TRUE(store_->drop_container(gone).ok());
  }
  ContainerId clone(const std::string& snapshot, const std::string& name) {
    CloneSpec spec;
    spec.source = container_;
    spec.snapshot = snapshot;
    spec.new_container = name;
    const auto done = store_->clone(spec);
    EXPECT_TRUE(done.ok());
    return done.ok() ? done->container : ContainerId{};
  }
  void shut() {
    ASSERT_TRUE(store_->close().ok());
    store_.reset();
  }

  static std::unique_ptr<Inspector> inspector(const std::string& path) {
    auto opened = Inspector::open(path, {});
    EXPECT_TRUE(opened.ok()) << opened.error().to_string();
    return std::move(*opened);
  }
  Told tell(const Call& call) { return tell_of(path_, call); }
  Told tell_of(const std::string& path, const Call& call) {
    const auto one = inspector(path);
    InspectTreeOutput out;
    const Status done = call(*one, out);
    EXPECT_TRUE(done.ok()) << done.error().to_string();
    EXPECT_TRUE(out.is_balanced());
    found_damage_ = one->found_damage();
    return out.told();
  }
  std::unique_ptr<engine::InspectedStore> files_of(const std::string& path) {
    auto opened = engine::InspectedStore::open(path, {});
    EXPECT_TRUE(opened.ok());
    EXPECT_TRUE((*opened)->trees().ok());
    return std::move(*opened);
  }
  // A damaged copy.
  std::string copy(const std::string& name) {
    const std::string to = dir_.file(name);
    fs::remove_all(to);
    fs::copy(path_, to, fs::copy_options::recursive);
    return to;
  }
  static void change(const std::string& file, const std::function<void(std::string&)>& body) {
    std::string bytes = test::read_bytes(file);
    body(bytes);
    std::ofstream(file, std::ios::binary) << bytes;
  }
  static void zero(const std::string& file, size_t from, size_t length) {
    change(file, [&](std::string& bytes) {
      for (size_t at = from; at < std::min(bytes.size(), from + length); ++at) bytes[at] = '\0';
    });
  }

  bool found_damage_ = false;
};

// Everything that inspect can be asked.
inline std::vector<std::pair<std::string, Call>> all_calls(const std::string& digits) {
  std::vector<std::pair<std::string, Call>> calls = {
      {"superblock", [](Inspector& one, InspectOutput& out) { return one.superblock(out); }},
      {"segments", [](Inspector& one, InspectOutput& out) { return one.segments(out); }},
      {"catalog", [](Inspector& one, InspectOutput& out) { return one.catalog(out); }},
      {"index", [](Inspector& one, InspectOutput& out) { return one.index(true, out); }},
      {"container",
       [](Inspector& one, InspectOutput& out) { return one.container({"c", ""}, out); }},
      {"snapshot",
       [](Inspector& one, InspectOutput& out) { return one.container({"c", "nightly"}, out); }},
      {"object",
       [](Inspector& one, InspectOutput& out) {
         return one.object({{"c", ""}, "/big", {}}, true, out);
       }},
      {"block", [digits](Inspector& one, InspectOutput& out) { return one.block(digits, out); }},
      {"why", [digits](Inspector& one, InspectOutput& out) { return one.why(digits, out); }},
  };
  for (SegmentNo number = 1; number < 14; ++number) {
    calls.emplace_back("segment", [number](Inspector& one, InspectOutput& out) {
      return one.segment(number, {std::nullopt, true, true}, out);
    });
    for (const InspectPlace& place :
         {InspectPlace{number, 0, 0}, InspectPlace{number, 5, 0}, InspectPlace{number, 512, 0},
          InspectPlace{number, {}, 4096}, InspectPlace{number, {}, 8192}}) {
      calls.emplace_back("frame", [place](Inspector& one, InspectOutput& out) {
        return one.frame(place, out);
      });
      calls.emplace_back("node", [place](Inspector& one, InspectOutput& out) {
        return one.node(place, out);
      });
      calls.emplace_back("why node", [place](Inspector& one, InspectOutput& out) {
        return one.why(place.to_string(), out);
      });
      calls.emplace_back("raw", [place](Inspector& one, InspectOutput&) -> Status {
        const auto frame = one.raw_frame(place);
        const auto payload = one.raw_payload(place, true);
        return frame.ok() ? ok() : Status(frame.error());
      });
    }
  }
  return calls;
}

}  // namespace ramet::test
