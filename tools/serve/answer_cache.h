// AnswerCache: whole answers to requests for small content, right for one state of the store.
//
// Invariant [ANSWER-1]: an answer that is handed out is one that a look-up begun now could give.
// Held by: its stamp, which is taken before anything of it is looked up, and is compared with the
// one of now; whatever changes the store or who may do what changes the stamp before it returns.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <list>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>

#include "tools/serve/http.h"
#include "tools/serve/services.h"

namespace ramet::serve {

// A state of the store, as far as answers depend on it.
struct StateStamp {
  Sequence sequence = 0;    // Store::visible_sequence()
  uint64_t generation = 0;  // AccessControl::generation()
  friend bool operator==(const StateStamp&, const StateStamp&) = default;
};
// From memory. Requires: taken before the request's credentials are looked at.
StateStamp stamp_of(const Services& services);

// The beginning of a key: who asks, and the method. Nothing for requests whose answers are not
// kept: all but GET and HEAD, parts of content, and those with conditions.
std::string begin_answer_key(const Caller& caller, const Request& request);

// Thread-safe: a look-up holds one of several short locks.
class AnswerCache {
 public:
  static constexpr size_t kBodyBytesMax = 64u << 10;  // of one answer

  // `bytes_max`: memory of all answers; those asked for least recently go first.
  explicit AnswerCache(size_t bytes_max = 32u << 20);

  // The answer that was put with this key and stamp; its content is shared, not copied.
  std::optional<Response> find(std::string_view key, const StateStamp& now);
  // Keeps a copy if it is whole (no source) and small. `key`: all that the answer depends on beside
  // the state: who asks, and what for.
  void put(std::string_view key, const StateStamp& stamp, const Response& response);

 private:
  struct Kept {
    std::string key;
    StateStamp stamp;
    int status = 0;
    Fields fields;
    std::string body;
    std::optional<uint64_t> length;
    std::string operation;
    size_t bytes = 0;  // of memory, about
  };
  using List = std::list<std::shared_ptr<const Kept>>;
  struct alignas(64) Shard {
    std::mutex mutex;
    List recent;  // most recently asked for first
    std::unordered_map<std::string_view, List::iterator> by_key;  // keys are those of the list
    size_t bytes = 0;
  };
  static constexpr size_t kShards = 16;

  Shard& shard_of(std::string_view key);
  static void erase(Shard& shard, List::iterator at);  // Requires: its lock

  const size_t shard_bytes_max_;
  std::array<Shard, kShards> shards_;
};

}  // namespace ramet::serve
