// LoginLimiter: slows down who shows wrong credentials, by the address and by the credential that
// was named. Pure but for its clock; thread-safe; no allocation for whoever never failed.
//
// How: an address (of IPv6 its first 64 bits: whoever has one address has them all) or a credential
// may fail a few times, and gets a try back every so often. Whoever fails when none is left must
// wait, twice as long each time. While somebody must wait, nothing of it is looked at, right or
// wrong; but an address that came with a credential before and was right goes on with that one:
// so nobody is locked out by what others fail with behind the same address, or with its key's id.
#pragma once

#include <cstdint>
#include <functional>
#include <list>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>

namespace ramet::serve {

struct LoginLimits {
  uint32_t failures = 10;                        // in a row, before anybody must wait
  uint64_t refill = 10'000'000'000;              // nanoseconds: a try comes back every so often
  uint64_t wait_first = 1'000'000'000;           // nanoseconds
  uint64_t wait_max = 900'000'000'000;           // nanoseconds
  size_t entries_max = 16'384;                   // of each kind; the least recent is forgotten
};

class LoginLimiter {
 public:
  using Clock = std::function<uint64_t()>;  // monotonic, nanoseconds
  explicit LoginLimiter(const LoginLimits& limits = {}, Clock clock = {});
  ~LoginLimiter();

  // `peer`: an address without its port; `credential`: what was named of it, never the secret
  // itself (the id of a key, some of a token's hash; empty: none). Nanoseconds to wait from now
  // on, if whoever asks must; then it is refused without a look at the credential.
  std::optional<uint64_t> must_wait(std::string_view peer, std::string_view credential);
  void failed(std::string_view peer, std::string_view credential);
  void succeeded(std::string_view peer, std::string_view credential);

  // Of both kinds together, for tests and metrics.
  size_t entries() const;

 private:
  class Table;

  const LoginLimits limits_;
  const Clock clock_;
  mutable std::mutex mutex_;
  const std::unique_ptr<Table> peers_, credentials_, trusted_;  // guarded by mutex_
};

// What an address counts as: itself, or the first 64 bits of an IPv6 address. Texts that are no
// address count as they are.
std::string limited_as(std::string_view peer);

}  // namespace ramet::serve
