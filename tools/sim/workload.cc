#include "tools/sim/workload.h"

#include <algorithm>
#include <cstdlib>
#include <future>
#include <iterator>
#include <set>
#include <vector>

namespace ramet::sim {
namespace {

constexpr size_t kContainersMax = 6;
constexpr uint64_t kSizes[] = {0, 10, 300, 1500, 6000, 30000};
// Contents come from a small set of seeds, so that blocks are found again.
constexpr uint64_t kContentSeeds = 12;

std::string parent_of(const std::string& path) {
  const size_t end = path.back() == '/' ? path.size() - 1 : path.size();
  return path.substr(0, path.rfind('/', end - 1) + 1);
}

std::string name_of(const std::string& path) {
  const std::string trimmed = path.back() == '/' ? path.substr(0, path.size() - 1) : path;
  return trimmed.substr(trimmed.rfind('/') + 1);
}

bool starts_with(const std::string& text, const std::string& beginning) {
  return text.compare(0, beginning.size(), beginning) == 0;
}

void erase_below(PathMap& paths, const std::string& path) {
  if (path.back() != '/') {
    paths.erase(path);
    return;
  }
  auto it = paths.lower_bound(path);
  while (it != paths.end() && starts_with(it->first, path)) it = paths.erase(it);
}

bool have_no_object_in_common(const PathMap& a, const PathMap& b) {
  std::set<uint64_t> objects;
  for (const auto& [path, entry] : a) {
    if (path.back() != '/') objects.insert(entry.object);
  }
  return std::none_of(b.begin(), b.end(), [&](const auto& there) {
    return there.first.back() != '/' && objects.contains(there.second.object);
  });
}

// What lies at or below a path, with another beginning.
PathMap moved(const PathMap& paths, const std::string& from, const std::string& to) {
  PathMap out;
  for (auto it = paths.lower_bound(from); it != paths.end(); ++it) {
    if (!starts_with(it->first, from)) break;
    if (from.back() != '/' && it->first != from) continue;
    out[to + it->first.substr(from.size())] = it->second;
  }
  return out;
}

// All names of an object see what one of them does to it.
void put_entry(PathMap& paths, const std::string& path, ModelEntry entry) {
  const auto there = paths.find(path);
  if (there == paths.end()) {
    paths[path] = std::move(entry);
    return;
  }
  entry.object = there->second.object;
  for (auto& [name, other] : paths) {
    if (name.back() != '/' && other.object == entry.object) other = entry;
  }
}

Attributes attributes_of(const ModelEntry& entry) {
  Attributes attributes;
  attributes.mode = entry.mode;
  attributes.modified = entry.modified;
  return attributes;
}

Status put_in(Transaction& transaction, const std::string& path, const ModelEntry& entry) {
  RAMET_ASSIGN(const Entry folder, transaction.lookup(parent_of(path)));
  RAMET_ASSIGN(auto writer, transaction.write_content());
  RAMET_TRY(writer->append(entry.content));
  RAMET_TRY(transaction.put_object(folder.folder, name_of(path), attributes_of(entry),
                                   std::move(writer)));
  return ok();
}

// Runs a change of one container as one transaction.
template <typename Change>
Status change(Store* store, const std::string& container, const Change& change_it) {
  if (store == nullptr) return ok();
  RAMET_ASSIGN(const ContainerInfo info, store->container(container));
  RAMET_ASSIGN(auto transaction, store->begin(info.id));
  RAMET_TRY(change_it(*transaction));
  // As servers do it, every third time.
  if (info.changed % 3 == 0) {
    std::promise<Result<Sequence>> committed;
    store->commit_async(std::move(transaction), [&committed](Result<Sequence> done) {
      committed.set_value(std::move(done));
    });
    RAMET_TRY(committed.get_future().get());
    return ok();
  }
  RAMET_TRY(transaction->commit());
  return ok();
}

}  // namespace

uint64_t from_environment(const char* name, uint64_t otherwise) {
  const char* value = std::getenv(name);
  return value == nullptr ? otherwise : std::strtoull(value, nullptr, 10);
}

StoreOptions tiny_options(std::shared_ptr<io::Env> env) {
  StoreOptions options;
  options.env = std::move(env);
  options.background = false;
  options.node_bytes = 512;
  options.node_cache_bytes = 64 << 10;
  options.block_cache_bytes = 0;  // so that tests see the disk
  options.dirty_bytes_max = 24 << 10;
  options.replay_bytes_max = 160 << 10;
  options.transaction_bytes_max = 2 << 10;
  options.long_content_bytes = 200;
  options.commit_segment_bytes = 64 << 10;
  options.node_segment_bytes = 32 << 10;
  options.data_segment_bytes = 48 << 10;
  options.map_segment_bytes = 48 << 10;
  options.write_piece_bytes = 4 << 10;
  options.drop_grace = 0;
  options.ballast_bytes = 192 << 10;  // room for one checkpoint and some commits
  options.index_bytes = 1 << 20;
  options.inline_block_bytes = 2 << 10;
  options.graft_entries_min = 1;
  options.chunk_average = 1024;
  options.open_segments_max = 4;
  options.slot_table_bytes = 4 << 10;  // so that most are without names
  return options;
}

void Workload::forget_path(const std::string& container, const std::string& path) {
  erase_below(model_[container].paths, path);
}

const std::string& Workload::any_container() {
  auto it = model_.begin();
  std::advance(it, static_cast<long>(pick(model_.size())));
  return it->first;
}

std::string Workload::new_name(const char* prefix) { return prefix + std::to_string(next_++); }

std::string Workload::any_folder(const PathMap& paths) {
  std::vector<std::string> folders{"/"};
  for (const auto& [path, entry] : paths) {
    if (path.back() == '/') folders.push_back(path);
  }
  return folders[pick(folders.size())];
}

std::string Workload::any_path(const PathMap& paths) {
  if (paths.empty()) return {};
  auto it = paths.begin();
  std::advance(it, static_cast<long>(pick(paths.size())));
  return it->first;
}

std::string Workload::any_file(const PathMap& paths) {
  std::vector<std::string> files;
  for (const auto& [path, entry] : paths) {
    if (path.back() != '/' && entry.target.empty()) files.push_back(path);
  }
  return files.empty() ? std::string() : files[pick(files.size())];
}

// The head (empty `snapshot`) or any snapshot of a container.
const PathMap* Workload::any_version(const std::string& container, std::string& snapshot) {
  const ModelContainer& entry = model_[container];
  if (entry.snapshots.empty() || pick(2) == 0) return &entry.paths;
  auto it = entry.snapshots.begin();
  std::advance(it, static_cast<long>(pick(entry.snapshots.size())));
  snapshot = it->first;
  return &it->second;
}

std::string Workload::content() {
  const uint64_t size = kSizes[pick(std::size(kSizes))];
  const uint64_t seed = pick(kContentSeeds);
  std::mt19937_64 bytes(seed);
  const uint64_t mask = seed % 2 == 0 ? 0xFF : 0x03;  // every other one is worth compressing
  std::string out(size, '\0');
  for (char& c : out) c = static_cast<char>(bytes() & mask);
  return out;
}

ModelEntry Workload::new_file() {
  ModelEntry entry;
  entry.content = content();
  entry.mode = static_cast<uint32_t>(0100600 | pick(0200));
  entry.modified = static_cast<int64_t>(1 + pick(1'000'000'000));
  entry.object = next_++;
  return entry;
}

// Names of one object among them stay names of one object, but of a new one.
PathMap Workload::with_new_objects(PathMap paths) {
  std::map<uint64_t, uint64_t> objects;
  for (auto& [path, entry] : paths) {
    if (path.back() == '/') continue;
    const auto [it, added] = objects.try_emplace(entry.object, 0);
    if (added) it->second = next_++;
    entry.object = it->second;
  }
  return paths;
}

Status Workload::step(Store* store, uint64_t seed) {
  random_.seed(seed);
  return step(store);
}

Status Workload::step(Store* store) {
  if (model_.empty()) return create(store);
  using Step = Status (Workload::*)(Store*);
  struct Choice {
    uint64_t below;
    Step step;
  };
  static constexpr Choice kChoices[] = {
      {19, &Workload::put},            {23, &Workload::append},
      {25, &Workload::rollback},       {28, &Workload::undelete},
      {36, &Workload::put_many},       {40, &Workload::put_link},
      {42, &Workload::put_symlink},    {45, &Workload::set_attributes},
      {53, &Workload::remove},         {58, &Workload::make_folder},
      {63, &Workload::rename},         {66, &Workload::replace},
      {68, &Workload::rename_container}, {74, &Workload::snapshot},
      {77, &Workload::drop_snapshot},  {86, &Workload::clone},
      {91, &Workload::clone_part},     {94, &Workload::drop},
      {98, &Workload::checkpoint},     {100, &Workload::create}};
  const uint64_t kind = pick(100);
  for (const Choice& choice : kChoices) {
    if (kind < choice.below) return (this->*choice.step)(store);
  }
  return ok();
}

Status Workload::create(Store* store) {
  if (model_.size() >= kContainersMax) return drop(store);
  const std::string name = new_name("c");
  last_ = "create " + name;
  model_[name];
  if (store == nullptr) return ok();
  RAMET_TRY(store->create_container(name));
  return ok();
}

Status Workload::put(Store* store) {
  const std::string container = any_container();
  PathMap& paths = model_[container].paths;
  std::string path = any_path(paths);
  if (path.empty() || path.back() == '/' || pick(3) != 0) {
    path = any_folder(paths) + new_name("f");
  }
  const ModelEntry entry = new_file();
  last_ = "put " + container + ":" + path + " (" + std::to_string(entry.content.size()) + ")";
  put_entry(paths, path, entry);
  return change(store, container,
                [&](Transaction& transaction) { return put_in(transaction, path, entry); });
}

// The same file, longer: all but its last blocks are found again.
Status Workload::append(Store* store) {
  const std::string container = any_container();
  PathMap& paths = model_[container].paths;
  const std::string path = any_file(paths);
  if (path.empty()) return put(store);
  ModelEntry entry = paths[path];
  entry.content += content();
  last_ = "append " + container + ":" + path + " to " + std::to_string(entry.content.size());
  put_entry(paths, path, entry);
  return change(store, container,
                [&](Transaction& transaction) { return put_in(transaction, path, entry); });
}

// Many changes as one commit; half of them are so many that the transaction spills.
Status Workload::put_many(Store* store) {
  const std::string container = any_container();
  PathMap& paths = model_[container].paths;
  const std::string folder = any_folder(paths) + new_name("m") + "/";
  const uint64_t files = pick(2) == 0 ? 2 + pick(4) : 20 + pick(20);
  const std::string removed = any_path(paths);
  const bool removes = !removed.empty() && !starts_with(folder, removed) && pick(2) == 0;
  last_ = "put " + std::to_string(files) + " files " + container + ":" + folder;
  if (removes) {
    last_ += " and remove " + removed;
    erase_below(paths, removed);
  }
  PathMap made;
  for (uint64_t i = 0; i < files; ++i) {
    ModelEntry entry = new_file();
    if (files > 10) entry.content.resize(std::min<size_t>(entry.content.size(), 300));
    made[folder + new_name("f")] = std::move(entry);
  }
  paths[folder];
  paths.insert(made.begin(), made.end());
  return change(store, container, [&](Transaction& transaction) -> Status {
    if (removes) {
      RAMET_ASSIGN(const Entry parent, transaction.lookup(parent_of(removed)));
      RAMET_TRY(transaction.remove_tree(parent.folder, name_of(removed)));
    }
    RAMET_TRY(transaction.create_folders(folder));
    for (const auto& [path, entry] : made) RAMET_TRY(put_in(transaction, path, entry));
    return ok();
  });
}

Status Workload::put_link(Store* store) {
  const std::string container = any_container();
  PathMap& paths = model_[container].paths;
  const std::string from = any_file(paths);
  if (from.empty()) return put(store);
  const std::string to = any_folder(paths) + new_name("l");
  last_ = "link " + container + ":" + from + " as " + to;
  paths[to] = paths[from];
  return change(store, container, [&](Transaction& transaction) -> Status {
    RAMET_ASSIGN(const Entry object, transaction.lookup(from));
    RAMET_ASSIGN(const Entry folder, transaction.lookup(parent_of(to)));
    return transaction.link(object.object, folder.folder, name_of(to));
  });
}

Status Workload::put_symlink(Store* store) {
  const std::string container = any_container();
  PathMap& paths = model_[container].paths;
  const std::string path = any_folder(paths) + new_name("y");
  ModelEntry entry = new_file();
  entry.content.clear();
  entry.mode = 0120777;
  entry.target = "../" + new_name("t");
  last_ = "symlink " + container + ":" + path;
  put_entry(paths, path, entry);
  return change(store, container, [&](Transaction& transaction) -> Status {
    RAMET_ASSIGN(const Entry folder, transaction.lookup(parent_of(path)));
    RAMET_TRY(transaction.put_symlink(folder.folder, name_of(path), entry.target,
                                      attributes_of(entry)));
    return ok();
  });
}

Status Workload::set_attributes(Store* store) {
  const std::string container = any_container();
  PathMap& paths = model_[container].paths;
  const std::string path = any_path(paths);
  if (path.empty() || !paths[path].target.empty()) return put(store);
  ModelEntry entry = paths[path];
  entry.mode = static_cast<uint32_t>((entry.mode & 0170000) | pick(01000));
  entry.modified = static_cast<int64_t>(1 + pick(1'000'000'000));
  last_ = "attributes " + container + ":" + path;
  if (path.back() == '/') {
    paths[path] = entry;
  } else {
    put_entry(paths, path, entry);
  }
  return change(store, container, [&](Transaction& transaction) -> Status {
    RAMET_ASSIGN(const Entry found, transaction.lookup(path));
    if (found.is_folder()) return transaction.set_attributes(found.folder, attributes_of(entry));
    return transaction.set_attributes(found.object, attributes_of(entry));
  });
}

Status Workload::remove(Store* store) {
  const std::string container = any_container();
  PathMap& paths = model_[container].paths;
  const std::string path = any_path(paths);
  if (path.empty()) return put(store);
  last_ = "remove " + container + ":" + path;
  erase_below(paths, path);
  return change(store, container, [&](Transaction& transaction) -> Status {
    RAMET_ASSIGN(const Entry folder, transaction.lookup(parent_of(path)));
    return transaction.remove_tree(folder.folder, name_of(path));
  });
}

Status Workload::make_folder(Store* store) {
  const std::string container = any_container();
  PathMap& paths = model_[container].paths;
  const std::string path = any_folder(paths) + new_name("d") + "/";
  last_ = "mkdir " + container + ":" + path;
  paths[path];
  return change(store, container, [&](Transaction& transaction) -> Status {
    RAMET_TRY(transaction.create_folders(path));
    return ok();
  });
}

Status Workload::rename(Store* store) {
  const std::string container = any_container();
  PathMap& paths = model_[container].paths;
  const std::string from = any_path(paths);
  if (from.empty()) return put(store);
  const std::string folder = any_folder(paths);
  if (starts_with(folder, from)) return put(store);  // below itself
  const std::string to = folder + new_name("r") + (from.back() == '/' ? "/" : "");
  last_ = "rename " + container + ":" + from + " to " + to;
  PathMap there = moved(paths, from, to);
  erase_below(paths, from);
  paths.merge(there);
  return change(store, container, [&](Transaction& transaction) -> Status {
    RAMET_ASSIGN(const Entry source, transaction.lookup(parent_of(from)));
    RAMET_ASSIGN(const Entry target, transaction.lookup(folder));
    return transaction.rename(source.folder, name_of(from), target.folder, name_of(to));
  });
}

// Moves a file over another one.
Status Workload::replace(Store* store) {
  const std::string container = any_container();
  PathMap& paths = model_[container].paths;
  const std::string from = any_file(paths);
  const std::string to = any_file(paths);
  if (from.empty() || paths[from].object == paths[to].object) return put(store);
  last_ = "rename " + container + ":" + from + " over " + to;
  paths[to] = paths[from];
  paths.erase(from);
  return change(store, container, [&](Transaction& transaction) -> Status {
    RAMET_ASSIGN(const Entry source, transaction.lookup(parent_of(from)));
    RAMET_ASSIGN(const Entry target, transaction.lookup(parent_of(to)));
    return transaction.rename(source.folder, name_of(from), target.folder, name_of(to), true);
  });
}

Status Workload::rename_container(Store* store) {
  const std::string from = any_container();
  const std::string to = new_name("n");
  last_ = "rename container " + from + " to " + to;
  for (Dropped& dropped : dropped_) {
    if (!dropped.snapshot.empty() && dropped.container == from) dropped.container = to;
  }
  auto node = model_.extract(from);
  node.key() = to;
  model_.insert(std::move(node));
  if (store == nullptr) return ok();
  RAMET_ASSIGN(const ContainerInfo info, store->container(from));
  return store->rename_container(info.id, to);
}

Status Workload::snapshot(Store* store) {
  const std::string container = any_container();
  const std::string name = new_name("s");
  last_ = "snapshot " + container + "@" + name;
  ModelContainer& entry = model_[container];
  entry.snapshots[name] = entry.paths;
  if (store == nullptr) return ok();
  RAMET_ASSIGN(const ContainerInfo info, store->container(container));
  RAMET_TRY(store->create_snapshot(info.id, name));
  return ok();
}

Status Workload::drop_snapshot(Store* store) {
  const std::string container = any_container();
  auto& snapshots = model_[container].snapshots;
  if (snapshots.empty()) return snapshot(store);
  const std::string name = snapshots.begin()->first;
  last_ = "drop snapshot " + container + "@" + name;
  dropped_.push_back({container, name, {snapshots[name], {}}});
  snapshots.erase(name);
  if (store == nullptr) return ok();
  RAMET_ASSIGN(const ContainerInfo info, store->container(container));
  return store->drop_snapshot(info.id, name);
}

Status Workload::clone(Store* store) {
  if (model_.size() >= kContainersMax) return drop(store);
  const std::string source = any_container();
  CloneSpec spec;
  spec.new_container = new_name("k");
  ModelContainer made;
  made.paths = *any_version(source, spec.snapshot);
  last_ = "clone " + source + "@" + spec.snapshot + " to " + spec.new_container;
  model_[spec.new_container] = made;
  if (store == nullptr) return ok();
  RAMET_ASSIGN(const ContainerInfo info, store->container(source));
  spec.source = info.id;
  RAMET_TRY(store->clone(spec));
  return ok();
}

Status Workload::clone_part(Store* store) {
  const std::string source = any_container();
  const std::string target = any_container();
  CloneSpec spec;
  const PathMap& version = *any_version(source, spec.snapshot);
  const std::string path = any_path(version);
  if (path.empty()) return put(store);
  const std::string folder = any_folder(model_[target].paths);
  spec.paths = {path};
  spec.target_folder = folder;
  spec.target_name = new_name("p");
  spec.identity = CloneIdentity::kFresh;
  if (source == target && starts_with(folder, path)) return put(store);
  last_ = "clone " + source + "@" + spec.snapshot + ":" + path + " to " + target + ":" + folder +
          spec.target_name;
  PathMap made = moved(version, path, folder + spec.target_name + (path.back() == '/' ? "/" : ""));
  if (source != target && have_no_object_in_common(made, model_[target].paths)) {
    spec.identity = CloneIdentity::kKeep;
  } else {
    made = with_new_objects(std::move(made));
  }
  model_[target].paths.merge(made);
  if (store == nullptr) return ok();
  RAMET_ASSIGN(const ContainerInfo from, store->container(source));
  RAMET_ASSIGN(const ContainerInfo to, store->container(target));
  spec.source = from.id;
  spec.target = to.id;
  RAMET_TRY(store->clone(spec));
  return ok();
}

Status Workload::drop(Store* store) {
  const std::string container = any_container();
  last_ = "drop " + container;
  std::erase_if(dropped_, [&](const Dropped& dropped) { return dropped.container == container; });
  dropped_.push_back({container, {}, model_[container]});
  model_.erase(container);
  if (store == nullptr) return ok();
  RAMET_ASSIGN(const ContainerInfo info, store->container(container));
  return store->drop_container(info.id);
}

Status Workload::rollback(Store* store) {
  const std::string container = any_container();
  ModelContainer& entry = model_[container];
  if (entry.snapshots.empty()) return snapshot(store);
  auto it = entry.snapshots.begin();
  std::advance(it, static_cast<long>(pick(entry.snapshots.size())));
  const std::string name = it->first;
  const PathMap there = it->second;
  last_ = "roll " + container + " back to " + name;
  uint64_t number = 1;
  const std::string prefix = "before-rollback-";
  for (const auto& [other, paths] : entry.snapshots) {
    if (!starts_with(other, prefix)) continue;
    number = std::max<uint64_t>(number, 1 + std::stoull(other.substr(prefix.size())));
  }
  const std::string kept = prefix + std::to_string(number);
  entry.snapshots[kept] = entry.paths;
  entry.paths = there;
  if (store == nullptr) return ok();
  RAMET_ASSIGN(const ContainerInfo info, store->container(container));
  RAMET_ASSIGN(const RollbackResult done, store->rollback(info.id, name));
  if (done.kept == kept) return ok();
  return Error(ErrorCode::kCorruption, "the former head is kept as " + done.kept);
}

// Takes something back; what the store released meanwhile must be gone as a whole.
Status Workload::undelete(Store* store) {
  if (dropped_.empty()) return put(store);
  size_t at = pick(dropped_.size());
  for (size_t later = at + 1; later < dropped_.size(); ++later) {  // the latest of that name
    const bool same = dropped_[later].container == dropped_[at].container &&
                      dropped_[later].snapshot == dropped_[at].snapshot;
    if (same) at = later;
  }
  const Dropped dropped = dropped_[at];
  const bool is_container = dropped.snapshot.empty();
  if (is_container && model_.size() >= kContainersMax) return drop(store);
  dropped_.erase(dropped_.begin() + static_cast<long>(at));
  if (!is_container && !model_.contains(dropped.container)) return put(store);
  const std::string& old = is_container ? dropped.container : dropped.snapshot;
  const bool taken = is_container ? model_.contains(old)
                                  : model_[dropped.container].snapshots.contains(old);
  const std::string as = taken || pick(3) == 0 ? new_name("u") : "";
  const std::string name = as.empty() ? old : as;
  last_ = "undelete " + dropped.container + "@" + dropped.snapshot + " as " + name;
  auto& snapshots = model_[is_container ? name : dropped.container].snapshots;
  if (is_container) {
    model_[name] = dropped.content;
  } else {
    snapshots[name] = dropped.content.paths;
  }
  if (store == nullptr) return ok();
  DropNumber number = 0;
  RAMET_TRY(store->dropped([&](const DroppedInfo& info) {
    const auto container = store->container(info.container);
    const std::string now = container.ok() ? container->name : info.name;
    if (now == dropped.container && info.snapshot == dropped.snapshot) number = info.number;
    return true;
  }));
  const auto done = store->undelete(number, as);
  if (done.ok() || done.error().code() != ErrorCode::kNotFound) {
    RAMET_TRY(done);
    return ok();
  }
  last_ += " (gone)";
  if (is_container) {
    model_.erase(name);
  } else {
    snapshots.erase(name);
  }
  return ok();
}

Status Workload::checkpoint(Store* store) {
  last_ = "checkpoint";
  return store == nullptr ? ok() : store->checkpoint();
}

}  // namespace ramet::sim
