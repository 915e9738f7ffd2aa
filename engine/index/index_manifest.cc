#include "engine/index/index_manifest.h"

#include <algorithm>
#include <cstring>

#include "engine/index/index_run.h"
#include "format/features.h"
#include "format/hash.h"

namespace ramet::engine {
namespace {

// What stands before the lists, as it is on disk.
struct ManifestHeader {
  FileHeader file;
  uint32_t kind = kIndexFileManifest;
  uint32_t run_count = 0;
  uint64_t generation = 0;
  uint64_t next_run = 0;
  uint32_t forgotten_count = 0;
  uint32_t reserved = 0;
};
static_assert(sizeof(ManifestHeader) == 72 && std::is_trivially_copyable_v<ManifestHeader>);

Error damaged(const char* what) { return Error(ErrorCode::kCorruption, what); }

size_t checked_bytes(const ManifestHeader& header) {
  return align_up(sizeof(ManifestHeader) + header.run_count * sizeof(RunIdentity) +
                      header.forgotten_count * sizeof(SegmentNo),
                  8);
}

Status check_lists(const IndexManifest& manifest) {
  for (const RunIdentity& run : manifest.runs) {
    if (run.number == 0 || run.number >= manifest.next_run || run.entries == 0) {
      return damaged("impossible run");
    }
  }
  for (size_t i = 0; i < manifest.forgotten.size(); ++i) {
    if (manifest.forgotten[i] == 0 ||
        (i > 0 && manifest.forgotten[i] <= manifest.forgotten[i - 1])) {
      return damaged("forgotten segments are not in order");
    }
  }
  return ok();
}

}  // namespace

Bytes encode_index_manifest(const IndexManifest& manifest) {
  RAMET_CHECK(manifest.runs.size() <= kManifestRunsMax, "more runs than a manifest holds");
  RAMET_CHECK(manifest.forgotten.size() <= kManifestForgottenMax,
              "more forgotten segments than a manifest holds");
  ManifestHeader header;
  header.file = make_file_header(FileKind::kIndexRun, sizeof(ManifestHeader), {});
  header.run_count = static_cast<uint32_t>(manifest.runs.size());
  header.generation = manifest.generation;
  header.next_run = manifest.next_run;
  header.forgotten_count = static_cast<uint32_t>(manifest.forgotten.size());
  Bytes out;
  append(out, header);
  for (const RunIdentity& run : manifest.runs) append(out, run);
  for (const SegmentNo segment : manifest.forgotten) append(out, segment);
  out.resize(checked_bytes(header), '\0');
  append(out, xxh3(out));
  return out;
}

Result<IndexManifest> decode_index_manifest(ByteView bytes) {
  if (bytes.size() < sizeof(ManifestHeader)) return damaged("index manifest is cut off");
  const auto header = load<ManifestHeader>(bytes.data());
  if (header.run_count > kManifestRunsMax || header.forgotten_count > kManifestForgottenMax) {
    return damaged("index manifest with impossible counts");
  }
  const size_t length = checked_bytes(header);
  if (bytes.size() < length + sizeof(uint64_t)) return damaged("index manifest is cut off");
  if (load<uint64_t>(bytes.data() + length) != xxh3(bytes.substr(0, length))) {
    return damaged("index manifest: checksum does not match");
  }
  RAMET_TRY(decode_file_header(bytes, FileKind::kIndexRun, sizeof(ManifestHeader)));
  if (header.kind != kIndexFileManifest) return damaged("not an index manifest");

  IndexManifest manifest;
  manifest.generation = header.generation;
  manifest.next_run = header.next_run;
  manifest.runs.resize(header.run_count);
  manifest.forgotten.resize(header.forgotten_count);
  const char* at = bytes.data() + sizeof(ManifestHeader);
  for (RunIdentity& run : manifest.runs) {
    run = load<RunIdentity>(at);
    at += sizeof(RunIdentity);
  }
  for (SegmentNo& segment : manifest.forgotten) {
    segment = load<SegmentNo>(at);
    at += sizeof(SegmentNo);
  }
  RAMET_TRY(with_context(check_lists(manifest), "index manifest"));
  return manifest;
}

const char* manifest_name(size_t slot) { return slot == 0 ? "manifest.0" : "manifest.1"; }

}  // namespace ramet::engine
