// The table of all routes of the REST face: what dispatch goes by, and what the tests of the
// OpenAPI description and of (route x level) go through.
#pragma once

#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tools/serve/http.h"

namespace ramet::serve::rest {

struct Call;
using Answer = Result<Response>;
using RouteHandler = Task<Answer> (*)(Call&);

// Who may call a route at all. Handlers ask for more where it depends on what is asked for.
enum class Need : uint8_t {
  kCaller,      // anyone with credentials
  kAccount,     // whose secret is not confined to containers (Scope::account)
  kSuperAdmin,  // also by a secret of account scope
  kView,        // these four: the level in the {container} of the path
  kUpload,
  kContribute,
  kAdminister,
};
std::string_view need_name(Need need);

struct Route {
  std::string_view method;
  // Segments in braces are parameters; one at the end with dots, as "{path...}", takes the rest of
  // the path with its slashes, which may be nothing.
  std::string_view pattern;
  std::string_view operation;  // the OpenAPI operationId; logs and metrics have "rest." before it
  Need need = Need::kCaller;
  std::string_view query;      // names of the query parameters, separated by spaces
  RouteHandler handler = nullptr;
};

std::span<const Route> routes();

// As they stand in the path, still percent-encoded.
using PathParams = std::vector<std::pair<std::string_view, std::string_view>>;

// The route for a method and a path as it was sent. Null: none; then `allowed` has the methods that
// this path does have ("GET, PUT"), nothing if there is no such path.
const Route* find_route(std::string_view method, std::string_view path, PathParams& params,
                        std::string& allowed);

}  // namespace ramet::serve::rest
