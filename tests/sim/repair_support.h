// What the tests of repairs share: running one, and what a store holds before and after it.
#pragma once

#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "engine/repair.h"
#include "format/segment_layout.h"
#include "tests/sim/damage_matrix.h"

namespace ramet::sim {

struct Repaired {
  Status status = ok();
  RepairReport report;
  std::vector<RepairStep> steps;
  std::string text;  // a line for each step
};

// Of "/store".
Repaired run_repair(const std::shared_ptr<io::Env>& env, bool apply, bool scavenge = false,
                    bool data = true);

using Contents = std::map<std::string, std::string>;  // as contents_of() gives them

Contents contents_on(const std::shared_ptr<io::SimEnv>& env);

// What is gone. What is there must be what it was. `text`: what the repair said.
std::set<std::string> missing_of(const Contents& was, const Contents& is, const std::string& text);

// fsck finds nothing but hints.
void expect_sound(const std::shared_ptr<io::Env>& env, const std::string& text = {},
                  bool data = true);

// Puts something new in, and reclaims: the store is one like any other.
void expect_usable(const std::shared_ptr<io::SimEnv>& env);

// `*differs`: the first that does, and how.
bool same_files(const Files& a, const Files& b, std::string* differs);

// Whether the file is a segment of that stream, by its header.
bool is_segment(const std::string& path, Stream stream, const Bytes& bytes);

}  // namespace ramet::sim
