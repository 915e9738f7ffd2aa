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

// Makes `length` bytes of an object's content from `from` on the body of the response (whose
// `length` is the caller's, who says it for HEAD, too). The first
// part is read at once, so that damage at the beginning still becomes a status: to be called where
// waiting for the disk is right, or in a NoWaitScope (kWouldWait). The rest is read while it is
// sent; what is cached never leaves the connection's thread. Holds the view until all is read.
// Memory: one part, some 1 MiB. The errors of View::read_shared(); kCorruption also if there is
// less content than `length`.
Status set_content(Response& response, Workers& workers, std::shared_ptr<const View> view,
                   ObjectId object, uint64_t from, uint64_t length,
                   VersionNumber version = kCurrentVersion);

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
