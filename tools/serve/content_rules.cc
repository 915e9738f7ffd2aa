#include "tools/serve/content_rules.h"

namespace ramet::serve {
namespace {

Error denied(const char* why) { return Error(ErrorCode::kPermissionDenied, why); }

}  // namespace

Status check_may_go(const ContainerAccess& from, const ContainerAccess& to) {
  if (from.is_restricted) return denied("the source is RESTRICTED: nothing is cloned from it");
  if (from.data_access_request != to.data_access_request) {
    return denied("the source and the destination must be associated with the same data access "
                  "request");
  }
  if (from.contains_phi && !to.contains_phi) {
    return denied("the source contains PHI; the destination may not");
  }
  return ok();
}

Status check_may_leave(const ContainerAccess& from) {
  if (!from.is_download_restricted) return ok();
  return denied("downloads from this container are restricted");
}

Result<ContainerAccess> rules_of_clone(const ContainerAccess& from) {
  if (from.is_restricted) return denied("the source is RESTRICTED: nothing is cloned from it");
  ContainerAccess out;
  out.data_access_request = from.data_access_request;
  out.contains_phi = from.contains_phi;
  out.is_download_restricted = from.is_download_restricted;
  return out;
}

}  // namespace ramet::serve
