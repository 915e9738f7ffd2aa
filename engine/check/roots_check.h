// RootsCheck: all trees that a catalog leads to, what their entries say of each other, and the
// content ids of objects in many pieces. Names where what is wrong stands.
//
// One call at a time; it uses all threads of the run.
#pragma once

#include <cstdint>
#include <functional>
#include <mutex>
#include <string>
#include <tuple>
#include <vector>

#include "engine/block/block_store.h"
#include "engine/check/catalog_check.h"
#include "engine/check/check_run.h"
#include "engine/check/tree_check.h"
#include "engine/container/records.h"

namespace ramet::engine {

class RootsCheck {
 public:
  RootsCheck(CheckRun& run, TreeCheck& trees, TreeContext& context, BlockStore& blocks)
      : run_(run), trees_(trees), context_(&context), blocks_(&blocks) {}

  // Without `report` nothing is said: it only reads, and counts. kIoError and kCancelled only.
  Status check(const Root& catalog, bool report);
  // The same in steps: begin(), read_some() until it says false, finish().
  Status begin(const Root& catalog, bool report);
  // Reads up to so many subtrees.
  Result<bool> read_some(size_t subtrees);
  Status finish();
  // The same store by a newer checkpoint: begin() comes next. See TreeCheck::go_on().
  void go_on(TreeContext& newer, BlockStore& blocks);
  // Of the last catalog that was reported on.
  uint64_t roots() const { return roots_; }
  uint64_t objects() const { return objects_; }

 private:
  Status explain(const NamedTree& tree);
  void describe(const NamedTree& tree, const TreeProblem& problem, Finding& finding);
  Status check_names(const NamedTree& tree);
  Status check_composed();
  Status check_composed(const TreeCheck::Composed& object);
  Result<bool> check_content_id(const NamedTree& tree, const ObjectRecord& record);

  CheckRun& run_;
  TreeCheck& trees_;
  TreeContext* context_;
  BlockStore* blocks_;
  bool report_ = false;
  std::vector<NamedTree> trees_of_catalog_;
  std::vector<std::function<Status()>> parts_;
  size_t parts_done_ = 0;
  // Objects whose pieces could not all be read: container, snapshot, key.
  std::mutex unread_mu_;
  std::vector<std::tuple<std::string, std::string, Bytes>> unread_;  // guarded by unread_mu_
  uint64_t roots_ = 0;
  uint64_t objects_ = 0;
};

}  // namespace ramet::engine
