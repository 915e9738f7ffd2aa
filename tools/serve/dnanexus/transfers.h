// Transfers: the bytes of files by URLs that carry their own, signed permission, since clients show
// no credentials there: PUT /v1/transfers/TOKEN for a part, GET
// /v1/transfers/TOKEN/ID/NAME for a file.
// A token says what, for whom and until when, signed (HMAC-SHA-256) with a secret of the store; who
// loses the right to it meanwhile, or the file, loses the URL. Thread-safe.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "tools/serve/dnanexus/call.h"

namespace ramet::serve::dnanexus {

inline constexpr std::string_view kTransferPath = "/v1/transfers/";

struct Transfer {
  bool is_upload = false;
  ContainerId container;
  ObjectId object;
  PrincipalId principal;
  int64_t expires = 0;  // milliseconds
  Part part;            // of an upload
  uint64_t number = 0;  // makes two tokens for the same differ
  friend bool operator==(const Transfer&, const Transfer&) = default;
};

std::string transfer_token(const Transfer& transfer, ByteView key);
// nullopt: it was not signed with this key.
std::optional<Transfer> parse_transfer(std::string_view token, ByteView key);

// "http://HOST/v1/transfers/TOKEN", by the Host field of the request.
Outcome<std::string> transfer_url(Call& call, const Transfer& transfer);
// A name that no other transfer of this process has.
uint64_t next_transfer();

// Answers a request below kTransferPath.
Task<Response> serve_transfer(Shared& shared, Request& request, Body& body);

}  // namespace ramet::serve::dnanexus
