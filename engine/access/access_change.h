// AccessChange: the operations on the catalog that one change of access control consists of. What
// leads to an entry from elsewhere (names, what belongs to a principal) is derived from the entry
// itself in one place, here, for writing as for checking.
#pragma once

#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "engine/access.h"
#include "engine/container/commit_queue.h"
#include "engine/container/operations.h"
#include "format/keys.h"

namespace ramet::engine {

// True for the spaces of access control.
bool is_access_space(CatalogSpace space);

// Entries, with their values, that lead to this one; empty for those to which none does.
// kCorruption if the key or value is malformed. Pure.
using LeadingEntries = std::set<std::pair<Bytes, Bytes>>;
Result<LeadingEntries> entries_leading_to(ByteView key, ByteView value);

// Texts of the audit log, cut to what it takes; never inside a character.
AuditEntry cut_to_fit(AuditEntry entry);

// Appends what removes all that is granted on a container and set beside it.
Status append_access_removal(TreeContext& context, const Root& catalog, ContainerId container,
                             std::vector<Operation>& operations);

// Lives as long as the `prepare` of a commit. Not thread-safe. Each entry is put or erased at most
// once.
class AccessChange {
 public:
  // `now`: of the audit log's entries.
  AccessChange(TreeContext& context, const HeadState& head, int64_t now)
      : context_(context), head_(head), now_(now) {}

  const Root& catalog() const { return head_.catalog; }

  // Puts or erases an entry with all that leads to it.
  Status put(const Bytes& key, Bytes value);
  Status erase(const Bytes& key);
  // The audit log's entries before `end`.
  void erase_log(uint64_t end);
  // Adds to the audit log, as done by whom AuditScope names.
  void log(std::string action, std::string target, std::string detail = {});
  void log(AuditEntry entry);

  // Nothing if no entry was put, erased or logged.
  std::vector<Operation> take() { return std::move(operations_); }

 private:
  Status replace(const Bytes& key, std::optional<Bytes> value);

  TreeContext& context_;
  const HeadState& head_;
  const int64_t now_;
  uint64_t logged_ = 0;
  std::vector<Operation> operations_;
};

}  // namespace ramet::engine
