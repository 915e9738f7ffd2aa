#include "tools/sim/model.h"

#include <algorithm>
#include <vector>

#include <fmt/format.h>

#include "format/hash.h"

namespace ramet::sim {
namespace {

void describe_paths(const PathMap& paths, std::string& out) {
  std::map<uint64_t, std::pair<std::string, int>> objects;  // first path, number of names
  for (const auto& [path, entry] : paths) {
    if (path.back() == '/') continue;
    ++objects.try_emplace(entry.object, path, 0).first->second.second;
  }
  for (const auto& [path, entry] : paths) {
    out += fmt::format("  {} {:o}", path, entry.mode);
    if (entry.content.rfind("ERROR", 0) == 0) out += " " + entry.content;
    if (!entry.target.empty()) out += " -> " + entry.target;
    if (path.back() != '/') {
      const auto& [first, names] = objects.at(entry.object);
      out += fmt::format(" {} {:.16} {}", entry.content.size(), blake3(entry.content).to_hex(),
                         entry.modified);
      if (names > 1) out += fmt::format(" one of {} names, {}", names, first);
    }
    out += "\n";
  }
}

// Everything that a view shows.
class Walk {
 public:
  explicit Walk(const View& view) : view_(view) {}

  PathMap run() {
    add_folder(kRootFolder, "/");
    std::map<uint64_t, uint32_t> names;
    for (const auto& [path, entry] : out_) ++names[entry.object];
    for (auto& [path, entry] : out_) {
      if (path.back() != '/' && names[entry.object] != links_[entry.object]) {
        entry.content = fmt::format("ERROR the object says that it has {} names",
                                    links_[entry.object]);
      }
    }
    if (view_.summary()[SummaryColumn::kObjects] != numbers_.size()) out_["ERROR summary"];
    return std::move(out_);
  }

 private:
  void add_folder(const FolderId& folder, const std::string& path) {
    const Status status = view_.list(folder, {}, [&](const Entry& entry) {
      if (entry.is_folder()) {
        const auto info = view_.folder(entry.folder);
        ModelEntry& made = out_[path + entry.name + "/"];
        if (info.ok()) made.mode = info->attributes.mode;
        if (!info.ok()) made.content = "ERROR " + info.error().to_string();
        add_folder(entry.folder, path + entry.name + "/");
      } else {
        out_[path + entry.name] = object(entry);
      }
      return true;
    });
    if (!status.ok()) out_[path + "ERROR " + status.error().to_string()];
  }

  ModelEntry object(const Entry& entry) {
    ModelEntry made;
    made.object = numbers_.try_emplace(entry.object, numbers_.size() + 1).first->second;
    const auto info = view_.object(entry.object);
    if (!info.ok()) {
      made.content = "ERROR " + info.error().to_string();
      return made;
    }
    links_[made.object] = info->links_count;
    made.mode = info->attributes.mode;
    made.modified = info->attributes.modified;
    made.target = info->target;
    const Status read = view_.stream(entry.object, [&](uint64_t offset, ByteView bytes) {
      made.content.resize(offset, '\0');
      made.content.append(bytes);
      return ok();
    });
    if (!read.ok()) {
      made.content = "ERROR " + read.error().to_string();
    } else if (made.content.size() != entry.size) {
      made.content = "ERROR the size differs from the name's";
    }
    return made;
  }

  const View& view_;
  PathMap out_;
  std::map<ObjectId, uint64_t> numbers_;
  std::map<uint64_t, uint32_t> links_;
};

PathMap paths_of(const Result<std::shared_ptr<const View>>& view) {
  if (view.ok()) return Walk(**view).run();
  return {{"ERROR " + view.error().to_string(), {}}};
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

std::string describe(Store& store, const std::string& except) {
  Model model;
  std::vector<ContainerInfo> containers;
  Status status = store.containers({}, [&](const ContainerInfo& info) {
    if (info.name != except) containers.push_back(info);
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

std::string describe(const View& view) {
  std::string out;
  describe_paths(Walk(view).run(), out);
  return out;
}

std::string first_difference(const std::string& is, const std::string& should) {
  const auto end = std::mismatch(is.begin(), is.end(), should.begin(), should.end()).first;
  const size_t at = static_cast<size_t>(end - is.begin());
  const size_t newline = at == 0 ? std::string::npos : is.rfind('\n', at - 1);
  const size_t line = newline == std::string::npos ? 0 : newline + 1;
  const auto line_of = [line](const std::string& text) {
    return line >= text.size() ? "(end)" : text.substr(line, text.find('\n', line) - line);
  };
  const size_t container = is.rfind("\n", line > 1 ? line - 2 : 0);
  return fmt::format("is:        {}\nshould be: {}\n(behind: {})", line_of(is), line_of(should),
                     line == 0 ? "the beginning" : is.substr(container + 1, line - container - 2));
}

}  // namespace ramet::sim
