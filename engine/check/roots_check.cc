#include "engine/check/roots_check.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include <fmt/format.h>

#include "engine/check/container_check.h"
#include "engine/check/describe_key.h"
#include "engine/container/catalog.h"
#include "engine/container/reader.h"
#include "engine/content/extent_hasher.h"
#include "engine/tree/cursor.h"
#include "format/keys.h"

namespace ramet::engine {
namespace {

constexpr uint64_t kFindingsOfARoot = 10'000;  // that are told one by one

Finding placed(const NamedTree& tree, Finding finding) {
  finding.container = tree.container;
  finding.snapshot = tree.snapshot;
  return finding;
}

}  // namespace

Status RootsCheck::check(const Root& catalog, bool report) {
  RAMET_TRY(begin(catalog, report));
  RAMET_ASSIGN(bool more, read_some(SIZE_MAX));
  while (more) {
    RAMET_ASSIGN(more, read_some(SIZE_MAX));
  }
  return finish();
}

Status RootsCheck::begin(const Root& catalog, bool report) {
  report_ = report;
  RAMET_ASSIGN(const auto found, trees_.check(catalog));
  if (found.damaged && report) {
    RAMET_TRY(trees_.explain(catalog, [&](const TreeProblem& problem) {
      Finding finding = CheckRun::make(problem);
      if (problem.code == "entry-malformed") finding.kind = &finding_kind("catalog-entry");
      finding.message = "of the catalog: " + finding.message;
      run_.add(finding);
    }));
  }
  RAMET_ASSIGN(trees_of_catalog_, check_catalog_entries(
      trees_, *context_, catalog, [&](const std::string& what, std::string message) {
        if (!report) return;
        Finding finding = CheckRun::make("catalog-entry", std::move(message));
        finding.container = what;
        run_.add(finding);
      }));
  if (report) {
    roots_ = trees_of_catalog_.size();
    objects_ = 0;
  }
  parts_.clear();
  parts_done_ = 0;
  for (uint32_t i = 0; i < trees_of_catalog_.size(); ++i) {
    RAMET_ASSIGN(auto some, trees_.parts(trees_of_catalog_[i].root, i));
    std::move(some.begin(), some.end(), std::back_inserter(parts_));
  }
  return ok();
}

Result<bool> RootsCheck::read_some(size_t subtrees) {
  const size_t from = parts_done_;
  const size_t count = std::min(subtrees, parts_.size() - from);
  RAMET_TRY(run_.in_parallel(count, [&](size_t i) { return parts_[from + i](); }));
  parts_done_ += count;
  return parts_done_ < parts_.size();
}

Status RootsCheck::finish() {
  for (uint32_t i = 0; i < trees_of_catalog_.size(); ++i) {
    const NamedTree& tree = trees_of_catalog_[i];
    RAMET_ASSIGN(const auto below, trees_.check(tree.root, i));
    if (!report_) continue;
    objects_ += tree.root.summary[SummaryColumn::kObjects];
    if (below.damaged) RAMET_TRY(explain(tree));
    if (below.damaged || below.sums != EntrySums{}) RAMET_TRY(check_names(tree));
  }
  return check_composed();
}

void RootsCheck::go_on(TreeContext& newer, BlockStore& blocks) {
  parts_.clear();
  parts_done_ = 0;
  trees_.go_on(newer);
  context_ = &newer;
  blocks_ = &blocks;
}

Status RootsCheck::explain(const NamedTree& tree) {
  uint64_t told = 0;
  return trees_.explain(tree.root, [&](const TreeProblem& problem) {
    if (++told > kFindingsOfARoot) return;
    Finding finding = placed(tree, CheckRun::make(problem));
    describe(tree, problem, finding);
    run_.add(finding);
  });
}

// Which object an entry is about, and where it is.
void RootsCheck::describe(const NamedTree& tree, const TreeProblem& problem, Finding& finding) {
  if (problem.key.empty()) {
    finding.message += "; keys " + describe_range(problem.from, problem.to);
    return;
  }
  const auto space = container_space_of(problem.key);
  if (!space) return;
  std::optional<ObjectId> id;
  if (*space == ContainerSpace::kObject) {
    const auto key = decode_object_key(problem.key);
    if (key.ok()) id = key->id;
  } else if (*space == ContainerSpace::kExtent) {
    const auto key = decode_extent_key(problem.key);
    if (key.ok()) id = key->id;
  } else if (*space == ContainerSpace::kDirent) {
    const auto key = decode_dirent_key(problem.key);
    if (key.ok()) finding.path = printable(object_name_from_key(key->name));
    return;
  }
  if (!id) return;
  finding.id = id->bytes;
  const Reader reader(*context_, tree.root);
  const auto record = reader.object(*id);
  if (!record.ok()) return;
  const auto path = reader.path_of(*record);
  finding.path = path.ok() ? *path : printable(record->info.name);
}

Status RootsCheck::check_names(const NamedTree& tree) {
  uint64_t told = 0;
  return check_entries(trees_, tree.root, [&](const EntryProblem& problem) {
    if (++told > kFindingsOfARoot) return;
    Finding finding = placed(tree, CheckRun::make(problem.code, problem.message));
    finding.path = problem.path;
    finding.id = problem.id;
    run_.add(finding);
  });
}

// Objects in several pieces: are these the pieces that were written? (Of others the only block is
// the content.) Each is looked at in the tree where something of it was new.
Status RootsCheck::check_composed() {
  constexpr size_t kBatch = 64;
  std::vector<TreeCheck::Composed> objects = trees_.take_composed();
  const auto unread = std::exchange(unread_, {});
  for (const auto& [container, snapshot, key] : unread) {
    for (uint32_t i = 0; i < trees_of_catalog_.size(); ++i) {
      const NamedTree& tree = trees_of_catalog_[i];
      if (tree.container == container && tree.snapshot == snapshot) objects.push_back({i, key});
    }
  }
  const size_t batches = (objects.size() + kBatch - 1) / kBatch;
  return run_.in_parallel(batches, [&](size_t batch) -> Status {
    const size_t end = std::min(objects.size(), (batch + 1) * kBatch);
    for (size_t i = batch * kBatch; i < end; ++i) RAMET_TRY(check_composed(objects[i]));
    return ok();
  });
}

Status RootsCheck::check_composed(const TreeCheck::Composed& object) {
  if (run_.is_cancelled()) return Error(ErrorCode::kCancelled, "interrupted");
  const NamedTree& tree = trees_of_catalog_[object.tree];
  bool whole = false;
  Value value;
  const auto found = get(*context_, tree.root, object.key, &value);
  if (!found.ok() && stops_check(found.error())) return found.error();
  if (found.ok() && !*found) return ok();  // a run without its object was told of before
  if (found.ok()) {
    RAMET_ASSIGN(const ObjectKey id, decode_object_key(object.key));
    const auto record = decode_object(id.id, id.type, value.bytes(), value.refs());
    if (record.ok() && record->form == ContentForm::kOneBlock) return ok();
    if (record.ok()) {
      RAMET_ASSIGN(whole, check_content_id(tree, *record));
    }
  }
  if (whole) return ok();
  std::lock_guard lock(unread_mu_);
  unread_.emplace_back(tree.container, tree.snapshot, object.key);
  return ok();
}

// False: not all of it could be read, which was told of before.
Result<bool> RootsCheck::check_content_id(const NamedTree& tree, const ObjectRecord& record) {
  const Reader reader(*context_, tree.root);
  ExtentHasher hasher;
  bool whole = true;
  const Status read = reader.extents(record, 0, record.info.size, [&](const Extent& extent) {
    const auto slot = blocks_->slot(extent.block.segment, extent.block.slot);
    return whole = slot.ok() && hasher.add(extent, slot->hash);
  });
  if (!read.ok() && stops_check(read.error())) return read.error();
  if (!read.ok() || !whole) return false;
  const bool fits = hasher.end() <= record.info.size;
  if (fits && hasher.finish(record.info.size, 0) == record.info.content_id) return true;
  if (!report_) return true;
  Finding finding = placed(
      tree, CheckRun::make("content-id", "its pieces are not those that were written"));
  const auto path = reader.path_of(record);
  finding.path = path.ok() ? *path : printable(record.info.name);
  finding.id = record.info.id.bytes;
  run_.add(finding);
  return true;
}

}  // namespace ramet::engine
