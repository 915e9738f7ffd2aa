// Which handler a request of /fhir/R4 goes to. Pure; thread-safe.
#pragma once

#include "tools/serve/fhir/handlers.h"

namespace ramet::serve::fhir {

struct Route {
  CallHandler handler = nullptr;
  std::string_view operation;    // for logs and metrics
  bool reads = false;            // it may be tried where nothing waits
  bool needs_login = true;
  bool is_binary = false;        // its body goes through write_binary()
  bool takes_form = false;       // its body is no JSON
};

// By method and path (call.path, as the root has it: "fhir", "R4", ... are taken off by the caller
// for those of FHIR). nullptr: there is none.
const Route* find_fhir_route(const Request& request, const std::vector<std::string>& path);
const Route* find_other_route(const Request& request, const std::vector<std::string>& path);
// "/a/b%20c" -> "a", "b c". kInvalid: a broken escape.
Outcome<std::vector<std::string>> split_url_path(std::string_view path);

// An entry of a batch: a request of /fhir/R4 whose body was read, by a login.
Outcome<Answer> dispatch_entry(Call& call);

}  // namespace ramet::serve::fhir
