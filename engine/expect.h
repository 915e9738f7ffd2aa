// Commits that go through only if nobody else changed the container meanwhile.
#pragma once

#include "engine/transaction.h"

namespace ramet {

// A transaction merges with what others change in other places. After this call it does not: its
// commit gives kBusy unless the container is still in the state in which ContainerInfo::changed was
// `changed`, and the transaction began from that. One that changes nothing is not checked.
void expect_unchanged(Transaction& transaction, Sequence changed);

}  // namespace ramet
