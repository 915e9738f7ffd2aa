#include "tools/serve/content_source.h"

#include <algorithm>
#include <span>
#include <utility>
#include <vector>

#include <fmt/format.h>

namespace ramet::serve {
namespace {

constexpr size_t kPartBytes = 1u << 20;

using Parts = std::vector<SharedBytes>;

class ContentSource : public BodySource {
 public:
  ContentSource(Workers& workers, std::shared_ptr<const View> view, ObjectId object, uint64_t from,
                uint64_t length, VersionNumber version)
      : workers_(workers),
        view_(std::move(view)),
        object_(object),
        at_(from),
        left_(length),
        version_(version) {}

  bool at_end() const { return left_ == 0; }

  Result<Parts> read() {
    if (left_ == 0) return Parts{};
    RAMET_ASSIGN(Parts parts, view_->read_shared(object_, at_, left_, version_));
    uint64_t bytes = 0;
    for (const SharedBytes& part : parts) bytes += part.bytes.size();
    if (bytes == 0 || bytes > left_) {
      return Error(ErrorCode::kCorruption,
                   fmt::format("object {} has not the bytes from {} on that its size promises",
                               to_uuid(object_), at_));
    }
    at_ += bytes;
    left_ -= bytes;
    return parts;
  }

  Task<Result<Parts>> next() override {
    return workers_.run_quick([this] { return read(); });
  }

 private:
  Workers& workers_;
  std::shared_ptr<const View> view_;
  const ObjectId object_;
  uint64_t at_;
  uint64_t left_;
  const VersionNumber version_;
};

// Fills `into` as far as there is something.
Task<Result<size_t>> fill(Body& body, std::span<char> into) {
  size_t filled = 0;
  while (filled < into.size()) {
    auto got = co_await body.read(into.subspan(filled));
    if (!got.ok()) co_return std::move(got).error();
    if (*got == 0) break;
    filled += *got;
  }
  co_return filled;
}

}  // namespace

Status set_content(Response& response, Workers& workers, std::shared_ptr<const View> view,
                   ObjectId object, uint64_t from, uint64_t length, VersionNumber version) {
  ContentSource source(workers, std::move(view), object, from, length, version);
  RAMET_ASSIGN(response.parts, source.read());
  if (!source.at_end()) response.source = std::make_unique<ContentSource>(std::move(source));
  return ok();
}

Task<Result<BodyHead>> read_head(Body& body, size_t max) {
  BodyHead head;
  size_t filled = 0;
  // Grows with what comes: most bodies are far smaller than `max`.
  for (size_t room = std::min<size_t>(max + 1, 16u << 10); filled <= max;
       room = std::min(max + 1, room * 4)) {
    head.bytes.resize(room);
    auto got = co_await fill(body, std::span(head.bytes).subspan(filled));
    if (!got.ok()) co_return std::move(got).error();
    filled += *got;
    if (filled < room) {
      head.whole = true;
      break;
    }
  }
  head.bytes.resize(filled);
  co_return head;
}

Task<Result<uint64_t>> stream_body(Workers& workers, std::string_view head, Body& body,
                                   ContentWriter& writer, const BodyTap& tap, uint64_t max) {
  const auto append = [&](ByteView bytes) -> Status {
    if (tap) tap(bytes);
    return writer.append(bytes);
  };
  uint64_t total = head.size();
  const auto too_long = [&] {
    return Error(ErrorCode::kInvalidArgument,
                 fmt::format("the body is longer than {} bytes", max));
  };
  if (total > max) co_return too_long();
  if (!head.empty()) {
    const Status appended = co_await workers.run([&] { return append(head); });
    if (!appended.ok()) co_return appended.error();
  }
  const auto buffer = std::make_unique_for_overwrite<char[]>(kPartBytes);
  for (;;) {
    auto got = co_await fill(body, {buffer.get(), kPartBytes});
    if (!got.ok()) co_return std::move(got).error();
    const size_t filled = *got;
    total += filled;
    if (total > max) co_return too_long();
    if (filled > 0) {
      const Status appended =
          co_await workers.run([&] { return append({buffer.get(), filled}); });
      if (!appended.ok()) co_return appended.error();
    }
    if (filled < kPartBytes) co_return total;
  }
}

}  // namespace ramet::serve
