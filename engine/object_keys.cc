#include "engine/object_keys.h"

#include <algorithm>
#include <utility>
#include <vector>

#include <fmt/format.h>

namespace ramet {
namespace {

constexpr size_t kNameBytesMax = 255;
// Names that are read at once: few at first, since a common prefix often ends the reading.
constexpr size_t kBatchMin = 16;
constexpr size_t kBatchMax = 1024;

Error not_found(std::string_view key) {
  return {ErrorCode::kNotFound, fmt::format("there is no key '{}'", key)};
}

bool is_file(const Entry& entry) {
  return entry.entry_class == EntryClass::kFile || entry.entry_class == EntryClass::kRecord;
}

// Of a key in a tree: the folder's path ("a/b"), the last part, and whether it is a folder.
struct TreeKey {
  std::string_view folder;
  std::string_view name;
  bool is_folder = false;
};

TreeKey split_key(std::string_view key) {
  TreeKey split;
  split.is_folder = key.ends_with('/');
  if (split.is_folder) key.remove_suffix(1);
  const size_t slash = key.rfind('/');
  split.folder = slash == std::string_view::npos ? std::string_view() : key.substr(0, slash);
  split.name = slash == std::string_view::npos ? key : key.substr(slash + 1);
  return split;
}

// The folder of a path, by View or Transaction; kNotFound also where a part is no folder.
template <typename State>
Result<FolderId> find_folder(const State& state, std::string_view path) {
  FolderId folder = kRootFolder;
  while (!path.empty()) {
    const size_t slash = path.find('/');
    const std::string_view name = path.substr(0, slash);
    path = slash == std::string_view::npos ? std::string_view() : path.substr(slash + 1);
    RAMET_ASSIGN(const Entry entry, state.lookup(folder, name));
    if (!entry.is_folder()) return not_found(path);
    folder = entry.folder;
  }
  return folder;
}

template <typename State>
Result<Entry> find_in(const State& state, bool flat, std::string_view key) {
  if (!check_key(key, flat).ok()) return not_found(key);
  if (flat) return state.lookup(kRootFolder, key);
  const TreeKey split = split_key(key);
  RAMET_ASSIGN(const FolderId folder, find_folder(state, split.folder));
  RAMET_ASSIGN(Entry entry, state.lookup(folder, split.name));
  if (entry.is_folder() != split.is_folder || (!split.is_folder && !is_file(entry))) {
    return not_found(key);
  }
  return entry;
}

// Walks the keys of a view in order, from a key on that the visitor may move forward.
class KeyWalk {
 public:
  KeyWalk(const View& view, const KeyQuery& query,
          const std::function<bool(const KeyEntry&)>& visit)
      : view_(view), query_(query), visit_(visit), from_(query.prefix) {
    if (!query.after.empty() && query.after >= from_) {
      from_ = query.after;
      if (!query.from) from_ += '\0';
    }
  }

  Status run() {
    // Nothing that begins with the prefix can follow.
    if (!std::string_view(from_).starts_with(query_.prefix)) return ok();
    if (view_.flat()) return walk(kRootFolder, "", query_.prefix);
    const size_t slash = query_.prefix.rfind('/');
    if (slash == std::string::npos) return walk(kRootFolder, "", query_.prefix);
    const std::string_view folders = std::string_view(query_.prefix).substr(0, slash);
    // ("/a" and "a//b" are no keys here, though paths that lead somewhere.)
    if (folders.ends_with('/') || !check_key(folders, false).ok()) return ok();
    const auto folder = find_folder(view_, folders);
    if (!folder.ok()) {
      return folder.error().code() == ErrorCode::kNotFound ? ok() : Status(folder.error());
    }
    const std::string path = query_.prefix.substr(0, slash + 1);
    return walk(*folder, path, query_.prefix.substr(slash + 1));
  }

 private:
  struct Name {
    Entry entry;
    bool removed = false;
    std::string sorted() const { return entry.is_folder() ? entry.name + "/" : entry.name; }
  };

  // Names of a folder from `from` on, at most `most`; those removed between the others.
  Status read_names(FolderId folder, const std::string& prefix, const std::string& from,
                    size_t most, std::vector<Name>& names) {
    names.clear();
    RAMET_TRY(view_.list_from(folder, prefix, from, [&](const Entry& entry) {
      names.push_back({entry, false});
      return names.size() < most;
    }));
    if (!query_.removed) return ok();
    const size_t living = names.size();
    const bool all = living < most;
    RAMET_TRY(view_.list_removed(folder, prefix, from, [&](const Entry& entry) {
      if (!all && names[living - 1].sorted() < entry.name) return false;
      names.push_back({entry, true});
      return names.size() < living + most;
    }));
    std::inplace_merge(names.begin(), names.begin() + static_cast<ptrdiff_t>(living), names.end(),
                       [](const Name& a, const Name& b) { return a.sorted() < b.sorted(); });
    if (names.size() > most) names.resize(most);
    return ok();
  }

  // All keys below `folder`, whose path ("" or "a/b/") is `path`, that are not less than from_ and
  // whose part behind the path begins with `prefix`.
  Status walk(FolderId folder, const std::string& path, const std::string& prefix) {
    size_t batch = kBatchMin;
    std::vector<Name> names;
    bool any = false;  // whether the folder has names at all, as far as is known
    while (!stopped_) {
      // What from_ says of this folder's names.
      if (from_ > path && !std::string_view(from_).starts_with(path)) return ok();
      std::string from = from_ > path ? from_.substr(path.size()) : std::string();
      if (!view_.flat()) {  // it may lead into a folder of this one
        const size_t slash = from.find('/');
        if (slash != std::string::npos) from.resize(slash + 1);
      }
      RAMET_TRY(read_names(folder, prefix, from, batch, names));
      if (names.empty()) {
        // An empty folder is a key itself.
        if (!any && !view_.flat() && !folder.is_null() && prefix.empty() && from.empty()) {
          RAMET_TRY(visit_empty_folder(folder, path));
        }
        return ok();
      }
      any = true;
      bool moved = false;
      for (const Name& name : names) {
        const std::string key = path + name.sorted();
        if (name.entry.is_folder()) {
          RAMET_TRY(take_folder(name.entry, key, moved));
        } else if (is_file(name.entry) && key >= from_) {
          take(KeyEntry{key, false, name.removed, name.entry}, moved);
        }
        if (stopped_) return ok();
        if (moved) break;
      }
      if (moved) continue;  // from_ is where to go on
      if (names.size() < batch) return ok();
      from_ = std::max(from_, path + names.back().sorted() + '\0');
      if (names.back().entry.is_folder()) {
        from_ = std::max(from_, behind_prefix(path + names.back().sorted()));
      }
      batch = std::min(batch * 4, kBatchMax);
    }
    return ok();
  }

  Status visit_empty_folder(FolderId folder, const std::string& path) {
    RAMET_ASSIGN(const FolderInfo info, view_.folder(folder));
    Entry entry;
    entry.name = info.name;
    entry.entry_class = EntryClass::kFolder;
    entry.folder = folder;
    bool moved = false;
    if (path >= from_) take(KeyEntry{path, false, false, entry}, moved);
    return ok();
  }

  Status take_folder(const Entry& entry, const std::string& key, bool& moved) {
    // All of it was passed?
    if (from_ > key && !std::string_view(from_).starts_with(key)) return ok();
    if (const std::string common = common_prefix(key); !common.empty()) {
      take_common(common, moved);
      return ok();
    }
    return walk(entry.folder, key, "");
  }

  std::string common_prefix(const std::string& key) const {
    if (query_.delimiter.empty()) return "";
    const size_t at = key.find(query_.delimiter, query_.prefix.size());
    if (at == std::string::npos) return "";
    return key.substr(0, at + query_.delimiter.size());
  }

  void take(const KeyEntry& entry, bool& moved) {
    if (const std::string common = common_prefix(entry.key); !common.empty()) {
      take_common(common, moved);
    } else if (!visit_(entry)) {
      stopped_ = true;
    }
  }

  void take_common(const std::string& common, bool& moved) {
    if (common > query_.after || query_.after.empty()) {
      KeyEntry entry;
      entry.key = common;
      entry.common = true;
      if (!visit_(entry)) {
        stopped_ = true;
        return;
      }
    }
    from_ = behind_prefix(common);
    if (from_.empty()) stopped_ = true;  // nothing sorts behind it
    moved = true;
  }

  const View& view_;
  const KeyQuery& query_;
  const std::function<bool(const KeyEntry&)>& visit_;
  std::string from_;  // keys before it were visited, or are not asked for
  bool stopped_ = false;
};

}  // namespace

Status check_key(std::string_view key, bool flat) {
  const auto wrong = [](const char* why) { return Error(ErrorCode::kInvalidArgument, why); };
  if (key.empty() || key.size() > kKeyBytesMax) return wrong("a key has 1 to 1024 bytes");
  if (key.find('\0') != std::string_view::npos) return wrong("a key cannot hold a NUL byte");
  if (flat) return ok();
  if (key.ends_with('/')) key.remove_suffix(1);
  while (true) {
    const size_t slash = key.find('/');
    const std::string_view part = key.substr(0, slash);
    if (part.empty() || part == "." || part == "..") {
      return wrong("the parts of this container's keys are names of folders: not empty, '.' or "
                   "'..'");
    }
    if (part.size() > kNameBytesMax) {
      return wrong("the parts of this container's keys have at most 255 bytes");
    }
    if (slash == std::string_view::npos) return ok();
    key.remove_prefix(slash + 1);
  }
}

std::string behind_prefix(std::string_view prefix) {
  std::string next(prefix);
  while (!next.empty() && next.back() == '\xFF') next.pop_back();
  if (!next.empty()) next.back() = static_cast<char>(next.back() + 1);
  return next;
}

Result<Entry> find_key(const View& view, std::string_view key) {
  return find_in(view, view.flat(), key);
}

Result<Entry> find_key(const Transaction& transaction, bool flat, std::string_view key) {
  return find_in(transaction, flat, key);
}

Result<Entry> find_removed_key(const View& view, std::string_view key) {
  if (!check_key(key, view.flat()).ok() || (!view.flat() && key.ends_with('/'))) {
    return not_found(key);
  }
  FolderId folder = kRootFolder;
  std::string_view name = key;
  if (!view.flat()) {
    const TreeKey split = split_key(key);
    RAMET_ASSIGN(folder, find_folder(view, split.folder));
    name = split.name;
  }
  std::optional<Entry> found;
  RAMET_TRY(view.list_removed(folder, name, name, [&](const Entry& entry) {
    if (entry.name == name) found = entry;
    return false;  // the first one is it, or there is none
  }));
  if (!found) return not_found(key);
  return std::move(*found);
}

Status list_keys(const View& view, const KeyQuery& query,
                 const std::function<bool(const KeyEntry&)>& visit) {
  return KeyWalk(view, query, visit).run();
}

Result<ObjectId> put_key(Transaction& transaction, bool flat, std::string_view key,
                         const ObjectInit& init, std::unique_ptr<ContentWriter> content) {
  RAMET_TRY(check_key(key, flat));
  if (flat) return transaction.put_object(kRootFolder, key, init, std::move(content));
  const TreeKey split = split_key(key);
  if (!split.is_folder) {
    FolderId folder = kRootFolder;
    if (!split.folder.empty()) {
      RAMET_ASSIGN(folder, transaction.create_folders(split.folder));
    }
    return transaction.put_object(folder, split.name, init, std::move(content));
  }
  if (content != nullptr && content->size() > 0) {
    return Error(ErrorCode::kInvalidArgument,
                 "a key that ends in '/' is a folder in this container: it has no content");
  }
  content.reset();
  RAMET_TRY(transaction.create_folders(key.substr(0, key.size() - 1)));
  return ObjectId{};
}

Status remove_key(Transaction& transaction, bool flat, std::string_view key) {
  if (flat) {
    if (!check_key(key, flat).ok()) return not_found(key);
    return transaction.remove(kRootFolder, key);
  }
  RAMET_TRY(find_in(transaction, flat, key));
  const TreeKey split = split_key(key);
  RAMET_ASSIGN(const FolderId folder, find_folder(transaction, split.folder));
  return transaction.remove(folder, split.name);
}

}  // namespace ramet
