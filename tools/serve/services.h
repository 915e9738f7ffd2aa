// What every face is handed: the store, who may do what, and where to wait.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "engine/access.h"
#include "engine/store.h"
#include "tools/serve/http.h"
#include "tools/serve/workers.h"

namespace ramet::serve {

class Metrics;  // metrics.h
class Log;      // log.h

// Limits that faces keep; what belongs to the wire is the server's.
struct FaceOptions {
  std::string s3_domain;           // virtual-host style: BUCKET.DOMAIN; empty: path style alone
  std::string region = "us-east-1";
  int64_t clock_skew_max = 900'000'000'000;  // nanoseconds that a signature's time may be off
  uint64_t document_bytes_max = 16u << 20;   // XML and JSON bodies
};

struct Services {
  Store& store;
  AccessControl& access;
  Workers& workers;
  Metrics& metrics;
  Log& log;
  FaceOptions options;
};

// A face: its handler answers what the server routes to it. Thread-safe: called for many requests
// at once, from every connection thread.
class Face {
 public:
  virtual ~Face() = default;
  virtual Task<Response> handle(Request& request, Body& body) = 0;
  // What is to be written down now and then; waits. Called every few seconds.
  virtual Status tick() { return ok(); }
};

std::unique_ptr<Face> make_rest_face(Services& services);  // rest/: /v1
std::unique_ptr<Face> make_dnanexus_face(Services& services);  // dnanexus/: what takes() says
std::unique_ptr<Face> make_fhir_face(Services& services);      // fhir/: what takes() says
std::unique_ptr<Face> make_s3_face(Services& services);    // s3/: everything else

}  // namespace ramet::serve
