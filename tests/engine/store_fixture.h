// A store on real files with one container, "c", for tests of the public interface.
#pragma once

#include <gtest/gtest.h>

#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <string>

#include "engine/store.h"
#include "io/env.h"
#include "tests/support/temp_dir.h"
#include "tests/support/tree_files.h"

namespace ramet::test {

inline StoreOptions store_options() {
  StoreOptions options;
  options.env = io::default_env();
  options.ballast_bytes = 1 << 20;
  return options;
}

// "ok", or the name of the error's code.
template <typename Outcome>
std::string code_of(const Outcome& outcome) {
  return outcome.ok() ? "ok" : std::string(error_code_name(outcome.error().code()));
}

class StoreTest : public testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(Store::create(path_, store_options()).ok());
    open();
    container_ = store_->create_container("c")->id;
  }
  void TearDown() override {
    EXPECT_TRUE(!store_ || store_->close().ok());
  }

  void open() {
    auto opened = Store::open(path_, store_options());
    RAMET_CHECK(opened.ok(), "the store cannot be opened");
    store_ = std::move(*opened);
  }
  void reopen() {
    EXPECT_TRUE(store_->close().ok());
    store_.reset();
    open();
  }

  std::unique_ptr<Transaction> begin() {
    auto transaction = store_->begin(container_);
    EXPECT_TRUE(transaction.ok());
    return std::move(*transaction);
  }
  // One transaction, committed.
  void change(const std::function<void(Transaction&)>& body) {
    const auto transaction = begin();
    body(*transaction);
    const auto committed = transaction->commit();
    EXPECT_TRUE(committed.ok()) << committed.error().to_string();
  }
  // Writes one object, with the folders of its path; not committed.
  static ObjectId write(Transaction& transaction, const std::string& path,
                        const std::string& content) {
    const size_t slash = path.rfind('/');
    const auto folder = transaction.create_folders(path.substr(0, slash));
    EXPECT_TRUE(folder.ok());
    auto writer = transaction.write_content();
    EXPECT_TRUE((*writer)->append(content).ok());
    const auto id = transaction.put_object(*folder, path.substr(slash + 1), Attributes{},
                                           std::move(*writer));
    EXPECT_TRUE(id.ok()) << id.error().to_string();
    return id.ok() ? *id : ObjectId{};
  }
  void put_into(ContainerId container, const std::string& path, const std::string& content) {
    auto transaction = store_->begin(container);
    ASSERT_TRUE(transaction.ok()) << transaction.error().to_string();
    write(**transaction, path, content);
    const auto committed = (*transaction)->commit();
    ASSERT_TRUE(committed.ok()) << committed.error().to_string();
  }
  void put(const std::string& path, const std::string& content) {
    put_into(container_, path, content);
  }

  // The content of a path; of what cannot be read, the name of the error's code.
  std::string get_from(ContainerId container, const std::string& path,
                       const std::string& snapshot = {}) {
    const auto view = store_->view(container, snapshot);
    if (!view.ok()) return code_of(view);
    const auto entry = (*view)->lookup(path);
    if (!entry.ok()) return code_of(entry);
    std::string bytes(entry->size, '\0');
    const auto read = (*view)->read(entry->object, 0, bytes);
    return read.ok() ? bytes : code_of(read);
  }
  std::string get(const std::string& path, const std::string& snapshot = {}) {
    return get_from(container_, path, snapshot);
  }

  // Every file of the store with its bytes and time of change.
  std::map<std::string, std::pair<std::string, int64_t>> files() const {
    std::map<std::string, std::pair<std::string, int64_t>> out;
    for (const auto& file : std::filesystem::recursive_directory_iterator(path_)) {
      const auto changed = file.last_write_time().time_since_epoch().count();
      out[file.path()] = {file.is_regular_file() ? read_bytes(file.path()) : "", changed};
    }
    return out;
  }

  TempDir dir_;
  const std::string path_ = dir_.file("store");
  std::unique_ptr<Store> store_;
  ContainerId container_;
};

}  // namespace ramet::test
