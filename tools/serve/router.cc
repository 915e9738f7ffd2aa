#include "tools/serve/router.h"

#include <memory>

#include "tools/serve/dnanexus/routing.h"
#include "tools/serve/fhir/routing.h"
#include "tools/serve/metrics.h"
#include "tools/serve/response_head.h"

namespace ramet::serve {
namespace {

constexpr std::string_view kMetricsType = "text/plain; version=0.0.4; charset=utf-8";

struct Router {
  Routes routes;
  Workers& workers;
  Metrics& metrics;
  bool needs_token;
};
using Shared = std::shared_ptr<const Router>;

bool is_under(std::string_view path, std::string_view top) {
  return path.starts_with(top) && (path.size() == top.size() || path[top.size()] == '/');
}

// "bucket.DOMAIN" or "bucket.DOMAIN:9440".
bool is_bucket_host(std::string_view host, std::string_view domain) {
  if (domain.empty()) return false;
  host = host.substr(0, host.rfind(':'));
  return host.size() > domain.size() + 1 && host[host.size() - domain.size() - 1] == '.' &&
         same_name(host.substr(host.size() - domain.size()), domain);
}

bool reads(const Request& request) { return request.method == "GET" || request.method == "HEAD"; }

Response plain(int status, std::string body, const char* operation) {
  Response response;
  response.status = status;
  response.fields.add("Content-Type", "text/plain; charset=utf-8");
  response.fields.add("Cache-Control", "no-store");
  response.body = std::move(body);
  response.operation = operation;
  return response;
}

Response problem(const Request& request, int status, std::string_view detail,
                 const char* operation) {
  Response response = problem_response(status, detail, request.id);
  response.operation = operation;
  return response;
}

Response wrong_method(const Request& request, const char* operation) {
  Response response = problem(request, 405, "GET and HEAD alone", operation);
  response.fields.add("Allow", "GET, HEAD");
  return response;
}

std::string_view bearer_token(const Request& request) {
  constexpr std::string_view kScheme = "Bearer ";
  std::string_view value = request.fields.get("authorization");
  if (value.size() <= kScheme.size() || !same_name(value.substr(0, kScheme.size()), kScheme)) {
    return {};
  }
  value.remove_prefix(kScheme.size());
  while (value.starts_with(' ')) value.remove_prefix(1);
  return value;
}

// Says nothing about the store: whoever asks has shown no credentials.
Task<Response> health(const Request& request) {
  if (!reads(request)) co_return wrong_method(request, "server.Health");
  co_return plain(200, "ok\n", "server.Health");
}

Task<Response> readiness(Shared router, const Request& request) {
  if (!reads(request)) co_return wrong_method(request, "server.Ready");
  Status ready;
  if (router->routes.ready) {
    const auto ask = [&router] { return router->routes.ready(); };
    ready = co_await router->workers.run(ask);
  }
  if (ready.ok()) co_return plain(200, "ready\n", "server.Ready");
  Response response = plain(503, "not ready\n", "server.Ready");
  response.error = ready.error().message();
  co_return response;
}

Task<Response> scrape(Shared router, const Request& request) {
  if (!reads(request)) co_return wrong_method(request, "server.Metrics");
  if (router->needs_token) {
    const std::string token(bearer_token(request));
    bool allowed = false;
    if (!token.empty() && router->routes.is_operator) {
      const auto ask = [&] { return router->routes.is_operator(token); };
      allowed = co_await router->workers.run(ask);
    }
    if (!allowed) {
      Response response =
          problem(request, 401, "needs the token of a super admin", "server.Metrics");
      response.fields.add("WWW-Authenticate", "Bearer realm=\"ramet\"");
      co_return response;
    }
  }
  const auto collect = [&router] { return router->metrics.text(); };
  Response response = plain(200, co_await router->workers.run(collect), "server.Metrics");
  response.fields.set("Content-Type", std::string(kMetricsType));
  co_return response;
}

Task<Response> nothing_here(const Request& request) {
  co_return problem(request, 404, "nothing is here", "server.NotFound");
}

}  // namespace

Task<Response> NoFace::handle(Request& request, Body& /*body*/) { return nothing_here(request); }

// (No coroutine itself: a request to a face costs no frame more.)
Handler make_router(Routes routes, Workers& workers, Metrics& metrics) {
  const Shared router(new Router{std::move(routes), workers, metrics, true});
  return [router](Request& request, Body& body) -> Task<Response> {
    const std::string_view path = request.path;
    const bool bucket = is_bucket_host(request.host(), router->routes.s3_domain);
    if (!bucket && path == "/healthz") return health(request);
    if (!bucket && path == "/readyz") return readiness(router, request);
    if (!bucket && path == "/metrics") return scrape(router, request);
    Face* const dnanexus = router->routes.dnanexus;
    if (!bucket && dnanexus != nullptr && dnanexus::takes(request)) {
      return dnanexus->handle(request, body);
    }
    Face* const fhir = router->routes.fhir;
    if (!bucket && fhir != nullptr && fhir::takes(request)) return fhir->handle(request, body);
    const bool rest = !bucket && (is_under(path, "/v1") || path == "/openapi.json");
    Face* const face = rest ? router->routes.rest : router->routes.s3;
    return face == nullptr ? nothing_here(request) : face->handle(request, body);
  };
}

Handler make_operator_router(Routes routes, Workers& workers, Metrics& metrics) {
  const Shared router(new Router{std::move(routes), workers, metrics, false});
  return [router](Request& request, Body& /*body*/) -> Task<Response> {
    const std::string_view path = request.path;
    if (path == "/healthz") return health(request);
    if (path == "/readyz") return readiness(router, request);
    if (path == "/metrics") return scrape(router, request);
    return nothing_here(request);
  };
}

}  // namespace ramet::serve
