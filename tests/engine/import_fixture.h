// A store and a source tree in a directory of their own, for tests of import and export.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "engine/content/importer.h"
#include "engine/import.h"
#include "engine/store.h"
#include "engine/tree/cursor.h"
#include "format/keys.h"
#include "io/env.h"
#include "tests/support/temp_dir.h"
#include "tests/support/tree_compare.h"
#include "tests/support/tree_files.h"

namespace ramet::test {

inline StoreOptions small_store_options() {
  StoreOptions options;
  options.env = io::default_env();
  options.background = false;
  options.ballast_bytes = 1 << 20;
  options.transaction_bytes_max = 64 << 10;  // so that trees of a test spill
  return options;
}

// One store with one container, closed at the end.
class OpenStore {
 public:
  explicit OpenStore(const std::string& path) {
    EXPECT_TRUE(Store::create(path, small_store_options()).ok());
    auto opened = Store::open(path, small_store_options());
    RAMET_CHECK(opened.ok(), "the store cannot be opened");
    store_ = std::move(*opened);
    auto made = store_->create_container("c");
    RAMET_CHECK(made.ok(), "no container");
    container_ = made->id;
  }
  ~OpenStore() { EXPECT_TRUE(store_->close().ok()); }
  OpenStore(const OpenStore&) = delete;
  OpenStore& operator=(const OpenStore&) = delete;

  Store& store() { return *store_; }
  ContainerId container() const { return container_; }
  std::shared_ptr<const View> view() {
    auto made = store_->view(container_);
    EXPECT_TRUE(made.ok());
    return *made;
  }

  CopyReport import(const std::string& from, const std::string& to,
                    const ImportOptions& options = {}, io::SourceOptions source = {}) {
    auto report =
        engine::import_with(*store_, container_, from, to, options, std::move(source));
    EXPECT_TRUE(report.ok()) << (report.ok() ? "" : report.error().to_string());
    return report.ok() ? std::move(*report) : CopyReport{};
  }
  CopyReport export_to(const std::string& from, const std::string& to,
                       const ExportOptions& options = {}) {
    auto report = export_tree(*view(), from, to, options);
    EXPECT_TRUE(report.ok()) << (report.ok() ? "" : report.error().to_string());
    return report.ok() ? std::move(*report) : CopyReport{};
  }

 private:
  std::unique_ptr<Store> store_;
  ContainerId container_;
};

class ImportTest : public testing::Test {
 protected:
  ImportTest() : store_(dir_.file("store")) { make_folder(tree()); }

  std::string tree(const std::string& name = {}) const {
    return dir_.file(name.empty() ? "tree" : "tree/" + name);
  }
  std::string out(const std::string& name = {}) const {
    return dir_.file(name.empty() ? "out" : "out/" + name);
  }
  // Exports and compares everything with the source.
  void expect_equal(const std::string& from = "/", const std::string& to = "out") {
    const CopyReport report = store_.export_to(from, dir_.file(to));
    EXPECT_TRUE(report.problems.empty()) << report.problems.front().reason;
    EXPECT_EQ(tree_difference(tree(), dir_.file(to)), "");
  }
  // Content that no object has.
  size_t stray_extents() {
    auto transaction = store_.store().begin(store_.container());
    const auto reader = static_cast<engine::TransactionImpl&>(**transaction).reader();
    const KeyRange range = space_range(ContainerSpace::kExtent);
    engine::Cursor cursor(reader.context(), reader.root());
    size_t strays = 0;
    EXPECT_TRUE(cursor.seek(range.from).ok());
    while (cursor.valid() && range.contains(cursor.key())) {
      if (!reader.object(decode_extent_key(cursor.key())->id).ok()) ++strays;
      EXPECT_TRUE(cursor.next().ok());
    }
    return strays;
  }
  std::string stored(const std::string& path) {
    const auto view = store_.view();
    const auto entry = view->lookup(path);
    if (!entry.ok()) return "missing";
    std::string bytes(entry->size, '\0');
    const auto read = view->read(entry->object, 0, bytes);
    return read.ok() ? bytes : read.error().to_string();
  }

  TempDir dir_;
  OpenStore store_;
};

}  // namespace ramet::test
