// The service document, and the description of the whole API.
#include <fmt/format.h>

#include "tools/serve/rest/handlers.h"
#include "tools/serve/rest/openapi.h"

namespace ramet::serve::rest {

Task<Answer> get_service(Call& call) {
  co_return co_await call.quick([&]() -> Answer {
    RAMET_ASSIGN(const StoreInfo info, call.store().info());
    Json json;
    json["service"] = "ramet";
    json["api"] = "v1";
    json["store"] = to_uuid(info.id);
    json["sequence"] = info.sequence;
    json["read_only"] = info.read_only;
    Json links;
    links["description"] = "/v1/openapi.json";
    links["me"] = "/v1/me";
    links["containers"] = "/v1/containers";
    links["clone"] = "/v1/clone";
    links["dropped"] = "/v1/dropped";
    links["usage"] = "/v1/usage";
    links["jobs"] = "/v1/jobs";
    links["users"] = "/v1/users";
    links["groups"] = "/v1/groups";
    links["tokens"] = "/v1/tokens";
    links["keys"] = "/v1/keys";
    links["audit"] = "/v1/audit";
    json["links"] = std::move(links);
    return json_response(200, json);
  });
}

Task<Answer> get_openapi(Call&) {
  Response response;
  response.fields.set("Content-Type", "application/json");
  response.fields.set("Cache-Control", "private, max-age=3600");
  response.body = openapi_text();
  co_return response;
}

}  // namespace ramet::serve::rest
