// Resource types: FHIR R4's, and those by which Medplum's clients administer projects.
#pragma once

#include <array>
#include <map>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "engine/store.h"
#include "tools/serve/fhir/errors.h"

namespace ramet::serve::fhir {

bool is_known_type(std::string_view name);
// All of them, ascending.
std::vector<std::string_view> known_types();

// Which number a type has in the store: that of "fhir.<Type>"; Binary is a file, whose content are
// its bytes. Thread-safe.
class Types {
 public:
  explicit Types(Store& store) : store_(store) {}
  // Requires: a known type. A new one is a commit, once for a store.
  Result<TypeNumber> number(std::string_view name);
  Result<std::string> name(TypeNumber number);

 private:
  Store& store_;
  std::mutex mutex_;
  std::map<std::string, TypeNumber, std::less<>> numbers_;  // guarded by mutex_, as below
  std::map<TypeNumber, std::string> names_;
};

}  // namespace ramet::serve::fhir
