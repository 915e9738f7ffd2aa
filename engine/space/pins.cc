#include "engine/space/pins.h"

#include <algorithm>
#include <utility>

#include "engine/planted.h"

namespace ramet::engine {

Pins::Reader::Reader(Pins& pins) : pins_(pins) {
  std::lock_guard lock(pins_.mu_);
  epoch_ = std::prev(pins_.epochs_.end());
  ++epoch_->readers;
}

Pins::Reader::~Reader() {
  std::lock_guard lock(pins_.mu_);
  --epoch_->readers;
}

Pins::Writer::Writer(Pins& pins) : pins_(pins) {
  std::lock_guard lock(pins_.mu_);
  epoch_ = std::prev(pins_.epochs_.end());
  ++epoch_->writers;
}

Pins::Writer::~Writer() {
  std::lock_guard lock(pins_.mu_);
  --epoch_->writers;
  if (planted(Bug::kPinDroppedEarly)) return;
  epoch_->newest_commit = std::max(epoch_->newest_commit, committed_);
  if (committed_ > 0 && committed_ <= pins_.checkpointed_) {
    pins_.date_anew(*epoch_, pins_.epochs_.back().number);
  }
}

bool Pins::Writer::pin(SegmentNo segment, Slot slot) {
  std::lock_guard lock(pins_.mu_);
  const auto condemned = pins_.condemned_.find(segment);
  if (condemned != pins_.condemned_.end() && condemned->second.contains(slot)) return false;
  // What is alive now can only die in a later checkpoint, against which the epoch is held.
  const auto dead = pins_.dead_.find(segment);
  const bool is_dead = dead != pins_.dead_.end() && dead->second.contains(slot);
  if (planted(Bug::kHitAfterVerdict)) return true;
  if (is_dead || !pins_.begun_) epoch_->pinned[segment].insert(slot);
  return true;
}

void Pins::Writer::refers_to(std::span<const BlockRef> refs) {
  std::lock_guard lock(pins_.mu_);
  for (const BlockRef& ref : refs) epoch_->referred.push_back({ref.segment, ref.slot});
}

void Pins::Writer::refers_to_its_base() {
  std::lock_guard lock(pins_.mu_);
  epoch_->any_node = true;
}

bool Pins::held(const Epoch& epoch) const {
  return epoch.readers > 0 || epoch.writers > 0 || epoch.newest_commit > checkpointed_;
}

void Pins::complete(uint64_t number, Sequence sequence, const StreamMarks& marks,
                    std::span<const SlotId> died, std::span<const SlotId> revived) {
  std::lock_guard lock(mu_);
  const Sequence before = std::exchange(checkpointed_, sequence);
  for (const Epoch& epoch : epochs_) {
    if (epoch.newest_commit <= before || epoch.newest_commit > sequence) continue;
    date_anew(epoch, number);
    if (dead_before_ == kUnknown) dead_before_ = number;
  }
  std::erase_if(epochs_, [&](const Epoch& epoch) { return !held(epoch); });
  Epoch next;
  next.number = number;
  next.marks = marks;
  epochs_.push_back(std::move(next));
  for (const SlotId& id : revived) {
    const auto dead = dead_.find(id.segment);
    if (dead == dead_.end()) continue;
    dead->second.erase(id.slot);
    if (dead->second.empty()) dead_.erase(dead);
  }
  for (const SlotId& id : died) dead_[id.segment].emplace(id.slot, number);
}

void Pins::replayed(Sequence sequence) {
  std::lock_guard lock(mu_);
  epochs_.front().newest_commit = sequence;
  epochs_.front().any_node = true;
  dead_before_ = kUnknown;
}

// [PINS-3]
void Pins::date_anew(const Epoch& epoch, uint64_t number) {
  const auto date = [&](SegmentNo segment, Slot slot) {
    const auto slots = dead_.find(segment);
    if (slots == dead_.end()) return;
    const auto dead = slots->second.find(slot);
    if (dead != slots->second.end()) dead->second = number;
  };
  for (const SlotId& id : epoch.referred) date(id.segment, id.slot);
  for (const auto& [segment, slots] : epoch.pinned) {
    for (const Slot slot : slots) date(segment, slot);
  }
  if (!epoch.any_node) return;
  for (auto& [segment, slots] : dead_) {
    for (auto& [slot, since] : slots) {
      if (since > epoch.number) since = number;
    }
  }
}

void Pins::begin(std::span<const SlotId> dead) {
  std::lock_guard lock(mu_);
  for (const SlotId& id : dead) dead_[id.segment].emplace(id.slot, dead_before_);
  begun_ = true;
}

StreamMarks Pins::settled(Sequence sequence, StreamMarks ends) const {
  std::lock_guard lock(mu_);
  for (const Epoch& epoch : epochs_) {
    if (epoch.writers == 0 && epoch.newest_commit <= sequence) continue;
    ends.node = std::min(ends.node, epoch.marks.node);
    ends.data = std::min(ends.data, epoch.marks.data);
  }
  return ends;
}

bool Pins::has_writers() const {
  std::lock_guard lock(mu_);
  return std::any_of(epochs_.begin(), epochs_.end(),
                     [](const Epoch& epoch) { return epoch.writers > 0; });
}

uint64_t Pins::epochs_held() const {
  const std::lock_guard lock(mu_);
  const uint64_t current = epochs_.back().number;
  return current - std::min(current, oldest());
}

uint64_t Pins::oldest() const {
  uint64_t oldest = UINT64_MAX;
  for (const Epoch& epoch : epochs_) {
    if (held(epoch)) oldest = std::min(oldest, epoch.number);
  }
  return oldest;
}

bool Pins::is_free(SegmentNo segment, const Since::value_type& dead, uint64_t oldest) const {
  if (dead.second > oldest + (planted(Bug::kEpochOffByOne) ? 1 : 0)) return false;
  return std::none_of(epochs_.begin(), epochs_.end(), [&](const Epoch& epoch) {
    const auto slots = epoch.pinned.find(segment);
    return slots != epoch.pinned.end() && slots->second.contains(dead.first);
  });
}

std::map<SegmentNo, Pins::Dead> Pins::dead() const {
  std::lock_guard lock(mu_);
  std::map<SegmentNo, Dead> out;
  const uint64_t limit = oldest();
  for (const auto& [segment, slots] : dead_) {
    Dead& sum = out[segment];
    for (const auto& slot : slots) {
      ++sum.slots;
      if (is_free(segment, slot, limit)) ++sum.free;
    }
  }
  return out;
}

std::vector<Slot> Pins::free(SegmentNo segment) const {
  std::lock_guard lock(mu_);
  return free_slots(segment);
}

std::vector<Slot> Pins::free_slots(SegmentNo segment) const {
  std::vector<Slot> out;
  const auto dead = dead_.find(segment);
  if (dead == dead_.end()) return out;
  const uint64_t limit = oldest();
  for (const auto& slot : dead->second) {
    if (is_free(segment, slot, limit)) out.push_back(slot.first);
  }
  return out;
}

std::vector<Slot> Pins::condemn(SegmentNo segment) {
  std::lock_guard lock(mu_);
  std::vector<Slot> out = free_slots(segment);
  condemned_[segment].insert(out.begin(), out.end());
  return out;
}

void Pins::spare(SegmentNo segment) {
  std::lock_guard lock(mu_);
  condemned_.erase(segment);
}

void Pins::forget_segment(SegmentNo segment) {
  std::lock_guard lock(mu_);
  condemned_.erase(segment);
  dead_.erase(segment);
}

void Pins::forget(SegmentNo segment, std::span<const Slot> slots) {
  std::lock_guard lock(mu_);
  condemned_.erase(segment);
  const auto dead = dead_.find(segment);
  if (dead == dead_.end()) return;
  for (const Slot slot : slots) dead->second.erase(slot);
  if (dead->second.empty()) dead_.erase(dead);
}

}  // namespace ramet::engine
