// Files of the dedupe index: manifests, run headers, and whole runs made of pages.
//
// Proves: a manifest that is accepted is written the same way; a run of whatever pages gives only
// entries of the prefix that was asked for; its scanner ends, ascends, and says how much it left
// out; memory is bounded by the file.
#include <algorithm>

#include "engine/index/index_run.h"
#include "io/env_sim.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/seal.h"

namespace ramet::fuzz {
namespace {

using namespace engine;

void look_at_manifest(ByteView bytes) {
  const auto manifest = decode_index_manifest(bytes);
  if (!manifest.ok()) return;
  RAMET_CHECK(manifest->runs.size() * sizeof(RunIdentity) +
                      manifest->forgotten.size() * sizeof(SegmentNo) <= bytes.size(),
              "lists from nowhere");
  const auto again = decode_index_manifest(encode_index_manifest(*manifest));
  RAMET_CHECK(again.ok() && *again == *manifest, "a manifest that changes when written");
}

void seal_manifest(Bytes bytes) {
  if (bytes.size() < 80) bytes.resize(80, '\0');
  store(bytes.data(), make_file_header(FileKind::kIndexRun, 72, {}));
  store(bytes.data() + 40, kIndexFileManifest);
  const auto room = static_cast<uint32_t>(bytes.size() - 80);
  const uint32_t runs = load<uint32_t>(bytes.data() + 44) % (room / 24 + 1);
  const uint32_t forgotten = load<uint32_t>(bytes.data() + 64) % ((room - runs * 24) / 4 + 1);
  store(bytes.data() + 44, runs);
  store(bytes.data() + 64, forgotten);
  const size_t length = align_up(72 + runs * 24 + forgotten * 4, 8);
  bytes.resize(std::max(bytes.size(), length + 8), '\0');
  store(bytes.data() + length, xxh3(ByteView(bytes).substr(0, length)));
  look_at_manifest(bytes);
}

void look_at_header(ByteView bytes) {
  const auto header = decode_run_header(bytes);
  if (!header.ok()) return;
  const auto again = decode_run_header(encode_run_header(*header));
  RAMET_CHECK(again.ok() && *again == *header, "a run header that changes when written");
  RAMET_CHECK(header->windows_offset() >= header->samples_offset() &&
                  header->file_bytes() > header->windows_offset() - 1,
              "regions that overlap");
}

// A run file of a few pages. Each page: a 16-bit length, a count, and the payload's beginning.
struct MadeRun {
  RunHeader header;
  Bytes file;
};

MadeRun make_run(ByteView input) {
  Fields fields(input);
  MadeRun run;
  run.header.number = 1;
  run.header.salt = 42;
  run.header.entries = 1 + fields.take<uint16_t>() % 1024;
  run.header.windows = (run.header.entries + 254) / 255;
  run.header.filter_blocks = 1 + fields.take<uint8_t>();
  run.header.filter_pages = (run.header.filter_blocks + 62) / 63;
  run.header.sample_pages = 1 + (fields.take<uint8_t>() & 1);
  run.file = encode_run_header(run.header);
  const auto pages = [&](PageKind kind, uint64_t count) {
    for (uint32_t i = 0; i < count; ++i) {
      IndexPage page;
      const auto entries = fields.take<uint16_t>();
      const ByteView payload = fields.take_bytes(fields.take<uint16_t>() % kPagePayloadBytes);
      std::copy(payload.begin(), payload.end(), page.bytes.begin());
      store(page.bytes.data() + 4080, uint32_t{entries});
      store(page.bytes.data() + 4084, i);
      const ByteView covered(page.bytes.data(), 4088);
      // Pages of kilo-entries are made, too: only the bound on the count refuses them.
      store(page.bytes.data() + 4088,
            xxh3_seeded(covered, run.header.salt + static_cast<uint32_t>(kind)));
      if (check_page(page, kind, run.header.salt, i).ok()) {
        RAMET_CHECK(page.count() <= page_capacity(kind), "a page with more than fits");
      }
      run.file.append(page.bytes.data(), page.bytes.size());
    }
  };
  pages(PageKind::kFilter, run.header.filter_pages);
  pages(PageKind::kSamples, run.header.sample_pages);
  pages(PageKind::kWindow, run.header.windows);
  return run;
}

void look_at_run(ByteView input) {
  const MadeRun made = make_run(input);
  io::SimEnv env(1);
  RAMET_CHECK(env.write_raw("/run.1", 0, made.file).ok(), "a file in memory");
  const RunIdentity identity{1, made.header.entries,
                             load<uint64_t>(made.file.data() + kIndexPageBytes - 8)};
  auto run = IndexRun::open(env, "/run.1", identity);
  RAMET_CHECK(run.ok(), "a run with a right header opens");
  RunScanner scanner(*run);
  uint64_t before = 0;
  uint64_t count = 0;
  std::vector<uint64_t> prefixes = {0, 1, UINT64_MAX};
  for (;;) {
    IndexEntry entry;
    const auto more = scanner.next(&entry);
    RAMET_CHECK(more.ok(), "scanning a file that can be read");
    if (!*more) break;
    RAMET_CHECK(entry.prefix >= before && entry.segment != 0, "a scan that goes back");
    before = entry.prefix;
    if (++count % 16 == 1) prefixes.push_back(entry.prefix);
    RAMET_CHECK(count <= made.header.windows * 255, "entries from nowhere");
  }
  RAMET_CHECK(scanner.damaged_windows() <= made.header.windows, "damage from nowhere");
  WindowCache cache(1u << 16);
  for (const uint64_t prefix : prefixes) {
    std::vector<IndexEntry> found;
    ignore_error((*run)->find(prefix, cache, &found), "damage may be found or not");
    for (const IndexEntry& entry : found) {
      RAMET_CHECK(entry.prefix == prefix && entry.segment != 0, "an entry of another prefix");
    }
  }
  RAMET_CHECK((*run)->memory_bytes() <= made.file.size(), "memory from nowhere");
}

}  // namespace

RAMET_FUZZ_TARGET(index) {
  look_at_manifest(input);
  seal_manifest(Bytes(input));
  look_at_header(input);
  Bytes header(input.substr(0, kIndexPageBytes));
  header.resize(kIndexPageBytes, '\0');
  store(header.data(), make_file_header(FileKind::kIndexRun, kIndexPageBytes, {}));
  store(header.data() + 40, kIndexFileRun);
  store(header.data() + 44, static_cast<uint32_t>(kIndexPageBytes));
  seal_tail(header);
  look_at_header(header);
  look_at_run(input.substr(0, 32u << 10));
}

}  // namespace ramet::fuzz
