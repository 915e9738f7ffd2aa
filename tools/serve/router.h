// Which face answers a request, and what the server answers itself: health and metrics.
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "tools/serve/http.h"
#include "tools/serve/services.h"

namespace ramet::serve {

struct Routes {
  Face* rest = nullptr;  // /v1, /openapi.json
  Face* s3 = nullptr;    // everything else; null: 404
  Face* dnanexus = nullptr;  // what dnanexus::takes() (dnanexus/routing.h); null: S3's
  Face* fhir = nullptr;      // what fhir::takes() (fhir/routing.h); null: S3's
  std::string s3_domain; // hosts below it belong to buckets, and so do all their paths
  // Whether the store takes writes, and why not. Asked on a worker.
  std::function<Status()> ready;
  // Whether this bearer token is a super admin's. Asked on a worker.
  std::function<bool(std::string_view token)> is_operator;
};

// /healthz (alive, without credentials), /readyz, /metrics, and the faces. What `routes` points to,
// workers and metrics must outlive the handler.
Handler make_router(Routes routes, Workers& workers, Metrics& metrics);

// /metrics, /healthz and /readyz without credentials, for a door that nobody else reaches.
Handler make_operator_router(Routes routes, Workers& workers, Metrics& metrics);

// A face that knows nothing: 404.
class NoFace final : public Face {
 public:
  Task<Response> handle(Request& request, Body& body) override;
};

}  // namespace ramet::serve
