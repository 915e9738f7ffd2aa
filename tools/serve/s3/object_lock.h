// The object lock configuration of a bucket. Pure.
#pragma once

#include <cstdint>
#include <string_view>

#include "engine/object.h"
#include "tools/serve/s3/errors.h"

namespace ramet::serve::s3 {

// What new objects get if they ask for nothing.
struct LockDefault {
  RetentionMode mode = RetentionMode::kNone;
  int64_t duration = 0;  // nanoseconds
};
// MalformedXML, InvalidArgument.
Outcome<LockDefault> parse_lock_configuration(std::string_view xml);
// <Retention><Mode/><RetainUntilDate/></Retention>; an empty one lifts a retention.
Outcome<ObjectLock> parse_retention(std::string_view xml, int64_t now);
// <LegalHold><Status>ON</Status></LegalHold>
Outcome<bool> parse_legal_hold(std::string_view xml);

}  // namespace ramet::serve::s3
