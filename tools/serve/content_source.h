// Content on its way between connections and the engine: what every face does with bytes.
// Thread-safe as far as its arguments are.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "engine/transaction.h"
#include "engine/view.h"
#include "tools/serve/http.h"
#include "tools/serve/workers.h"

namespace ramet::serve {

// `length` bytes of an object's content from `from` on, as the body of a response. The first part
// is read before this returns, so that damage at the beginning still becomes a status; cached parts
// never leave the connection's thread. Holds the view. Memory: one part, some 1 MiB. The errors of
// View::read_shared(); kCorruption also if there is less content than `length`.
Task<Result<std::unique_ptr<BodySource>>> open_content(
    Workers& workers, std::shared_ptr<const View> view, ObjectId object, uint64_t from,
    uint64_t length, VersionNumber version = kCurrentVersion);

// Bodies up to this are kept in memory and committed at once, so that a conflict is tried again
// with the same bytes; longer ones are staged (staging.h).
inline constexpr size_t kSmallBodyBytes = 1u << 20;

// The beginning of a body: all of it (`whole`) if it is at most `max` bytes, else its first bytes,
// one more than `max` at least.
struct BodyHead {
  std::string bytes;
  bool whole = false;
};
Task<Result<BodyHead>> read_head(Body& body, size_t max);

// Sees every byte on its way, in order (a face's digests). May be empty.
using BodyTap = std::function<void(ByteView)>;

// Appends `head` and all that follows in the body to the writer, 1 MiB at a time on a worker; the
// sender waits meanwhile. Gives the bytes of both. At most `max` of them: kInvalidArgument.
Task<Result<uint64_t>> stream_body(Workers& workers, std::string_view head, Body& body,
                                   ContentWriter& writer, const BodyTap& tap = {},
                                   uint64_t max = UINT64_MAX);

}  // namespace ramet::serve
