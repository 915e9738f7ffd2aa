// A directory of its own for a test on a real file system; removed with all that is in it.
#pragma once

#include <stdlib.h>

#include <filesystem>
#include <string>
#include <system_error>

#include "format/check.h"

namespace ramet::test {

class TempDir {
 public:
  // Below `parent`, else $TMPDIR, else /tmp.
  explicit TempDir(const std::string& parent = {}) {
    const char* tmp = ::getenv("TMPDIR");
    std::string base = parent;
    if (base.empty()) base = tmp != nullptr && *tmp != '\0' ? tmp : "/tmp";
    path_ = base + "/ramet-test-XXXXXX";
    RAMET_CHECK(::mkdtemp(path_.data()) != nullptr, "no temporary directory could be made");
  }
  ~TempDir() {
    std::error_code ignored;  // what cannot be removed is left to the system's own cleaning
    std::filesystem::remove_all(path_, ignored);
  }
  TempDir(const TempDir&) = delete;
  TempDir& operator=(const TempDir&) = delete;

  const std::string& path() const { return path_; }
  // "<path>/name"
  std::string file(const std::string& name) const { return path_ + "/" + name; }

 private:
  std::string path_;
};

}  // namespace ramet::test
