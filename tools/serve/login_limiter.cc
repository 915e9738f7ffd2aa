#include "tools/serve/login_limiter.h"

#include <arpa/inet.h>

#include <algorithm>
#include <chrono>
#include <cstring>

namespace ramet::serve {
namespace {

uint64_t steady_now() {
  const auto now = std::chrono::steady_clock::now().time_since_epoch();
  return static_cast<uint64_t>(std::chrono::nanoseconds(now).count());
}

// Both parts, so that no two pairs are written alike.
std::string pair_of(const std::string& peer, std::string_view credential) {
  return std::to_string(peer.size()) + ":" + peer + std::string(credential);
}

}  // namespace

std::string limited_as(std::string_view peer) {
  const std::string text(peer);
  in6_addr address{};
  if (::inet_pton(AF_INET6, text.c_str(), &address) != 1) return text;
  if (IN6_IS_ADDR_V4MAPPED(&address)) {
    char v4[INET_ADDRSTRLEN] = {};
    ::inet_ntop(AF_INET, &address.s6_addr[12], v4, sizeof v4);
    return v4;
  }
  std::memset(&address.s6_addr[8], 0, 8);
  char network[INET6_ADDRSTRLEN] = {};
  ::inet_ntop(AF_INET6, &address, network, sizeof network);
  return std::string(network) + "/64";
}

// Bounded; the least recently changed entry goes first.
class LoginLimiter::Table {
 public:
  struct Entry {
    std::string key;
    double tries = 0;       // that are left
    uint64_t counted = 0;   // when `tries` was right
    uint64_t wait = 0;      // the last one
    uint64_t until = 0;
  };

  explicit Table(size_t entries_max) : entries_max_(std::max<size_t>(1, entries_max)) {}

  Entry* find(const std::string& key) {
    const auto found = at_.find(key);
    return found == at_.end() ? nullptr : &*found->second;
  }
  Entry& touch(const std::string& key) {
    const auto found = at_.find(key);
    if (found != at_.end()) {
      entries_.splice(entries_.begin(), entries_, found->second);
      return entries_.front();
    }
    if (entries_.size() >= entries_max_) {
      at_.erase(entries_.back().key);
      entries_.pop_back();
    }
    entries_.push_front({});
    entries_.front().key = key;
    at_[entries_.front().key] = entries_.begin();
    return entries_.front();
  }
  void erase(const std::string& key) {
    const auto found = at_.find(key);
    if (found == at_.end()) return;
    const auto entry = found->second;
    at_.erase(found);
    entries_.erase(entry);
  }
  size_t size() const { return entries_.size(); }

  void fail(const std::string& key, const LoginLimits& limits, uint64_t now) {
    const bool is_new = find(key) == nullptr;
    Entry& entry = touch(key);
    if (is_new) {
      entry.tries = limits.failures;
    } else if (limits.refill > 0) {
      entry.tries = std::min<double>(limits.failures,
                                     entry.tries + static_cast<double>(now - entry.counted) /
                                                       static_cast<double>(limits.refill));
    }
    entry.counted = now;
    if (entry.tries >= limits.failures) entry.wait = 0;  // all is forgotten
    if (entry.tries >= 1) {
      entry.tries -= 1;
      return;
    }
    const uint64_t longer = entry.wait > limits.wait_max / 2 ? limits.wait_max : entry.wait * 2;
    entry.wait = entry.wait == 0 ? limits.wait_first : longer;
    entry.until = now + entry.wait;
  }
  // 0: it need not.
  uint64_t wait(const std::string& key, uint64_t now) {
    const Entry* const entry = find(key);
    return entry == nullptr || entry->until <= now ? 0 : entry->until - now;
  }

 private:
  const size_t entries_max_;
  std::list<Entry> entries_;  // the most recent first
  std::unordered_map<std::string, std::list<Entry>::iterator> at_;
};

LoginLimiter::LoginLimiter(const LoginLimits& limits, Clock clock)
    : limits_(limits),
      clock_(clock ? std::move(clock) : steady_now),
      peers_(std::make_unique<Table>(limits.entries_max)),
      credentials_(std::make_unique<Table>(limits.entries_max)),
      trusted_(std::make_unique<Table>(limits.entries_max)) {}

LoginLimiter::~LoginLimiter() = default;

std::optional<uint64_t> LoginLimiter::must_wait(std::string_view peer,
                                                std::string_view credential) {
  const std::lock_guard lock(mutex_);
  if (peers_->size() == 0 && credentials_->size() == 0) return std::nullopt;
  const uint64_t now = clock_();
  const std::string from = limited_as(peer);
  uint64_t wait = peers_->wait(from, now);
  if (!credential.empty()) {
    wait = std::max(wait, credentials_->wait(std::string(credential), now));
    if (wait > 0 && trusted_->find(pair_of(from, credential)) != nullptr) return std::nullopt;
  }
  return wait == 0 ? std::nullopt : std::optional(wait);
}

void LoginLimiter::failed(std::string_view peer, std::string_view credential) {
  const std::lock_guard lock(mutex_);
  const uint64_t now = clock_();
  const std::string from = limited_as(peer);
  peers_->fail(from, limits_, now);
  if (credential.empty()) return;
  credentials_->fail(std::string(credential), limits_, now);
  trusted_->erase(pair_of(from, credential));
}

void LoginLimiter::succeeded(std::string_view peer, std::string_view credential) {
  if (credential.empty()) return;
  const std::string pair = pair_of(limited_as(peer), credential);
  const std::lock_guard lock(mutex_);
  trusted_->touch(pair);
}

size_t LoginLimiter::entries() const {
  const std::lock_guard lock(mutex_);
  return peers_->size() + credentials_->size();
}

}  // namespace ramet::serve
