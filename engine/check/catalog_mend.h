// CatalogMend: the catalog again, after some of it was lost: containers, snapshots, settings.
//
// Entries that are gone are taken from older copies of the node that held them; the tree that such
// an entry leads to is the one that is needed and to which nothing leads any more, as far as one
// fits; else the one that it had then. Names and expiries are made from the records.
#pragma once

#include <functional>
#include <set>
#include <string>
#include <vector>

#include "engine/check/orphans.h"
#include "engine/check/tree_mend.h"
#include "engine/repair.h"

namespace ramet::engine {

struct CatalogMendContext {
  TreeContext& trees;
  TreeCheck& check;
  Orphans& orphans;
  TreeMend& mend;
  Sequence sequence = 0;
  std::function<void(const RepairStep&)> report;
  // Keys of entries whose tree may be only a part of what it was, or an older one.
  std::set<Bytes> uncertain = {};
};

// `is_lost`: there is no catalog, not even a damaged one. kIoError, kCancelled.
Result<Root> mend_catalog(CatalogMendContext& context, const Root& catalog, bool is_lost);

// An entry that leads to a tree.
struct RootedEntry {
  Bytes key;
  Bytes rest;  // the record, behind the RootValue
  std::string container;
  std::string snapshot;
  bool is_dropped = false;
};
// Of all containers, snapshots and dropped things, in key order.
Result<std::vector<RootedEntry>> rooted_entries(TreeCheck& check, const Root& catalog);

}  // namespace ramet::engine
