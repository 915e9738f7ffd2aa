// TreeMend: what can still be had of a tree, as a new version of it. Subtrees that are sound are
// shared as they are; between them stand what is found of the children of damaged nodes and the
// entries of leaves that are not all damaged. Totals and births are made right on the way.
//
// Writes nothing: the new version is in memory where it differs. Not thread-safe.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <tuple>
#include <vector>

#include "engine/check/orphans.h"
#include "engine/check/tree_check.h"

namespace ramet::engine {

// Something that is missing from the mended tree, or was.
struct Gap {
  BlockRef ref;        // of the node that cannot be read or trusted
  uint8_t level = 0;
  Bytes from, to;      // its keys
  Bytes key;           // only this entry; empty: all between `from` and `to`
  bool closed = false; // everything that was there was found
  std::string reason;
};

struct MendedTree {
  Root root;             // as it was if nothing had to change
  bool changed = false;
  std::vector<Gap> gaps;
};

class TreeMend {
 public:
  // `check`: knows the trees already (TreeCheck::check()). `sequence`: of the changes.
  TreeMend(TreeContext& context, TreeCheck& check, Orphans& orphans, Sequence sequence)
      : context_(context), check_(check), orphans_(orphans), sequence_(sequence) {}

  // kIoError, kCancelled; damage is what it is for.
  // `of_catalog`: it is the catalog; else a container's tree.
  Result<MendedTree> mend(const Root& root, bool of_catalog = false);

 private:
  struct Piece {
    Root root;
    Bytes from, to;
  };
  struct Pieces {
    std::vector<Piece> pieces;
    std::vector<Gap> gaps;
    bool changed = false;
  };
  using PiecesPtr = std::shared_ptr<const Pieces>;

  Result<PiecesPtr> pieces_of(const Root& at, const Bytes& from, const Bytes& to, int depth);
  Status unreadable(const Root& at, const Bytes& from, const Bytes& to, std::string reason,
                    int depth, Pieces& out);
  Status leaf(const Root& at, const NodeHandle& node, const Bytes& from, const Bytes& to,
              Pieces& out);
  Status inner(const Root& at, const NodeHandle& node, const Bytes& from, const Bytes& to,
               int depth, Pieces& out);
  static void append(const Pieces& some, Pieces& out);

  TreeContext& context_;
  TreeCheck& check_;
  Orphans& orphans_;
  const Sequence sequence_;
  bool of_catalog_ = false;
  // Damaged nodes that several trees share are looked through once.
  std::map<std::tuple<SegmentNo, Slot, Bytes, Bytes>, PiecesPtr> known_;
};

}  // namespace ramet::engine
