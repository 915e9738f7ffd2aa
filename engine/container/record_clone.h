// Cloning a container of records: what of the source's tree stays in the clone's.
#pragma once

#include "engine/clone.h"
#include "engine/container/records.h"
#include "engine/container/transaction_impl.h"

namespace ramet::engine {

// Leaves out of `clone`, which begins as the source's tree, what `spec` does not select and what
// clones never take along, and notes what that was. `source`: the record of what is cloned; sets
// what `record`, the clone's, says of it. Whole types cost O(log n), single records what they are
// found by, and files one look-up for each that a selected record refers to.
Status build_record_clone(TransactionImpl& clone, const CloneSpec& spec,
                          const ContainerRecord& source, ContainerRecord& record);

}  // namespace ramet::engine
