// The FHIR face: who asks, what for, and the answer (docs/fhir.md).
#include <array>

#include <fmt/format.h>

#include "tools/serve/content_source.h"
#include "tools/serve/fhir/dispatch.h"
#include "tools/serve/fhir/handlers.h"
#include "tools/serve/fhir/jobs.h"
#include "tools/serve/fhir/routing.h"
#include "tools/serve/parse_json.h"

namespace ramet::serve {
namespace fhir {
namespace {

constexpr std::string_view kRoot = "/fhir/R4";

bool is_below(std::string_view path, std::string_view root) {
  return path.starts_with(root) && (path.size() == root.size() || path[root.size()] == '/');
}

// What only another format would please gets none.
bool accepts_json(const Request& request) {
  const std::string_view accept = request.fields.get("accept");
  const auto says = [&](std::string_view what) { return accept.find(what) != accept.npos; };
  return (!says("xml") && !says("turtle")) || says("json") || says("*/*") || says("application/*");
}

class FhirFace : public Face {
 public:
  explicit FhirFace(Services& services) : shared_(services) {}
  ~FhirFace() override {
    ignore_error(shared_.auth.failed_logins.write(), "the store is about to be closed");
  }

  Status tick() override { return shared_.auth.failed_logins.write(); }

  Task<Response> handle(Request& request, Body& body) override {
    Call call{shared_, request, {}, {}, {}, nullptr, {}};
    const bool is_fhir = is_below(request.path, kRoot);
    const Route* route = nullptr;
    auto answer = co_await answer_of(call, body, is_fhir, &route);
    Response response;
    if (!answer.ok() && !answer.error().internal.empty()) response.error = answer.error().internal;
    if (!answer.ok() && response.error.empty()) response.error = answer.error().text;
    Answer out = answer.ok() ? std::move(*answer) : fault_answer(answer.error());
    if (out.content != nullptr) {
      response = std::move(*out.content);
    } else {
      response.status = out.status;
      response.body = std::move(out.body);
      if (!response.body.empty()) response.fields.set("Content-Type", out.media_type);
    }
    for (const auto& field : out.fields) response.fields.set(field.name, field.value);
    response.fields.set("X-Content-Type-Options", "nosniff");
    response.fields.set("Cache-Control", "no-store");
    if (request.method == "HEAD" && out.content == nullptr) {
      response.length = response.body.size();
      response.body.clear();
    }
    response.operation = route == nullptr ? "fhir.none" : fmt::format("fhir.{}", route->operation);
    response.principal = call.login.principal;
    co_return response;
  }

 private:
  Task<Outcome<Answer>> answer_of(Call& call, Body& body, bool is_fhir, const Route** used) {
    std::string_view path = call.request.path;
    if (is_fhir) path.remove_prefix(kRoot.size());
    auto parts = split_url_path(path);
    if (!parts.ok()) co_return std::move(parts).error();
    call.path = std::move(*parts);
    auto params = parse_query(call.request.query);
    if (!params.ok()) co_return std::move(params).error();
    call.params = std::move(*params);
    const Route* const route = is_fhir ? find_fhir_route(call.request, call.path)
                                       : find_other_route(call.request, call.path);
    *used = route;
    if (route == nullptr || route->needs_login) {
      const auto ask = [&] { return authenticate(shared_, call.request); };
      auto login = co_await call.workers().run_quick(ask);
      if (!login.ok()) co_return std::move(login).error();
      call.login = std::move(*login);
    }
    if (route == nullptr) {
      co_return Fault(Issue::kNotFound, fmt::format("there is no {} {}", call.request.method,
                                                    call.request.path));
    }
    if (!accepts_json(call.request) && route->operation != "ReadBinary") {
      co_return Fault(Issue::kNotAcceptable, "answers are JSON");
    }
    if (route->is_binary) co_return co_await write_binary(call, body);
    RAMET_CO_TRY(co_await read_input(call, body, *route));
    const auto work = [&] { return route->handler(call); };
    if (route->reads) co_return co_await call.workers().run_quick(work);
    co_return co_await call.workers().run(work);
  }

  Task<Outcome<void>> read_input(Call& call, Body& body, const Route& route) {
    const uint64_t max = shared_.services.options.document_bytes_max;
    auto head = co_await read_head(body, max);
    if (!head.ok()) co_return std::move(head).error();
    if (!head->whole) {
      co_return Fault(Issue::kTooLarge, fmt::format("the body is longer than {} bytes", max));
    }
    call.body = std::move(head->bytes);
    const std::string& method = call.request.method;
    if (call.body.empty() || route.takes_form || method == "GET" || method == "HEAD" ||
        method == "DELETE") {
      co_return Outcome<void>();
    }
    const auto parse = [&call] { return parse_json(call.body); };
    auto input = co_await call.workers().run(parse);
    if (!input.ok()) co_return Fault(Issue::kStructure, input.error().message());
    call.input = std::move(*input);
    co_return Outcome<void>();
  }

  Shared shared_;
};

}  // namespace

bool takes(const Request& request) {
  constexpr std::array<std::string_view, 4> kRoots = {kRoot, "/oauth2", "/auth",
                                                      "/admin/projects"};
  return std::any_of(kRoots.begin(), kRoots.end(), [&](std::string_view root) {
    return is_below(request.path, root);
  });
}

}  // namespace fhir

std::unique_ptr<Face> make_fhir_face(Services& services) {
  return std::make_unique<fhir::FhirFace>(services);
}

}  // namespace ramet::serve
