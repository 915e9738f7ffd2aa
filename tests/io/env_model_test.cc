// Random operations on names and content give, over every implementation, the results and error
// codes of a plain model.
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <map>
#include <optional>

#include "tests/io/env_fixture.h"

namespace ramet::test {
namespace {

using io::OpenMode;

class EnvModel : public EnvTest {};
INSTANTIATE_TEST_SUITE_P(All, EnvModel, testing::Values("posix", "uring", "sim"), env_test_name);

// Files by path in three directories, "", "a/" and "b/", of which the last two may be missing.
struct Model {
  std::map<std::string, Bytes> files;
  std::map<std::string, bool> directories{{"a", false}, {"b", false}};

  bool parent_exists(const std::string& path) const {
    const size_t slash = path.find('/');
    return slash == std::string::npos || directories.at(path.substr(0, slash));
  }
  bool is_empty(const std::string& directory) const {
    const auto entry = files.lower_bound(directory + "/");
    return entry == files.end() || !entry->first.starts_with(directory + "/");
  }
};

using Outcome = std::optional<ErrorCode>;  // nothing: success

template <typename R>
Outcome outcome(const R& result) {
  if (result.ok()) return std::nullopt;
  return result.error().code();
}

class Runner {
 public:
  Runner(io::Env& env, std::string root) : env_(env), root_(std::move(root)) {}

  void step(uint64_t number) {
    const std::string path = *rc::gen::element<std::string>("x", "y", "a/x", "a/y", "b/x");
    const std::string directory = *rc::gen::element<std::string>("a", "b");
    switch (*rc::gen::inRange(0, 12)) {
      case 0: return create(path);
      case 1: return rename(path, *rc::gen::element<std::string>("x", "z", "a/y", "b/z"));
      case 2: return remove(path);
      case 3: return create_directory(directory);
      case 4: return remove_directory(directory);
      case 5: RC_ASSERT(*env_.exists(at(path)) == model_.files.contains(path)); return;
      default: return use_file(path, number);
    }
  }

  void compare_all() {
    for (const auto& [path, content] : model_.files) {
      RC_ASSERT(*io::read_file(env_, at(path)) == content);
    }
    for (const std::string directory : {"", "a", "b"}) {
      if (!directory.empty() && !model_.directories[directory]) {
        RC_ASSERT(outcome(env_.list(at(directory))) == ErrorCode::kNotFound);
      } else {
        RC_ASSERT(*env_.list(at(directory)) == names_in(directory));
      }
    }
  }

 private:
  std::string at(const std::string& path) const { return root_ + "/" + path; }

  std::vector<std::string> names_in(const std::string& directory) const {
    std::vector<std::string> names;
    const std::string prefix = directory.empty() ? "" : directory + "/";
    for (const auto& [path, content] : model_.files) {
      if (!path.starts_with(prefix)) continue;
      const std::string rest = path.substr(prefix.size());
      if (rest.find('/') == std::string::npos) names.push_back(rest);
    }
    if (directory.empty()) {
      for (const auto& [name, there] : model_.directories) {
        if (there) names.push_back(name);
      }
    }
    std::sort(names.begin(), names.end());
    return names;
  }

  void create(const std::string& path) {
    Outcome expected;
    if (!model_.parent_exists(path)) expected = ErrorCode::kNotFound;
    if (model_.files.contains(path)) expected = ErrorCode::kAlreadyExists;
    RC_ASSERT(outcome(env_.open(at(path), OpenMode::kCreateExclusive)) == expected);
    if (!expected) model_.files[path];
  }

  void rename(const std::string& from, const std::string& to) {
    Outcome expected;
    if (!model_.files.contains(from) || !model_.parent_exists(to)) {
      expected = ErrorCode::kNotFound;
    }
    RC_ASSERT(outcome(env_.rename(at(from), at(to))) == expected);
    if (expected || from == to) return;
    model_.files[to] = std::move(model_.files[from]);
    model_.files.erase(from);
  }

  void remove(const std::string& path) {
    const Outcome expected =
        model_.files.contains(path) ? Outcome() : Outcome(ErrorCode::kNotFound);
    RC_ASSERT(outcome(env_.remove(at(path))) == expected);
    model_.files.erase(path);
  }

  void create_directory(const std::string& path) {
    bool& there = model_.directories[path];
    RC_ASSERT(outcome(env_.create_directory(at(path))) ==
              (there ? Outcome(ErrorCode::kAlreadyExists) : Outcome()));
    there = true;
  }

  void remove_directory(const std::string& path) {
    bool& there = model_.directories[path];
    Outcome expected;
    if (!there) expected = ErrorCode::kNotFound;
    if (there && !model_.is_empty(path)) expected = ErrorCode::kIoError;
    RC_ASSERT(outcome(env_.remove_directory(at(path))) == expected);
    if (!expected) there = false;
  }

  void use_file(const std::string& path, uint64_t number) {
    auto opened = env_.open(at(path), OpenMode::kReadWrite);
    RC_ASSERT(opened.ok() == model_.files.contains(path));
    if (!opened.ok()) return;
    io::File& file = **opened;
    Bytes& content = model_.files[path];
    const auto offset = *rc::gen::inRange<size_t>(0, 9000);
    const auto length = *rc::gen::inRange<size_t>(0, 9000);
    switch (*rc::gen::inRange(0, 7)) {
      case 0:
        RC_ASSERT(file.truncate(offset).ok());
        content.resize(offset);
        break;
      case 1:
        RC_ASSERT(file.punch_hole(offset, length).ok());
        for (size_t i = offset; i < std::min(content.size(), offset + length); ++i) content[i] = 0;
        break;
      case 2:
        RC_ASSERT(file.allocate(offset, length).ok());
        if (length > 0) content.resize(std::max(content.size(), offset + length));
        RC_ASSERT(*file.allocated_bytes() >= length);
        break;
      case 3: RC_ASSERT(file.sync_data().ok()); break;
      case 4: write_pieces(file, content, number); break;
      default: write(file, content, offset, pattern(length, number)); break;
    }
    RC_ASSERT(*file.size() == content.size());
    read(file, content, *rc::gen::inRange<size_t>(0, 9000), *rc::gen::inRange<size_t>(0, 9000));
  }

  static void put(Bytes& content, size_t offset, ByteView data) {
    if (data.empty()) return;
    content.resize(std::max(content.size(), offset + data.size()));
    std::copy(data.begin(), data.end(), content.begin() + static_cast<long>(offset));
  }

  static void write(io::File& file, Bytes& content, size_t offset, const Bytes& data) {
    RC_ASSERT(file.write(offset, data).ok());
    put(content, offset, data);
  }

  static void write_pieces(io::File& file, Bytes& content, uint64_t number) {
    const Bytes data = pattern(3000, number);
    std::vector<io::WritePiece> pieces;
    size_t offset = *rc::gen::inRange<size_t>(0, 5000);
    for (size_t i = 0; i < 10; ++i) {
      const auto length = *rc::gen::inRange<size_t>(0, 300);
      pieces.push_back({offset, ByteView(data).substr(i * 300, length)});
      put(content, offset, pieces.back().data);
      offset += length + *rc::gen::element<size_t>(0, 1, 700);
    }
    RC_ASSERT(file.write_batch(pieces).ok());
  }

  static void read(io::File& file, const Bytes& content, size_t offset, size_t length) {
    const Bytes expected = offset < content.size() ? content.substr(offset, length) : "";
    Bytes into(length, 'x');
    RC_ASSERT(*file.read(offset, into) == expected.size());
    RC_ASSERT(into.substr(0, expected.size()) == expected);
    const io::ReadPiece piece{offset, into};
    const std::vector<io::ReadPiece> pieces(*rc::gen::element<size_t>(1, 6), piece);
    const bool whole = expected.size() == length;
    RC_ASSERT(outcome(file.read_batch({pieces.data(), 1})) ==
              (whole ? Outcome() : Outcome(ErrorCode::kCorruption)));
  }

  io::Env& env_;
  const std::string root_;
  Model model_;
};

TEST_P(EnvModel, RandomOperationsGiveTheResultsOfAPlainModel) {
  int runs = 0;
  EXPECT_TRUE(rc::check("operations match the model", [&] {
    const std::string root = path(std::to_string(++runs));
    RC_ASSERT(env().create_directory(root).ok());
    Runner runner(env(), root);
    const auto steps = *rc::gen::inRange<uint64_t>(0, 60);
    for (uint64_t i = 0; i < steps; ++i) runner.step(i);
    runner.compare_all();
  }));
}

}  // namespace
}  // namespace ramet::test
