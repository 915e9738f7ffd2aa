#include "engine/container/record_space.h"

#include <algorithm>

namespace ramet::engine {

std::shared_ptr<const IdCipher> IdCiphers::get(const IdCipherKey& key) {
  const std::lock_guard lock(mu_);
  if (const auto found = places_.find(key); found != places_.end()) {
    ciphers_.splice(ciphers_.begin(), ciphers_, found->second);
    return found->second->second;
  }
  ciphers_.emplace_front(key, std::make_shared<const IdCipher>(key));
  places_[key] = ciphers_.begin();
  if (ciphers_.size() > kKeptMax) {
    places_.erase(ciphers_.back().first);
    ciphers_.pop_back();
  }
  return ciphers_.front().second;
}

bool RecordSpace::may_be_missing(TypeNumber type) const {
  return has_dead || std::binary_search(left_out.begin(), left_out.end(), type);
}

std::shared_ptr<const RecordSpace> record_space_of(const ContainerRecord& record,
                                                   IdCiphers& ciphers) {
  if (record.form != ContainerForm::kRecords) return nullptr;
  auto space = std::make_shared<RecordSpace>();
  space->cipher = ciphers.get(record.id_key);
  space->self = record.self;
  space->depth = record.depth;
  space->has_dead = record.has_dead;
  space->left_out = record.left_out;
  return space;
}

}  // namespace ramet::engine
