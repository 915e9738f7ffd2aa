#include "engine/index/index_page.h"

#include <fmt/format.h>

#include "engine/index/index_filter.h"
#include "format/hash.h"
#include "format/planted.h"

namespace ramet::engine {
namespace {

uint64_t check_of(const IndexPage& page, PageKind kind, uint64_t salt) {
  return xxh3_seeded({page.bytes.data(), kIndexPageBytes - sizeof(uint64_t)},
                     salt + static_cast<uint32_t>(kind));
}

}  // namespace

uint32_t page_capacity(PageKind kind) {
  switch (kind) {
    case PageKind::kWindow: return kPagePayloadBytes / sizeof(IndexEntry);
    case PageKind::kSamples: return kPagePayloadBytes / sizeof(uint64_t);
    case PageKind::kFilter: return kPagePayloadBytes / sizeof(FilterBlock);
  }
  return 0;
}

void seal_page(IndexPage& page, PageKind kind, uint64_t salt, uint32_t number, uint32_t count) {
  RAMET_CHECK(count <= page_capacity(kind), "an index page holds more than fits");
  store(page.bytes.data() + 4080, count);
  store(page.bytes.data() + 4084, number);
  store(page.bytes.data() + 4088, check_of(page, kind, salt));
}

Status check_page(const IndexPage& page, PageKind kind, uint64_t salt, uint32_t number) {
  if (page.check() != check_of(page, kind, salt)) {
    return Error(ErrorCode::kCorruption, fmt::format("page {}: checksum does not match", number));
  }
  const bool overfull = page.count() > page_capacity(kind);
  if (page.number() != number || (overfull && !planted(DecoderBug::kPageOverfull))) {
    return Error(ErrorCode::kCorruption,
                 fmt::format("page {}: says that it is page {} with {} entries", number,
                             page.number(), page.count()));
  }
  return ok();
}

}  // namespace ramet::engine
