#include "tests/sim/damage_matrix.h"

#include <gtest/gtest.h>

#include <fmt/format.h>

#include "engine/store_impl.h"
#include "format/superblock.h"

namespace ramet::sim {

Checked check(const std::shared_ptr<io::Env>& env, bool data) {
  Checked out;
  FsckOptions options;
  options.env = env;
  options.data = data;
  options.threads = 2;
  const auto done = fsck("/store", options, [&](const Finding& finding) {
    out.findings.push_back(finding);
    out.codes.emplace(finding.kind->code);
    out.text += fmt::format("{} {}@{}:{} segment {} at {}: {}\n", finding.kind->code,
                            finding.container, finding.snapshot, finding.path, finding.segment,
                            finding.offset, finding.message);
  });
  EXPECT_TRUE(done.ok()) << done.error().to_string();
  if (done.ok()) out.report = *done;
  return out;
}

Files files_of(io::SimEnv& env) {
  Files out;
  for (const char* directory : {"/store", "/store/segments", "/store/index"}) {
    const auto names = env.list(directory);
    if (!names.ok()) continue;
    for (const std::string& name : *names) {
      const std::string path = std::string(directory) + "/" + name;
      auto bytes = env.read_raw(path);
      if (bytes.ok() && name != "lock") out[path] = std::move(*bytes);
    }
  }
  return out;
}

std::shared_ptr<io::SimEnv> disk_with(const Files& files) {
  auto env = std::make_shared<io::SimEnv>(1);
  for (const char* directory : {"/store", "/store/segments", "/store/index"}) {
    EXPECT_TRUE(env->create_directory(directory).ok());
  }
  for (const auto& [path, bytes] : files) {
    auto file = env->open(path, io::OpenMode::kCreateExclusive);
    EXPECT_TRUE(file.ok());
    if (!file.ok() || bytes.empty()) continue;
    EXPECT_TRUE((*file)->write(0, bytes).ok());
    EXPECT_TRUE((*file)->sync_data().ok());
  }
  for (const char* directory : {"/store/segments", "/store/index", "/store", "/"}) {
    EXPECT_TRUE(env->sync_directory(directory).ok());
  }
  return env;
}

namespace {

void read_folder(const View& view, const std::string& at, const FolderId& folder,
                 std::map<std::string, std::string>& out) {
  std::vector<Entry> entries;
  const Status listed = view.list(folder, {}, [&](const Entry& entry) {
    entries.push_back(entry);
    return true;
  });
  if (!listed.ok()) out[at + "/*"] = "!" + std::string(error_code_name(listed.error().code()));
  for (const Entry& entry : entries) {
    const std::string path = at + "/" + entry.name;
    if (entry.is_folder()) {
      out[path + "/"] = "";
      read_folder(view, path, entry.folder, out);
      continue;
    }
    const auto info = view.object(entry.object);
    if (!info.ok()) {
      out[path] = "!" + std::string(error_code_name(info.error().code()));
      continue;
    }
    std::string bytes(info->size, '\0');
    const auto read = view.read(entry.object, 0, bytes);
    out[path] = !read.ok() ? "!" + std::string(error_code_name(read.error().code()))
                           : info->target.empty() ? bytes
                                                  : "-> " + info->target;
  }
}

}  // namespace

std::map<std::string, std::string> contents_of(Store& store) {
  std::map<std::string, std::string> out;
  std::vector<ContainerInfo> containers;
  EXPECT_TRUE(store.containers({}, [&](const ContainerInfo& container) {
    containers.push_back(container);
    return true;
  }).ok());
  for (const ContainerInfo& container : containers) {
    const auto view = store.view(container.id);
    if (!view.ok()) {
      out[container.name + ":"] = "!" + std::string(error_code_name(view.error().code()));
      continue;
    }
    read_folder(**view, container.name + ":", kRootFolder, out);
    std::vector<SnapshotInfo> snapshots;
    const Status listed = store.snapshots(container.id, [&](const SnapshotInfo& snapshot) {
      snapshots.push_back(snapshot);
      return true;
    });
    if (!listed.ok()) continue;
    for (const SnapshotInfo& snapshot : snapshots) {
      const auto old = store.view(container.id, snapshot.name);
      const std::string name = container.name + "@" + snapshot.name + ":";
      if (old.ok()) {
        read_folder(**old, name, kRootFolder, out);
      } else {
        out[name] = "!" + std::string(error_code_name(old.error().code()));
      }
    }
  }
  return out;
}

DamageMatrix::DamageMatrix() {
  Machine machine(77);
  for (int i = 0; i < 60; ++i) EXPECT_TRUE(machine.step().ok());
  EXPECT_TRUE(machine.store->close().ok());
  old_ = files_of(*machine.env);
  machine.open();
  const ContainerId id = machine.store->create_container("large")->id;
  auto transaction = std::move(*machine.store->begin(id));
  std::string part(64 << 10, '\0');
  for (int file = 0; file < 3; ++file) {
    auto writer = std::move(*transaction->write_content());
    for (char& byte : part) byte = static_cast<char>(machine.random());
    EXPECT_TRUE(writer->append(part).ok());
    EXPECT_TRUE(transaction
                    ->put_object(kRootFolder, "f" + std::to_string(file), Attributes{},
                                 std::move(writer))
                    .ok());
  }
  EXPECT_TRUE(transaction->commit().ok());
  transaction.reset();
  for (int i = 0; i < 10; ++i) EXPECT_TRUE(machine.step().ok());
  find_places(machine);
  EXPECT_TRUE(machine.store->close().ok());
  machine.open();
  find_places(machine);
  EXPECT_TRUE(machine.store->close().ok());
  new_ = files_of(*machine.env);
  std::erase_if(places_, [&](const Place& place) { return !new_.contains(place.file); });
}

void DamageMatrix::add(const std::string& structure, const std::string& file, uint64_t from,
                       uint64_t to) {
  if (seen_[structure] >= 2 || from >= to) return;
  ++seen_[structure];
  places_.push_back({structure, file, from, to});
}

// Two of each kind; a live one of what can be dead.
void DamageMatrix::find_places(Machine& machine) {
  auto& store = static_cast<engine::StoreImpl&>(*machine.store);
  engine::BlockStore& blocks = store.blocks();
  for (const char* name : kSuperblockFileNames) {
    add("superblock", std::string("/store/") + name, 0, kSuperblockBytes);
  }
  for (SegmentNo number = 1; number < blocks.next_segment(); ++number) {
    const auto found = blocks.segment(number);
    if (!found.ok()) continue;
    const engine::Segment& segment = **found;
    const std::string file = segment.file().path();
    const Stream stream = segment.identity().stream;
    const std::string of = stream == Stream::kCommit ? "commit "
                           : stream == Stream::kNode ? "node "
                           : stream == Stream::kData ? "data "
                                                     : "map ";
    if (!segment.closed()) continue;
    add(of + "header", file, 0, kSegmentHeaderBytes);
    if (stream == Stream::kMap) {
      add(of + "frames", file, kSegmentHeaderBytes, *segment.file().size());
      continue;
    }
    const auto table = segment.slots(0, segment.slot_count());
    for (const SlotEntry& slot : table) {
      if (slot.is_gone()) continue;
      add(of + "frame header", file, slot.offset(), slot.offset() + kFrameHeaderBytes);
      add(of + "payload", file, slot.offset() + kFrameHeaderBytes,
          slot.offset() + kFrameHeaderBytes + slot.stored_len());
    }
    if (segment.sealed()) {
      add(of + "footer", file, segment.footer_offset(), *segment.file().size());
      add(of + "trailer", file, *segment.file().size() - 32, *segment.file().size());
    }
  }
  const std::vector<std::string> names = *machine.env->list("/store/index");
  for (const std::string& name : names) {
    const std::string file = "/store/index/" + name;
    add("index " + name.substr(0, name.find('.')), file, 0, machine.env->read_raw(file)->size());
  }
}

void DamageMatrix::each_damage(
    const std::function<void(const Place&, const std::string&, const Files&)>& all) const {
  const uint64_t each = from_environment("RAMET_MATRIX_STEP", 1);
  uint64_t number = 0;
  const auto visit = [&](const Place& place, const std::string& how, const Files& files) {
    if (number++ % each == 0) all(place, how, files);
  };
  for (const Place& place : places_) {
    const Bytes& bytes = new_.at(place.file);
    const uint64_t to = std::min<uint64_t>(place.to, bytes.size());
    const uint64_t step = std::max<uint64_t>(1, (to - place.from) / 5);
    for (uint64_t at = place.from; at < to; at += step) {
      auto files = new_;
      files[place.file][at] = static_cast<char>(bytes[at] ^ (1 << (at % 8)));
      visit(place, "bit flip", files);
    }
    {
      auto files = new_;
      Bytes& zeroed = files[place.file];
      for (uint64_t at = place.from; at < std::min(to, place.from + 4096); ++at) zeroed[at] = '\0';
      if (zeroed != bytes) visit(place, "zeroed", files);
    }
    {
      auto files = new_;
      files[place.file].resize(place.from + (to - place.from) / 2);
      visit(place, "truncated", files);
    }
    for (const auto& [other, content] : new_) {
      const bool kind = other.substr(0, 10) == place.file.substr(0, 10);
      if (other == place.file || !kind || content == bytes) continue;
      if (other.find("ballast") != std::string::npos) continue;
      // (Two superblocks, or manifests, in each other's place say the same.)
      if (place.structure == "superblock" || place.structure == "index manifest") break;
      auto files = new_;
      std::swap(files[place.file], files[other]);
      visit(place, "swapped", files);
      break;
    }
    const auto old = old_.find(place.file);
    if (old != old_.end() && old->second != bytes) {
      auto files = new_;
      files[place.file] = old->second;
      visit(place, "stale", files);
    }
  }
}

}  // namespace ramet::sim
