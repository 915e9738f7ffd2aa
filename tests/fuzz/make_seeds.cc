// Writes the seed corpora: small inputs of every kind that each target knows, made with the
// encoders and from tests/golden. Run it when a target or an encoder is new; what it writes is
// committed. Seeds that libFuzzer found lie beside them, named by their hash.
//
//   make_seeds TESTS_FOLDER
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "engine/access/access_records.h"
#include "engine/check/scrub_state.h"
#include "engine/check/undo.h"
#include "engine/container/checkpoint_record.h"
#include "engine/container/records.h"
#include "engine/index/index_manifest.h"
#include "engine/index/index_run.h"
#include "engine/tree/clean_node.h"
#include "format/codec.h"
#include "format/keys.h"
#include "format/node.h"
#include "format/segment_layout.h"
#include "format/superblock.h"
#include "format/values.h"
#include "tests/fuzz/seal.h"

namespace ramet::fuzz {
namespace {

namespace fs = std::filesystem;
using namespace engine;

class Writer {
 public:
  explicit Writer(fs::path tests) : tests_(std::move(tests)) {}

  void put(const char* target, const std::string& name, ByteView bytes) const {
    const fs::path folder = tests_ / "fuzz" / "corpus" / target;
    fs::create_directories(folder);
    std::ofstream(folder / name, std::ios::binary) << bytes;
  }

  Bytes golden(const std::string& name) const {
    std::ifstream file(tests_ / "golden" / "v1" / name, std::ios::binary);
    Bytes bytes{std::istreambuf_iterator<char>(file), {}};
    if (!name.ends_with(".hex")) return bytes;
    Bytes out;
    int half = -1;
    for (const char c : bytes) {
      if (c == '\n') continue;
      const int digit = c >= 'a' ? c - 'a' + 10 : c - '0';
      if (half >= 0) out.push_back(static_cast<char>(half << 4 | digit));
      half = half >= 0 ? -1 : digit;
    }
    return out;
  }

 private:
  const fs::path tests_;
};

Bytes with_front(std::initializer_list<int> front, ByteView rest) {
  Bytes out;
  for (const int byte : front) out.push_back(static_cast<char>(byte));
  return out.append(rest);
}

ObjectId object(uint8_t n) { return make_id<ObjectId>(n, {n, 2, 3}); }
FolderId folder(uint8_t n) { return make_id<FolderId>(n, {n, 2, 3}); }
ContainerId container(uint8_t n) { return make_id<ContainerId>(n, {}); }
PrincipalId principal(uint8_t n) { return make_id<PrincipalId>(n, {n}); }

Bytes text_block(size_t length) {
  Bytes out;
  for (int i = 0; out.size() < length; ++i) out += "line " + std::to_string(i) + " of a text\n";
  out.resize(length);
  return out;
}

void append_simple(Bytes& out, FrameKind kind, uint8_t flags, Slot slot, Sequence sequence,
                   ByteView payload) {
  append_frame(out, 0, kind, Codec::kNone, flags, slot, sequence, payload,
               static_cast<uint32_t>(payload.size()));
}

Bytes frames() {
  Bytes out;
  append_simple(out, FrameKind::kBlock, 0, 0, 1, "hello");
  const Bytes raw = text_block(400);
  const auto packed = compress_if_it_pays(raw);
  append_frame(out, 0, FrameKind::kBlock, Codec::kZstd, 0, 1, 1, **packed, 400);
  append_simple(out, FrameKind::kNode, 0, 2, 1, "a node");
  append_skip(out, 0, 64);
  append_simple(out, FrameKind::kSynced, kFrameLastOfGroup, kNoSlot, 7, "");
  append_simple(out, FrameKind::kCheckpoint, 0, 600, 7, "checkpoint");
  return out;
}

void frame_seeds(const Writer& to) {
  to.put("frame", "golden", to.golden("frames.hex"));
  to.put("frame", "kinds", frames());
  Bytes broken = frames();
  broken[19] |= static_cast<char>(kLeaveBroken);
  to.put("frame", "damage_in_front", broken);
  Bytes longer = frames().substr(0, 48);
  longer[18] = 48;
  to.put("frame", "header_with_extension", longer + Bytes(16, 'x'));
}

void segment_seeds(const Writer& to) {
  to.put("segment", "header", with_front({2}, to.golden("segment_header.hex").substr(0, 160)));
  to.put("segment", "golden_footer", with_front({2}, to.golden("footer.hex")));
  to.put("segment", "frames", with_front({2}, frames()));
  to.put("segment", "frames_of_commits", with_front({0}, frames()));
  Bytes broken = frames();
  broken[64 + 19] |= static_cast<char>(kLeaveBroken);
  to.put("segment", "damage_between", with_front({2}, broken));
  Footer footer;
  footer.last_sequence = 9;
  footer.slots = {SlotEntry::make(4096, 5, Codec::kNone, FrameKind::kBlock, blake3("hello")),
                  SlotEntry::gone(),
                  SlotEntry::make(4152, 100, Codec::kZstd, FrameKind::kNode, {}),
                  SlotEntry::make(4400, 9, Codec::kNone, FrameKind::kBlock, blake3("x"))};
  footer.end_offset = 8192;
  to.put("segment", "footer_payload", with_front({2}, encode_footer_payload(footer)));
  Bytes file = frames();
  footer.slots.resize(1);
  footer.end_offset = kSegmentHeaderBytes + file.size();
  append_simple(file, FrameKind::kFooter, 0, kNoSlot, 9, encode_footer_payload(footer));
  to.put("segment", "sealed", with_front({2 | 4}, file));
  to.put("segment", "sealed_and_far", with_front({2 | 4 | 0xC0}, file));
  to.put("segment", "far", with_front({2 | 0xC0 | 2 << 3}, frames()));
  to.put("segment", "name", with_front({2}, segment_file_name(0x1F, 12)));
}

void superblock_seeds(const Writer& to) {
  const Bytes golden = to.golden("superblock.hex");
  to.put("superblock", "golden", golden);
  to.put("superblock", "front", ByteView(golden).substr(0, 232));
  to.put("superblock", "segment_header", to.golden("segment_header.hex").substr(0, 120));
  to.put("superblock", "index_run", to.golden("index_run.bin").substr(0, 104));
}

Bytes leaf(size_t entries, size_t value_bytes) {
  std::vector<Bytes> keys;
  for (size_t i = 0; i < entries; ++i) keys.push_back(object_key(1, object(uint8_t(i))));
  const Bytes value(value_bytes, 'v');
  const std::vector<BlockRef> refs = {{1, 2, 3}, {4, 5, 6}};
  std::vector<LeafItem> items;
  for (size_t i = 0; i < entries; ++i) {
    items.push_back({keys[i], ByteView(value).substr(0, i % (value_bytes + 1)),
                     std::span(refs).subspan(0, i % 3)});
  }
  return *encode_leaf(items);
}

void node_seeds(const Writer& to) {
  to.put("node", "golden_leaf", to.golden("node_leaf.hex"));
  to.put("node", "golden_inner", to.golden("node_inner.hex"));
  to.put("node", "leaf", leaf(12, 20));
  const std::vector<LeafItem> one = {{"", "", {}}};
  to.put("node", "leaf_of_the_empty_key", *encode_leaf(one));
  Summary summary;
  summary[SummaryColumn::kFolders] = 3;
  const std::vector<ChildItem> children = {{"", {1, 2, 3}, 4, false, &summary},
                                           {"abc", {1, 3, 3}, 5, true, &summary},
                                           {"abd", {1, 4, 3}, 6, false, &summary}};
  to.put("node", "inner", *encode_inner(2, children));
  Bytes built = with_front({0, 3}, "pre");
  for (char c = 'a'; c < 'i'; ++c) built += Bytes{char(2), char(9), c, c, '1', '2'};
  to.put("node", "built", built);
}

void value_seeds(const Writer& to) {
  to.put("value", "dirent", encode_dirent_value({1, 0, 1, 123456}));
  Bytes root;
  RootValue value;
  value.level = 2;
  value.birth = 77;
  value.summary.columns = {1, 2, 3, 4};
  append_root_value(root, value);
  to.put("value", "root", root + "behind it");
  SegmentValue segment;
  segment.stream = 3;
  segment.state = SegmentState::kSealed;
  segment.slot_count = 100;
  to.put("value", "segment", encode_segment_value(segment));
  const std::vector<SlotEntry> slots = {
      SlotEntry::make(4096, 5, Codec::kNone, FrameKind::kBlock, blake3("hello")),
      SlotEntry::gone()};
  to.put("value", "slots", encode_slots_page(slots));
  to.put("value", "counts", encode_count_page(std::vector<CountEntry>{{1, 0, 2}, {9, 1, 0}}));
  to.put("value", "holes", encode_holes(std::vector<Hole>{{4096, 8192}, {16384, 4096}}));
  to.put("value", "uncounted", encode_uncounted_value({7, 0, 0}));
  const std::vector<Extent> extents = {{0, 100, {1, 2, 3}, 0},
                                       {100, 16384, {1, 3, 3}, 5},
                                       {1u << 20, 1u << 20, {1, 2, 3}, 1u << 20}};
  to.put("value", "extents", encode_extent_run(extents).value);
  const std::vector<Extent> last = {{5, 4096, {1, 2, 3}, kBlockBytesMax - 4096},
                                    {kContentBytesMax - 9, 9, {1, 3, 3}, kBlockBytesMax - 9}};
  to.put("value", "extents_at_the_ends", encode_extent_run(last).value);
  to.put("value", "no_extents", encode_extent_run({}).value);
}

void key_seeds(const Writer& to) {
  const ByteView name("na\0me", 5);
  to.put("key", "object", object_key(1, object(1)));
  to.put("key", "id", id_entry_key(object(1)));
  to.put("key", "alias", alias_key("outer"));
  to.put("key", "extent", extent_key(1, object(1), 0, 4096));
  to.put("key", "dirent", dirent_key(folder(1), name, object(2)));
  to.put("key", "folder", folder_key(folder(1)));
  to.put("key", "version", version_key(1, object(1), 3));
  to.put("key", "history", history_extent_key(1, object(1), 3, 0, 4096));
  to.put("key", "access", access_key(1, object(1)));
  to.put("key", "linked_by", linked_by_key(object(1), folder(2), name));
  to.put("key", "audit", audit_key(9));
  to.put("key", "field", field_key(1, "field", name, object(1)));
  to.put("key", "expiry", expiry_key(5, object(1)));
  to.put("key", "orphan", orphan_key(object(1)));
  to.put("key", "change", change_key(9));
  to.put("key", "container", container_key(container(1)));
  to.put("key", "container_name", container_name_key("c"));
  to.put("key", "snapshot", snapshot_key(container(1), "s"));
  to.put("key", "expires", expires_key(5, container(1), "s"));
  to.put("key", "drop", drop_key(5));
  to.put("key", "type", type_key(5));
  to.put("key", "token", token_key(blake3("t")));
  to.put("key", "setting", setting_key("keep"));
  to.put("key", "principal_name", principal_name_key("alice"));
  to.put("key", "key_pair", key_pair_key("RMTK234567ABCDEFGHIJ"));
  to.put("key", "grant", grant_key(container(1), principal(2)));
  to.put("key", "container_access", container_access_key(container(1)));
  to.put("key", "of_principal",
         of_principal_key(principal(2), OfPrincipal::kGrant, container(1).view()));
  to.put("key", "audit_log", audit_log_key(9));
  to.put("key", "segment", segment_key(5));
  to.put("key", "slots", slots_key(5, 1));
  to.put("key", "holes", holes_key(5));
  to.put("key", "uncounted", uncounted_key(5, 6));
}

void codec_seeds(const Writer& to) {
  const Bytes raw = text_block(3000);
  const auto packed = compress_if_it_pays(raw);
  const Bytes length = {static_cast<char>(0xB8), 0x0B, 0, 0};  // 3000
  to.put("codec", "zstd", with_front({1}, length + **packed));
  to.put("codec", "zstd_twice", with_front({1}, length + **packed + **packed));
  to.put("codec", "text", with_front({0x40}, length + raw));
  to.put("codec", "noise", with_front({0}, length + to.golden("frames.hex")));
}

std::vector<CommitRecord> commits() {
  std::vector<CommitRecord> out;
  const Bytes first = container_key(container(1));
  const Bytes object_one = object_key(1, object(1));
  WrittenRoot root;
  root.ref = {7, 0, 1};
  root.birth = 1;
  root.summary.columns = {1, 2};
  for (Sequence n = 1; n <= 3; ++n) {
    CommitRecord record;
    record.sequence = n;
    record.epoch = kFuzzEpoch;
    record.time = 1000;
    record.synced_through = n - 1;
    record.leans_on = {{3, static_cast<Slot>(n)}};
    out.push_back(record);
  }
  out[0].trees = {{first, {Operation::put(object_one, "value", {{1, 2, 3}}),
                           Operation::erase(object_key(1, object(2)))}}};
  out[1].trees = {{{}, {Operation::put_rooted(container_key(container(3)), "third", first),
                        Operation::put_rooted(container_key(container(4)), "fourth", {}),
                        Operation::erase(snapshot_key(container(1), "s"))}},
                  {first, {Operation::erase_range(object_one, {})}}};
  Operation keep = Operation::erase_range(object_one, object_key(1, object(9)));
  keep.kind = OperationKind::kKeepRange;
  out[2].trees = {{first, {keep, Operation::erase_range({}, {}), Operation::graft({}, {}, root)}}};
  return out;
}

void commit_seeds(const Writer& to) {
  const char* names[] = {"put_and_erase", "clone_and_erase_range", "keep_and_graft"};
  const auto all = commits();
  for (size_t i = 0; i < all.size(); ++i) to.put("commit", names[i], encode_commit(all[i]));
}

void log_seeds(const Writer& to) {
  const auto all = commits();
  const auto group = [](Bytes& out, ByteView payload, Sequence sequence) {
    append_simple(out, FrameKind::kBlock, 0, static_cast<Slot>(sequence - 1), sequence, "block");
    append_simple(out, FrameKind::kCommit, kFrameLastOfCommit | kFrameLastOfGroup, kNoSlot,
                  sequence, payload);
    append_skip(out, 0, align_up(out.size(), kGroupBytes) - out.size());
  };
  Bytes plain;
  for (const CommitRecord& record : all) group(plain, encode_commit(record), record.sequence);
  to.put("log", "three_groups", with_front({0, 0, 0}, plain));
  to.put("log", "three_groups_of_four_known", with_front({4 << 3, 0, 0}, plain));
  Bytes synced = plain;
  append_simple(synced, FrameKind::kSynced, kFrameLastOfGroup, kNoSlot, 3, "");
  to.put("log", "synced", with_front({0, 0, 0}, synced));
  Bytes torn = plain;
  torn[kGroupBytes + 19] |= static_cast<char>(kLeaveBroken);
  to.put("log", "damaged_group", with_front({0, 0, 0}, torn));

  Bytes two;
  group(two, encode_commit(all[0]), 1);
  Footer footer;
  footer.next_segment = 3;
  footer.end_offset = kSegmentHeaderBytes + two.size();
  footer.last_sequence = 1;
  append_simple(two, FrameKind::kFooter, 0, kNoSlot, 1, encode_footer_payload(footer));
  two.resize(kGroupBytes + 512, '\0');
  Bytes second;
  group(second, encode_commit(all[1]), 2);
  to.put("log", "two_segments", with_front({1, 9, 0}, two + second));
  Bytes joined;  // a commit in two frames
  const Bytes payload = encode_commit(all[1]);
  append_simple(joined, FrameKind::kCommit, 0, kNoSlot, 1, ByteView(payload).substr(0, 64));
  append_simple(joined, FrameKind::kCommit, kFrameLastOfCommit | kFrameLastOfGroup, kNoSlot, 1,
                ByteView(payload).substr(64));
  to.put("log", "commit_of_two_frames", with_front({0, 0, 0}, joined));
}

void index_seeds(const Writer& to) {
  to.put("index", "golden_manifest", to.golden("index_manifest.bin"));
  to.put("index", "run_header", to.golden("index_run.bin").substr(0, 104));
  // Two windows with their samples and a filter that lets all through.
  Bytes run;
  append(run, uint16_t{299});
  run.push_back(1);
  run.push_back(0);
  append(run, uint16_t{2});  // filter
  append(run, uint16_t{128});
  run += Bytes(128, '\xFF');
  append(run, uint16_t{2});  // samples
  append(run, uint16_t{16});
  append(run, uint64_t{5});
  append(run, uint64_t{500});
  for (const uint64_t base : {5, 500}) {
    append(run, uint16_t{10});
    append(run, uint16_t{160});
    for (uint32_t i = 0; i < 10; ++i) append(run, IndexEntry{base + i / 2, 1, i});
  }
  to.put("index", "run", run);
}

void access_seeds(const Writer& to) {
  Principal user;
  user.name = "alice";
  user.title = "Alice A.";
  user.email = "alice@example.org";
  user.super_admin = true;
  user.groups = {{principal(2), true}, {principal(3), false}};
  to.put("record", "principal", encode_principal(user));
  Token token;
  token.name = "laptop";
  token.principal = principal(1);
  token.scope = {AccessLevel::kUpload, {container(1), container(2)}, false};
  token.expires = 99;
  to.put("record", "token", encode_token(token));
  AccessKey pair;
  pair.secret = "a secret";
  pair.name = "backup";
  pair.principal = principal(1);
  to.put("record", "key_pair", encode_key_pair(pair));
  to.put("record", "grant", encode_grant(AccessLevel::kContribute));
  to.put("record", "container_access", encode_container_access({true, true, "eu", "alice"}));
  AuditEntry entry;
  entry.time = 5;
  entry.principal = "alice";
  entry.action = "grant.set";
  entry.target = "prod";
  entry.detail = "view";
  entry.from = "::1";
  to.put("record", "audit_entry", encode_audit_entry(entry));
}

void record_seeds(const Writer& to) {
  ContainerRecord record;
  record.name = "prod";
  record.created = 1;
  record.lineage = LineageInfo{container(1), "source", "snapshot", 4};
  record.note = "a note";
  record.settings = {{"compression", "zstd"}, {"keep", "last:3"}};
  record.expires = 99;
  to.put("record", "container", encode_container(record));
  to.put("record", "snapshot", encode_snapshot({1, 2, "note", 3, true}));
  to.put("record", "drop", encode_drop({container(1), "prod", "s", 5, "record"}));
  to.put("record", "setting", encode_setting("zstd:3"));
  access_seeds(to);
  CheckpointRecord checkpoint;
  checkpoint.sequence = 5;
  checkpoint.catalog.ref = {7, 8, 9};
  checkpoint.catalog.summary.columns = {1, 2, 3};
  checkpoint.open_segments = {4, 5};
  to.put("record", "checkpoint", encode_checkpoint(checkpoint));

  ObjectRecord object_record;
  object_record.info.name = "name";
  object_record.info.folder = folder(1);
  object_record.info.size = 300;
  object_record.info.attributes.xattrs = {{"user.a", "1"}, {"user.b", "22"}};
  to.put("record", "object_empty", encode_object(object_record).value);
  object_record.form = ContentForm::kOneBlock;
  object_record.extents = {{0, 300, {4, 5, 6}, 0}};
  to.put("record", "object_of_one_block", encode_object(object_record).value);
  object_record.form = ContentForm::kInline;
  object_record.extents = {{0, 100, {4, 5, 6}, 0}, {200, 100, {4, 5, 6}, 3}};
  object_record.info.content_id = blake3("x");
  to.put("record", "object_inline", encode_object(object_record).value);
  object_record.form = ContentForm::kExtents;
  object_record.info.standing = {ObjectState::kOpen, true, CloneRule::kCopiedWhileOpen,
                                 Archival::kArchiving, true, {{object(7), {}}}, "a/title"};
  object_record.info.target = "target";
  to.put("record", "object_of_entries", encode_object(object_record).value);
  object_record.info.standing.links = {{object(7), {}, true}};
  object_record.info.documents = {{"content.part-table", 3000, {4, 5, 6}},
                                  {"details", 70'000, {4, 5, 6}}};
  to.put("record", "object_with_documents", encode_object(object_record).value);
  to.put("record", "type", encode_type({2, "record"}));
  FolderInfo info;
  info.parent = folder(2);
  info.name = "folder";
  info.attributes.xattrs = {{"user.a", "1"}};
  to.put("record", "folder", encode_folder(info));
}

void text_seeds(const Writer& to) {
  to.put("text", "path", "prod@nightly:/a/b/");
  to.put("text", "path_odd", "c:a//./b/.");
  to.put("text", "path_up", "c:/a/../b");
  to.put("text", "duration", "36500d");
  to.put("text", "bytes", "10GiB");
  to.put("text", "retention", "last:3,hourly:24,daily:7,weekly:4,monthly:12");
  to.put("text", "setting", "keep=last:1,daily:2");
  to.put("text", "compression", "zstd:19");
  to.put("text", "uuid", to_uuid(object(3)));
  to.put("text", "base62", to_base62(object(3)));
  Bytes times = with_front({1, 2, 3, 4, 5}, "");
  for (const int64_t time : {INT64_MIN, int64_t{-1}, int64_t{0}, int64_t{1} << 60, INT64_MAX}) {
    append(times, time);
    times.push_back(1);
  }
  to.put("text", "times", times);
}

}  // namespace

void state_seeds(const Writer& to) {
  ScrubState state;
  to.put("state", "scrub_none", encode_scrub_state(state));
  ScrubPass& pass = state.status.current.emplace();
  pass.number = 2;
  pass.bytes_total = 1 << 20;
  ScrubFinding& found = pass.findings.emplace_back();
  found.finding.kind = &finding_kind("block-damaged");
  found.finding.container = "prod";
  found.finding.path = "/a/b";
  found.finding.slot = 3;
  found.finding.id = IdBytes{};
  found.finding.message = "its block cannot be read";
  state.status.last = pass;
  to.put("state", "scrub_findings", encode_scrub_state(state));
  to.put("state", "scrub_golden", to.golden("scrub_state.hex"));
  UndoRecord undo;
  to.put("state", "undo_none", encode_undo(undo));
  undo.epoch = 7;
  undo.sequence = 123;
  undo.had_superblock[0] = true;
  undo.superblock_hash[0] = 0x1234;
  undo.segment_files = {"00000001.0", "00000002.3"};
  to.put("state", "undo_files", encode_undo(undo));
}

void write_all(const char* tests) {
  const Writer to{fs::path(tests)};
  frame_seeds(to);
  segment_seeds(to);
  superblock_seeds(to);
  node_seeds(to);
  value_seeds(to);
  key_seeds(to);
  codec_seeds(to);
  commit_seeds(to);
  log_seeds(to);
  index_seeds(to);
  record_seeds(to);
  text_seeds(to);
  state_seeds(to);
}

}  // namespace ramet::fuzz

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fprintf(stderr, "usage: make_seeds TESTS_FOLDER\n");
    return 2;
  }
  ramet::fuzz::write_all(argv[1]);
  return 0;
}
