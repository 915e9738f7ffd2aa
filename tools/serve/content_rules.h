// Where the content of a container may go: what its owner set (ContainerAccess), for every face the
// same. Pure; thread-safe.
#pragma once

#include "engine/access.h"

namespace ramet::serve {

// Whether content of one container may be cloned or copied to another one. kPermissionDenied says
// why not.
Status check_may_go(const ContainerAccess& from, const ContainerAccess& to);
// Whether bytes may be handed out. kPermissionDenied.
Status check_may_leave(const ContainerAccess& from);
// What a new container that is a clone of another one has from the beginning, so that what held of
// the content goes on to hold. kPermissionDenied: it may not be cloned at all.
Result<ContainerAccess> rules_of_clone(const ContainerAccess& from);

}  // namespace ramet::serve
