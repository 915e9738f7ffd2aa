#include "tests/sim/workload.h"

#include <iterator>

namespace ramet::sim {
namespace {

constexpr size_t kContainersMax = 6;

std::string parent_of(const std::string& path) {
  const size_t end = path.back() == '/' ? path.size() - 1 : path.size();
  return path.substr(0, path.rfind('/', end - 1) + 1);
}

std::string name_of(const std::string& path) {
  const std::string trimmed = path.back() == '/' ? path.substr(0, path.size() - 1) : path;
  return trimmed.substr(trimmed.rfind('/') + 1);
}

void erase_below(PathMap& paths, const std::string& path) {
  if (path.back() != '/') {
    paths.erase(path);
    return;
  }
  auto it = paths.lower_bound(path);
  while (it != paths.end() && it->first.compare(0, path.size(), path) == 0) it = paths.erase(it);
}

// What lies at or below a path, with another beginning.
PathMap moved(const PathMap& paths, const std::string& from, const std::string& to) {
  PathMap out;
  for (auto it = paths.lower_bound(from); it != paths.end(); ++it) {
    if (it->first.compare(0, from.size(), from) != 0) break;
    if (from.back() != '/' && it->first != from) continue;
    out[to + it->first.substr(from.size())] = it->second;
  }
  return out;
}

// Runs a change of one container as one transaction.
template <typename Change>
Status change(Store* store, const std::string& container, const Change& change_it) {
  if (store == nullptr) return ok();
  RAMET_ASSIGN(const ContainerInfo info, store->container(container));
  RAMET_ASSIGN(auto transaction, store->begin(info.id));
  RAMET_TRY(change_it(*transaction));
  RAMET_TRY(transaction->commit());
  return ok();
}

}  // namespace

StoreOptions tiny_options(std::shared_ptr<io::Env> env) {
  StoreOptions options;
  options.env = std::move(env);
  options.background = false;
  options.node_bytes = 512;
  options.node_cache_bytes = 64 << 10;
  options.dirty_bytes_max = 24 << 10;
  options.replay_bytes_max = 160 << 10;
  options.transaction_bytes_max = 2 << 10;
  options.commit_segment_bytes = 64 << 10;
  options.node_segment_bytes = 32 << 10;
  options.data_segment_bytes = 48 << 10;
  options.map_segment_bytes = 48 << 10;
  options.ballast_bytes = 64 << 10;
  options.index_bytes = 1 << 20;
  options.inline_block_bytes = 2 << 10;
  options.chunk_average = 1024;
  options.open_segments_max = 4;
  return options;
}

const std::string& Workload::any_container() {
  auto it = model_.begin();
  std::advance(it, static_cast<long>(pick(model_.size())));
  return it->first;
}

std::string Workload::any_folder(const PathMap& paths) {
  std::vector<std::string> folders{"/"};
  for (const auto& [path, content] : paths) {
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

std::string Workload::content() {
  static constexpr uint64_t kSizes[] = {0, 10, 300, 1500, 6000, 30000};
  const uint64_t size = kSizes[pick(std::size(kSizes))];
  // A small set of seeds, so that blocks are found again.
  std::mt19937_64 bytes(pick(12));
  std::string out(size, '\0');
  for (char& c : out) c = static_cast<char>(bytes());
  return out;
}

Status Workload::step(Store* store) {
  if (model_.empty()) return create(store);
  const uint64_t kind = pick(100);
  if (kind < 38) return put(store);
  if (kind < 46) return remove(store);
  if (kind < 54) return make_folder(store);
  if (kind < 62) return rename(store);
  if (kind < 69) return snapshot(store);
  if (kind < 72) return drop_snapshot(store);
  if (kind < 82) return clone(store);
  if (kind < 87) return clone_part(store);
  if (kind < 92) return drop(store);
  if (kind < 96) {
    last_ = "checkpoint";
    return store == nullptr ? ok() : store->checkpoint();
  }
  return create(store);
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
  const std::string bytes = content();
  last_ = "put " + container + ":" + path + " (" + std::to_string(bytes.size()) + ")";
  paths[path] = bytes;
  return change(store, container, [&](Transaction& transaction) -> Status {
    RAMET_ASSIGN(const Entry folder, transaction.lookup(parent_of(path)));
    RAMET_ASSIGN(auto writer, transaction.write_content());
    RAMET_TRY(writer->append(bytes));
    RAMET_TRY(transaction.put_object(folder.folder, name_of(path), Attributes{},
                                     std::move(writer)));
    return ok();
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
  paths[path] = "";
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
  if (folder.compare(0, from.size(), from) == 0) return put(store);  // below itself
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
  snapshots.erase(name);
  if (store == nullptr) return ok();
  RAMET_ASSIGN(const ContainerInfo info, store->container(container));
  return store->drop_snapshot(info.id, name);
}

Status Workload::clone(Store* store) {
  if (model_.size() >= kContainersMax) return drop(store);
  const std::string source = any_container();
  const auto& snapshots = model_[source].snapshots;
  CloneSpec spec;
  spec.new_container = new_name("k");
  ModelContainer made;
  made.paths = model_[source].paths;
  if (!snapshots.empty() && pick(2) == 0) {
    spec.snapshot = snapshots.begin()->first;
    made.paths = snapshots.begin()->second;
  }
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
  const std::string path = any_path(model_[source].paths);
  if (path.empty()) return put(store);
  const std::string folder = any_folder(model_[target].paths);
  CloneSpec spec;
  spec.paths = {path};
  spec.target_folder = folder;
  spec.target_name = new_name("p");
  spec.identity = CloneIdentity::kFresh;
  if (source == target && folder.compare(0, path.size(), path) == 0) return put(store);
  last_ = "clone " + source + ":" + path + " to " + target + ":" + folder + spec.target_name;
  PathMap made = moved(model_[source].paths, path,
                       folder + spec.target_name + (path.back() == '/' ? "/" : ""));
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
  model_.erase(container);
  if (store == nullptr) return ok();
  RAMET_ASSIGN(const ContainerInfo info, store->container(container));
  return store->drop_container(info.id);
}

}  // namespace ramet::sim
