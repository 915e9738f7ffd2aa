// The house rules that a program can check: include direction, forbidden libraries, layout of
// lines. Method: reads every source file of the repository. That each header compiles alone is
// checked by the build target ramet_headers_alone.
#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <set>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

#include <fmt/format.h>
#include <gtest/gtest.h>

namespace ramet {
namespace {

namespace fs = std::filesystem;

constexpr size_t kColumnsMax = 100;

struct Source {
  std::string name;  // from the root of the repository
  std::vector<std::string> lines;
};

bool is_cpp(std::string_view name) { return name.ends_with(".h") || name.ends_with(".cc"); }

bool is_source(const fs::path& path) {
  static const std::set<std::string> kExtensions = {".h", ".cc", ".c", ".fbs", ".cmake", ".py"};
  if (path.filename() == "CMakeLists.txt") return true;
  if (!path.extension().empty()) return kExtensions.contains(path.extension().string());
  std::ifstream in(path, std::ios::binary);  // scripts have no extension
  char begin[2] = {};
  in.read(begin, 2);
  return begin[0] == '#' && begin[1] == '!';
}

Source load_source(const fs::path& root, const fs::path& path) {
  Source source{path.lexically_relative(root).generic_string(), {}};
  std::ifstream in(path, std::ios::binary);
  std::string line;
  while (std::getline(in, line)) source.lines.push_back(line);
  return source;
}

const std::vector<Source>& sources() {
  static const std::vector<Source> all = [] {
    const fs::path root = RAMET_SOURCE_DIR;
    std::vector<Source> found = {load_source(root, root / "CMakeLists.txt")};
    for (const char* folder :
         {".ci", "cmake", "format", "io", "engine", "tools", "tests", "bench"}) {
      if (!fs::exists(root / folder)) continue;
      for (const auto& entry : fs::recursive_directory_iterator(root / folder)) {
        if (entry.is_regular_file() && is_source(entry.path())) {
          found.push_back(load_source(root, entry.path()));
        }
      }
    }
    std::sort(found.begin(), found.end(),
              [](const Source& a, const Source& b) { return a.name < b.name; });
    return found;
  }();
  return all;
}

// Findings of one rule over all sources; a line of the test's output each.
template <typename Rule>
std::string findings(const Rule& rule) {
  std::string out;
  for (const Source& source : sources()) {
    for (size_t i = 0; i < source.lines.size(); ++i) {
      const std::string wrong = rule(source, source.lines[i]);
      if (!wrong.empty()) out += fmt::format("{}:{}: {}\n", source.name, i + 1, wrong);
    }
  }
  return out;
}

// What stands between the quotes or brackets of an include line; empty for other lines.
struct Include {
  std::string name;
  bool quoted = false;
};
Include parse_include(std::string_view line) {
  size_t at = line.find_first_not_of(" ");
  if (at == std::string_view::npos || line[at] != '#') return {};
  at = line.find_first_not_of(" ", at + 1);
  if (at == std::string_view::npos || line.substr(at, 7) != "include") return {};
  const size_t open = line.find_first_of("\"<", at + 7);
  if (open == std::string_view::npos) return {};
  const bool quoted = line[open] == '"';
  const size_t close = line.find(quoted ? '"' : '>', open + 1);
  if (close == std::string_view::npos) return {};
  return {std::string(line.substr(open + 1, close - open - 1)), quoted};
}

std::string folder_of(std::string_view name) { return std::string(name.substr(0, name.find('/'))); }

// tools -> engine -> io -> format; tests and bench see everything.
int layer_of(const std::string& folder) {
  static const std::map<std::string, int> kLayers = {{"format", 0}, {"io", 1},    {"engine", 2},
                                                     {"tools", 3},  {"bench", 4}, {"tests", 4}};
  const auto found = kLayers.find(folder);
  return found == kLayers.end() ? -1 : found->second;
}

std::string check_include(const std::string& file, std::string_view line) {
  const Include include = parse_include(line);
  if (include.name.empty()) return "";
  const int own = layer_of(folder_of(file));
  if (!include.quoted) {
    if (own > 2) return "";
    for (const char* forbidden : {"CLI/", "fuse", "nlohmann/", "spdlog/", "boost/"}) {
      if (include.name.starts_with(forbidden)) {
        return fmt::format("<{}> belongs into tools/", include.name);
      }
    }
    return "";
  }
  const std::string folder = folder_of(include.name);
  const int theirs = layer_of(folder);
  if (include.name.find('/') == std::string::npos || theirs < 0) {
    return fmt::format("\"{}\" is not written from the root of the repository", include.name);
  }
  if (theirs > own) return fmt::format("{} may not include {}", folder_of(file), folder);
  const auto depth = std::count(include.name.begin(), include.name.end(), '/');
  if (folder_of(file) == "tools" && folder == "engine" && depth != 1) {
    return fmt::format("\"{}\" is not public: tools see only headers directly in engine/",
                       include.name);
  }
  if (file.starts_with("engine/index/") && folder == "engine" &&
      !include.name.starts_with("engine/index/")) {
    return "engine/index includes io/ and format/ only";
  }
  return "";
}

// Code points, not bytes.
size_t columns(std::string_view line) {
  return static_cast<size_t>(
      std::count_if(line.begin(), line.end(), [](char c) { return (c & 0xC0) != 0x80; }));
}

bool has_word(std::string_view line, std::string_view word) {
  const auto is_letter = [](char c) { return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z'); };
  for (size_t at = line.find(word); at != std::string_view::npos; at = line.find(word, at + 1)) {
    const size_t end = at + word.size();
    const bool begins = at == 0 || !is_letter(line[at - 1]);
    if (begins && (end == line.size() || !is_letter(line[end]))) return true;
  }
  return false;
}

std::string check_layout(std::string_view line) {
  if (columns(line) > kColumnsMax) return fmt::format("{} columns", columns(line));
  if (line.find('\t') != std::string_view::npos) return "a tab";
  if (line.ends_with('\r')) return "a carriage return";
  if (line.ends_with(' ')) return "space at the end";
  return "";
}

// Types that a file defines in a named namespace, "ramet::engine::Store".
std::vector<std::string> types_of(const std::vector<std::string>& lines) {
  std::vector<std::string> out, spaces;
  for (const std::string& line : lines) {
    std::istringstream words(line);
    std::string first, second, third;
    words >> first >> second >> third;
    if (line.starts_with("namespace ")) {
      spaces.push_back(third == "{" ? second : "");  // (without a name: of this file alone)
    } else if (line.starts_with("}  // namespace") && !spaces.empty()) {
      spaces.pop_back();
    } else if (line.starts_with("struct ") || line.starts_with("class ")) {
      const bool anonymous = std::find(spaces.begin(), spaces.end(), "") != spaces.end();
      if (anonymous || !line.ends_with("{")) continue;
      std::string name;
      for (const std::string& space : spaces) name += space + "::";
      out.push_back(name + (second.starts_with("[[") ? third : second));
    }
  }
  return out;
}

// Written in two pieces, so that this file passes.
const std::vector<std::string> kUnfinished = {std::string("TO") + "DO", std::string("FIX") + "ME",
                                              std::string("XX") + "X", std::string("HA") + "CK"};

TEST(Tidy, SourcesAreFound) {
  std::set<std::string> folders;
  for (const Source& source : sources()) folders.insert(folder_of(source.name));
  for (const char* folder : {"format", "io", "engine", "tools", "tests"}) {
    EXPECT_TRUE(folders.contains(folder)) << folder;
  }
}

TEST(Tidy, IncludesPointFromToolsToFormatOnly) {
  EXPECT_EQ(findings([](const Source& source, const std::string& line) {
              return is_cpp(source.name) ? check_include(source.name, line) : "";
            }),
            "");
}

TEST(Tidy, LinesAreShortAndWithoutTabsOrSpaceAtTheEnd) {
  EXPECT_EQ(findings([](const Source&, const std::string& line) { return check_layout(line); }),
            "");
}

TEST(Tidy, NothingIsLeftUnfinished) {
  EXPECT_EQ(findings([](const Source&, const std::string& line) -> std::string {
              for (const std::string& word : kUnfinished) {
                if (has_word(line, word)) return word;
              }
              return "";
            }),
            "");
}

// Two types of one name are one to the linker, which takes the functions of either.
TEST(Tidy, EachTypeIsDefinedOnce) {
  std::map<std::string, std::string> files;
  for (const Source& source : sources()) {
    if (!is_cpp(source.name) || layer_of(folder_of(source.name)) < 0) continue;
    if (folder_of(source.name) == "tests" || folder_of(source.name) == "bench") continue;
    for (const std::string& type : types_of(source.lines)) {
      const auto [other, added] = files.emplace(type, source.name);
      EXPECT_TRUE(added) << type << " in " << source.name << " and in " << other->second;
    }
  }
  EXPECT_GT(files.size(), 100u);
}

TEST(Tidy, HeadersSayPragmaOnce) {
  for (const Source& source : sources()) {
    if (!source.name.ends_with(".h")) continue;
    EXPECT_EQ(std::count(source.lines.begin(), source.lines.end(), "#pragma once"), 1)
        << source.name;
  }
}

TEST(Tidy, FilesEndWithOneNewline) {
  for (const Source& source : sources()) {
    std::ifstream in(fs::path(RAMET_SOURCE_DIR) / source.name, std::ios::binary | std::ios::ate);
    const auto size = static_cast<std::streamoff>(in.tellg());
    if (size == 0) continue;
    char last = 0;
    in.seekg(size - 1);
    in.get(last);
    EXPECT_EQ(last, '\n') << source.name;
    EXPECT_FALSE(source.lines.back().empty()) << source.name << " ends with an empty line";
  }
}

// The rules themselves, so that a rule that catches nothing is noticed.
TEST(TidyRules, WrongIncludesAreFound) {
  EXPECT_EQ(check_include("engine/store.h", "#include \"io/env.h\""), "");
  EXPECT_EQ(check_include("tools/main.cc", "#include \"engine/store.h\""), "");
  EXPECT_EQ(check_include("tools/main.cc", "#include <CLI/CLI.hpp>"), "");
  EXPECT_EQ(check_include("tests/a_test.cc", "#include \"engine/log/recovery.h\""), "");
  EXPECT_NE(check_include("format/keys.cc", "#include \"io/env.h\""), "");
  EXPECT_NE(check_include("io/env.cc", "#  include \"engine/store.h\""), "");
  EXPECT_NE(check_include("engine/store.cc", "#include \"tools/json.h\""), "");
  EXPECT_NE(check_include("tools/main.cc", "#include \"engine/log/recovery.h\""), "");
  EXPECT_NE(check_include("engine/index/a.cc", "#include \"engine/block/segment.h\""), "");
  EXPECT_NE(check_include("engine/store.cc", "#include <nlohmann/json.hpp>"), "");
  EXPECT_NE(check_include("io/env.cc", "#include <spdlog/spdlog.h>"), "");
  EXPECT_NE(check_include("engine/store.cc", "#include <fuse3/fuse.h>"), "");
  EXPECT_NE(check_include("engine/store.cc", "#include \"store.h\""), "");
}

TEST(TidyRules, TypesAreFoundWhereTheyHaveAName) {
  const std::vector<std::string> lines = {"namespace ramet::engine {", "struct A {", "};",
                                          "struct B;", "namespace {", "struct C {", "};",
                                          "}  // namespace", "class D : public A {", "};",
                                          "}  // namespace ramet::engine"};
  EXPECT_EQ(types_of(lines),
            (std::vector<std::string>{"ramet::engine::A", "ramet::engine::D"}));
}

TEST(TidyRules, WrongLinesAreFound) {
  EXPECT_EQ(check_layout(std::string(100, 'x')), "");
  EXPECT_NE(check_layout(std::string(101, 'x')), "");
  std::string umlauts;
  for (int i = 0; i < 100; ++i) umlauts += "\xC3\xA4";
  EXPECT_EQ(check_layout(umlauts), "");
  EXPECT_NE(check_layout("a\tb"), "");
  EXPECT_NE(check_layout("a "), "");
  EXPECT_NE(check_layout("a\r"), "");
  EXPECT_TRUE(has_word("// " + kUnfinished[0] + ": later", kUnfinished[0]));
  EXPECT_FALSE(has_word("mkdtemp(\"ramet-XXXXXX\")", kUnfinished[2]));
}

}  // namespace
}  // namespace ramet
