// Goal: after a clone neither side ever shows what happens on the other, clones of clones included.
// Method: random calls on three projects (rapidcheck) beside a model in which each project is a map
// of its own, compared after every call; fsck at the end.
#include <rapidcheck/gtest.h>

#include "engine/fsck.h"
#include "tests/engine/store_fixture.h"
#include "tests/tools/serve/dnanexus_fixture.h"

namespace ramet::serve::test {
namespace {

constexpr size_t kProjects = 3;

struct ModelObject {
  std::string folder;  // "/" or "/a"
  std::string name;
  std::set<std::string> tags;
};
struct ModelProject {
  std::set<std::string> folders{"/"};
  std::map<std::string, ModelObject> objects;  // by id
};

bool is_below(const std::string& path, const std::string& folder) {
  return folder == "/" || path == folder || path.starts_with(folder + "/");
}
std::string joined(const std::string& folder, const std::string& name) {
  return (folder == "/" ? "" : folder) + "/" + name;
}
std::string base_name(const std::string& path) { return path.substr(path.rfind('/') + 1); }
std::string parent_of(const std::string& path) {
  const size_t slash = path.rfind('/');
  return slash == 0 ? "/" : path.substr(0, slash);
}

class Machine : public DnanexusTest {
 public:
  void TestBody() override {}
  void begin() {
    SetUp();
    for (size_t i = 0; i < kProjects; ++i) ids_.push_back(project("p" + std::to_string(i)));
    model_.resize(kProjects);
  }
  void end() {
    TearDown();
    FsckOptions options;
    options.env = io::default_env();
    options.data = true;
    std::vector<std::string> found;
    const auto report = fsck(path_, options, [&](const Finding& finding) {
      if (finding.kind->severity != Severity::kHint) found.push_back(finding.message);
    });
    RC_ASSERT(report.ok());
    RC_ASSERT(found == std::vector<std::string>{});
  }

  template <typename List>
  static auto pick(const List& list) {
    const auto at = *rc::gen::inRange<size_t>(0, list.size());
    return *std::next(list.begin(), static_cast<std::ptrdiff_t>(at));
  }
  static std::string some_name() { return *rc::gen::element<std::string>("a", "b", "c", "a/b"); }

  void step() {
    const size_t at = *rc::gen::inRange<size_t>(0, kProjects);
    switch (*rc::gen::inRange(0, 9)) {
      case 0: return add(at);
      case 1: return make_folder(at);
      case 2: return rename(at);
      case 3: return tag(at);
      case 4: return move(at);
      case 5: return remove(at);
      case 6: return remove_folder(at);
      default: return clone(at, (at + *rc::gen::inRange<size_t>(1, kProjects)) % kProjects);
    }
  }

  void compare() {
    for (size_t i = 0; i < kProjects; ++i) {
      RC_ASSERT(folders_of(ids_[i]) == model_[i].folders);
      std::map<std::string, std::string> want;
      for (const auto& [id, object] : model_[i].objects) {
        want[id] = joined(object.folder, object.name);
      }
      RC_ASSERT(all_in(ids_[i]) == want);
      for (const auto& [id, object] : model_[i].objects) {
        const Json tags = api("/" + id + "/describe", {{"project", ids_[i]}})["tags"];
        std::set<std::string> has;
        for (const Json& one : tags) has.insert(one.get<std::string>());
        RC_ASSERT(has == object.tags);
      }
    }
  }

 private:
  // The call's answer must be what the model says: nothing for success.
  void expect(const std::string& route, const Json& input, const std::string& refusal) {
    const Got got = ask(alice_, route, input);
    const std::string type = got.status == 200 ? "" : got.json()["error"]["type"];
    if (type != refusal) RC_FAIL(route + " " + input.dump() + ": " + got.body);
  }

  void add(size_t at) {
    const std::string folder = pick(model_[at].folders), name = some_name();
    const std::string id = record(ids_[at], folder, name);
    model_[at].objects[id] = {folder, name, {}};
  }
  void make_folder(size_t at) {
    const std::string path = joined(pick(model_[at].folders), *rc::gen::element<std::string>(
                                                                  "a", "b", "f"));
    const bool there = model_[at].folders.contains(path);
    expect("/" + ids_[at] + "/newFolder", {{"folder", path}}, there ? "InvalidState" : "");
    model_[at].folders.insert(path);
  }
  void rename(size_t at) {
    if (model_[at].objects.empty()) return;
    const std::string id = pick(model_[at].objects).first, name = some_name();
    expect("/" + id + "/rename", {{"project", ids_[at]}, {"name", name}}, "");
    model_[at].objects[id].name = name;
  }
  void tag(size_t at) {
    if (model_[at].objects.empty()) return;
    const std::string id = pick(model_[at].objects).first;
    const std::string text = *rc::gen::element<std::string>("s", "t");
    const bool adds = *rc::gen::arbitrary<bool>();
    expect("/" + id + (adds ? "/addTags" : "/removeTags"),
           {{"project", ids_[at]}, {"tags", {text}}}, "");
    auto& tags = model_[at].objects[id].tags;
    if (adds) {
      tags.insert(text);
    } else {
      tags.erase(text);
    }
  }
  void move(size_t at) {
    const std::string to = pick(model_[at].folders);
    if (*rc::gen::arbitrary<bool>() && !model_[at].objects.empty()) {
      const std::string id = pick(model_[at].objects).first;
      expect("/" + ids_[at] + "/move", {{"objects", {id}}, {"destination", to}}, "");
      model_[at].objects[id].folder = to;
      return;
    }
    const std::string from = pick(model_[at].folders);
    if (from == "/") return;
    const std::string target = joined(to, base_name(from));
    const bool below = target != from && is_below(target, from);
    const bool there = target != from && model_[at].folders.contains(target);
    expect("/" + ids_[at] + "/move", {{"folders", {from}}, {"destination", to}},
           below || there ? "InvalidState" : "");
    if (below || there || target == from) return;
    std::set<std::string> folders;
    for (const std::string& path : model_[at].folders) {
      folders.insert(is_below(path, from) ? target + path.substr(from.size()) : path);
    }
    model_[at].folders = folders;
    for (auto& [id, object] : model_[at].objects) {
      if (is_below(object.folder, from)) object.folder = target + object.folder.substr(from.size());
    }
  }
  void remove(size_t at) {
    if (model_[at].objects.empty()) return;
    const std::string id = pick(model_[at].objects).first;
    expect("/" + ids_[at] + "/removeObjects", {{"objects", {id}}}, "");
    model_[at].objects.erase(id);
  }
  void remove_folder(size_t at) {
    const std::string path = pick(model_[at].folders);
    if (path == "/") return;
    expect("/" + ids_[at] + "/removeFolder", {{"folder", path}, {"recurse", true}}, "");
    std::erase_if(model_[at].folders, [&](const auto& one) { return is_below(one, path); });
    std::erase_if(model_[at].objects,
                  [&](const auto& one) { return is_below(one.second.folder, path); });
  }
  // A folder (perhaps "/") and perhaps an object, into a folder.
  void clone(size_t from, size_t to) {
    const ModelProject source = model_[from];
    ModelProject target = model_[to];
    const std::string folder = pick(source.folders), destination = pick(target.folders);
    Json input = {{"folders", {folder}}, {"project", ids_[to]}, {"destination", destination}};
    std::vector<std::string> listed;
    if (!source.objects.empty() && *rc::gen::arbitrary<bool>()) {
      listed.push_back(pick(source.objects).first);
      input["objects"] = listed;
    }
    bool refused = false;
    std::set<std::string> tops;  // folders that must be new in the destination
    const std::string root = folder == "/" ? "" : joined(destination, base_name(folder));
    const auto place = [&](const std::string& path) {
      if (folder != "/") return root + path.substr(folder.size());
      return path == "/" ? destination : joined(destination, path.substr(1));
    };
    for (const std::string& path : source.folders) {
      if (!is_below(path, folder) || path == "/") continue;
      if (folder == "/" ? parent_of(path) == "/" : path == folder) tops.insert(place(path));
      target.folders.insert(place(path));
    }
    for (const std::string& top : tops) refused = refused || model_[to].folders.contains(top);
    expect("/" + ids_[from] + "/clone", input, refused ? "InvalidState" : "");
    if (refused) return;
    for (const std::string& id : listed) {
      if (target.objects.contains(id)) continue;
      target.objects[id] = source.objects.at(id);
      target.objects[id].folder = destination;
    }
    for (const auto& [id, object] : source.objects) {
      if (!is_below(object.folder, folder) || target.objects.contains(id)) continue;
      target.objects[id] = object;
      target.objects[id].folder = place(object.folder);
    }
    model_[to] = target;
  }

  std::vector<std::string> ids_;
  std::vector<ModelProject> model_;
};

RC_GTEST_PROP(DnanexusProperty, NeitherSideOfACloneShowsOnTheOther, ()) {
  Machine machine;
  machine.begin();
  const int steps = *rc::gen::inRange(1, 40);
  for (int i = 0; i < steps; ++i) {
    machine.step();
    machine.compare();
  }
  machine.end();
}

}  // namespace
}  // namespace ramet::serve::test
