// Makes stores for the measurements of fsck (bench/fsck_table) and scrub (bench/scrub_table): many
// small objects with clones that were edited, and large objects whose content cannot be compressed.
#include <cstring>
#include <random>
#include <string>

#include <fmt/format.h>

#include "bench/table_support.h"
#include "engine/store.h"
#include "io/env.h"

namespace {

using namespace ramet;
using namespace ramet::bench;

std::string folder_of(uint64_t object) { return fmt::format("d{:06}", object / 1000); }
std::string name_of(uint64_t object) { return fmt::format("f{:06}", object); }

ContainerId fill(Store& store, uint64_t objects) {
  const ContainerInfo info = must(store.create_container("source"), "create container");
  auto transaction = must(store.begin(info.id), "begin");
  Attributes of_folder;
  of_folder.mode = 040755;
  FolderId folder;
  for (uint64_t i = 0; i < objects; ++i) {
    if (i % 1000 == 0) {
      folder = must(transaction->create_folder(kRootFolder, folder_of(i), of_folder), "folder");
    }
    put(*transaction, folder, name_of(i), fmt::format("content of object {}\n", i));
  }
  must(transaction->commit(), "commit");
  return info.id;
}

void clone_with_edits(Store& store, ContainerId source, uint64_t number, uint64_t objects,
                      uint64_t edits, std::mt19937_64& random) {
  CloneSpec spec;
  spec.source = source;
  spec.new_container = fmt::format("clone-{:06}", number);
  const ContainerId made = must(store.clone(spec), "clone").container;
  if (edits == 0) return;
  auto transaction = must(store.begin(made), "begin");
  for (uint64_t i = 0; i < edits; ++i) {
    const uint64_t object = random() % objects;
    const Entry folder = must(transaction->lookup("/" + folder_of(object)), "look up");
    put(*transaction, folder.folder, name_of(object),
        fmt::format("edit {} of clone {}\n", i, number));
  }
  must(transaction->commit(), "commit");
}

// Noise, in files of 64 MiB.
void fill_large(Store& store, uint64_t mib, std::mt19937_64& random) {
  constexpr uint64_t kPart = 1u << 20;
  constexpr uint64_t kPartsOfAFile = 64;
  const ContainerInfo info = must(store.create_container("large"), "create container");
  std::string part(kPart, '\0');
  for (uint64_t done = 0, file = 0; done < mib; ++file) {
    auto transaction = must(store.begin(info.id), "begin");
    auto content = must(transaction->write_content(), "write");
    for (uint64_t i = 0; i < kPartsOfAFile && done < mib; ++i, ++done) {
      for (size_t at = 0; at < part.size(); at += 8) {
        const uint64_t word = random();
        std::memcpy(part.data() + at, &word, sizeof word);
      }
      must(content->append(part), "append");
    }
    must(transaction->put_object(kRootFolder, fmt::format("f{:04}", file), Attributes{},
                                 std::move(content)),
         "put");
    must(transaction->commit(), "commit");
  }
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2) {
    fmt::print(stderr, "usage: check_store NEW_DIRECTORY [objects=N] [clones=N] [edits=N] "
                       "[large=MIB]\n");
    return 2;
  }
  uint64_t objects = 0, clones = 0, edits = 0, large = 0;
  for (int i = 2; i < argc; ++i) {
    objects = number(argv[i], "objects", objects);
    clones = number(argv[i], "clones", clones);
    edits = number(argv[i], "edits", edits);
    large = number(argv[i], "large", large);
  }
  must(Store::create(argv[1], {}), "create");
  StoreOptions options;
  options.env = io::default_env();
  const auto store = must(Store::open(argv[1], options), "open");
  std::mt19937_64 random(1);
  if (objects > 0) {
    const ContainerId source = fill(*store, objects);
    for (uint64_t i = 0; i < clones; ++i) {
      clone_with_edits(*store, source, i, objects, edits, random);
    }
  }
  if (large > 0) fill_large(*store, large, random);
  must(store->close(), "close");
  return 0;
}
