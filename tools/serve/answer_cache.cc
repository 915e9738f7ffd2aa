#include "tools/serve/answer_cache.h"

#include <utility>

#include "format/hash.h"

namespace ramet::serve {
namespace {

constexpr size_t kEntryBytes = 512;  // of lists, tables and texts, about

bool selects(std::string_view field) {
  return same_name(field, "range") ||
         (field.size() > 3 && field[2] == '-' && same_name(field.substr(0, 3), "if-"));
}

}  // namespace

StateStamp stamp_of(const Services& services) {
  return {services.store.visible_sequence(), services.access.generation()};
}

std::string begin_answer_key(const Caller& caller, const Request& request) {
  if (request.method != "GET" && request.method != "HEAD") return {};
  for (const Fields::Field& field : request.fields) {
    if (selects(field.name)) return {};
  }
  const Scope& scope = caller.scope;
  std::string key(caller.principal.id.view());
  key += static_cast<char>(scope.most);
  key += scope.account ? 'a' : '-';
  key += std::to_string(scope.containers.size());
  key += request.method;  // (begins with a letter: the number ends there)
  for (const ContainerId& container : scope.containers) key += container.view();
  return key;
}

AnswerCache::AnswerCache(size_t bytes_max) : shard_bytes_max_(bytes_max / kShards) {}

AnswerCache::Shard& AnswerCache::shard_of(std::string_view key) {
  return shards_[xxh3(key) % kShards];
}

void AnswerCache::erase(Shard& shard, List::iterator at) {
  shard.bytes -= (*at)->bytes;
  shard.by_key.erase((*at)->key);
  shard.recent.erase(at);
}

std::optional<Response> AnswerCache::find(std::string_view key, const StateStamp& now) {
  Shard& shard = shard_of(key);
  std::shared_ptr<const Kept> kept;
  {
    const std::lock_guard lock(shard.mutex);
    const auto found = shard.by_key.find(key);
    if (found == shard.by_key.end()) return std::nullopt;
    kept = *found->second;
    if (kept->stamp != now) return std::nullopt;  // (the answer of now is put in its place)
    shard.recent.splice(shard.recent.begin(), shard.recent, found->second);
  }
  Response response;
  response.status = kept->status;
  response.fields = kept->fields;
  response.length = kept->length;
  response.operation = kept->operation;
  if (!kept->body.empty()) {
    const ByteView body = kept->body;
    response.parts.push_back({std::move(kept), body});
  }
  return response;
}

void AnswerCache::put(std::string_view key, const StateStamp& stamp, const Response& response) {
  if (response.source != nullptr || response.close) return;
  size_t size = response.body.size();
  for (const SharedBytes& part : response.parts) size += part.bytes.size();
  if (size > kBodyBytesMax) return;
  auto kept = std::make_shared<Kept>();
  kept->key = key;
  kept->stamp = stamp;
  kept->status = response.status;
  kept->fields = response.fields;
  kept->length = response.length;
  kept->operation = response.operation;
  kept->body.reserve(size);
  kept->body += response.body;
  for (const SharedBytes& part : response.parts) kept->body += part.bytes;
  kept->bytes = kEntryBytes + 2 * key.size() + size;
  for (const Fields::Field& field : kept->fields) {
    kept->bytes += sizeof(field) + field.name.size() + field.value.size();
  }
  if (kept->bytes > shard_bytes_max_) return;

  Shard& shard = shard_of(key);
  List gone;  // freed without the lock
  const std::lock_guard lock(shard.mutex);
  if (const auto found = shard.by_key.find(key); found != shard.by_key.end()) {
    gone.push_back(*found->second);
    erase(shard, found->second);
  }
  while (shard.bytes + kept->bytes > shard_bytes_max_) {
    gone.push_back(shard.recent.back());
    erase(shard, std::prev(shard.recent.end()));
  }
  shard.bytes += kept->bytes;
  shard.recent.push_front(std::move(kept));
  shard.by_key.emplace(shard.recent.front()->key, shard.recent.begin());
}

}  // namespace ramet::serve
