#include "tests/sim/model.h"

#include <vector>

#include "format/hash.h"

namespace ramet::sim {
namespace {

std::string short_hash(ByteView bytes) { return blake3(bytes).to_hex().substr(0, 16); }

void describe_paths(const PathMap& paths, std::string& out) {
  for (const auto& [path, content] : paths) {
    out += "  " + path;
    if (path.back() != '/') {
      out += " " + std::to_string(content.size()) + " " + short_hash(content);
    }
    out += "\n";
  }
}

void add_folder(const View& view, const FolderId& folder, const std::string& path, PathMap& out) {
  const Status status = view.list(folder, {}, [&](const Entry& entry) {
    const std::string name = path + entry.name;
    if (entry.is_folder()) {
      out[name + "/"] = "";
      add_folder(view, entry.folder, name + "/", out);
      return true;
    }
    std::string content;
    const Status read = view.stream(entry.object, [&](uint64_t offset, ByteView bytes) {
      content.resize(offset, '\0');
      content.append(bytes);
      return ok();
    });
    if (!read.ok()) content = "ERROR " + read.error().to_string();
    if (read.ok() && content.size() != entry.size) content = "ERROR size differs from the name's";
    out[name] = content;
    return true;
  });
  if (!status.ok()) out[path + "ERROR " + status.error().to_string()] = "";
}

PathMap paths_of(const Result<std::shared_ptr<const View>>& view) {
  PathMap out;
  if (!view.ok()) {
    out["ERROR " + view.error().to_string()] = "";
  } else {
    add_folder(**view, kRootFolder, "/", out);
  }
  return out;
}

}  // namespace

std::string describe(const Model& model) {
  std::string out;
  for (const auto& [name, container] : model) {
    out += name + "\n";
    describe_paths(container.paths, out);
    for (const auto& [snapshot, paths] : container.snapshots) {
      out += " @" + snapshot + "\n";
      describe_paths(paths, out);
    }
  }
  return out;
}

std::string describe(Store& store) {
  Model model;
  std::vector<ContainerInfo> containers;
  Status status = store.containers({}, [&](const ContainerInfo& info) {
    containers.push_back(info);
    return true;
  });
  std::string errors;
  if (!status.ok()) errors += "ERROR " + status.error().to_string() + "\n";
  for (const ContainerInfo& info : containers) {
    ModelContainer& container = model[info.name];
    container.paths = paths_of(store.view(info.id));
    std::vector<std::string> names;
    status = store.snapshots(info.id, [&](const SnapshotInfo& snapshot) {
      names.push_back(snapshot.name);
      return true;
    });
    if (!status.ok()) errors += "ERROR " + status.error().to_string() + "\n";
    for (const std::string& name : names) {
      container.snapshots[name] = paths_of(store.view(info.id, name));
    }
  }
  return describe(model) + errors;
}

}  // namespace ramet::sim
