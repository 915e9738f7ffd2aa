// Goal: whatever is done in whatever order (clones of clones, drops, snapshots, reclaim steps,
// contents that come again while they die, readers and transactions that stay, power cuts between
// any two operations of the disk): the store is what the model is, a full recount equals the
// counts, nothing that is alive is gone, and nothing is left over [INV-6] [INV-10] [INV-11].
// Method: rapidcheck, lists of commands that shrink.
//
// RAMET_SPACE_RUNS: lists that are tried.
#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <map>

#include "tests/sim/machine.h"

namespace ramet::sim {
namespace {

std::string contents(const View& view) {
  std::string out;
  const Status visited = view.objects([&](const ObjectInfo& info) {
    std::string bytes(info.size, '\0');
    const auto read = view.read(info.id, 0, bytes);
    out += info.name + (read.ok() ? bytes : "ERROR " + read.error().to_string()) + "\n";
    return true;
  });
  return visited.ok() ? out : visited.error().to_string();
}

// The machine with readers and a transaction of its own beside the workload.
class Player {
 public:
  explicit Player(uint64_t seed) : machine_(seed) {
    machine_.aside = kAside;
    RC_ASSERT(machine_.store->create_container(kAside).ok());
  }

  void play(uint16_t command) {
    const uint16_t seed = command / 16;
    switch (command % 16) {
      case 7: return reclaim(seed, false);
      case 8: return reclaim(seed, true);
      case 9: return look(seed);
      case 10: return check_a_view(seed);
      case 11:
      case 12: return put(seed);
      case 13: return end(seed);
      case 14: return cut(seed);
      case 15: return check(machine_.store->checkpoint(), "checkpoint");
      default: return step(seed);
    }
  }

  void finish() {
    while (!views_.empty()) check_a_view(0);
    transaction_.reset();
    check("reclaim", machine_.reclaim_errors());
    check("at the end", machine_.difference());
    expect_aside();
    check(machine_.store->close(), "close");
    machine_.open();
    check("opened again: recount", machine_.recount_errors());
    check("opened again", machine_.difference());
  }

 private:
  static constexpr const char* kAside = "aside";

  void check(const Status& status, const std::string& what) {
    if (!status.ok()) RC_FAIL(what + ": " + status.error().to_string());
  }
  void check(const std::string& when, const std::string& errors) {
    if (!errors.empty()) RC_FAIL(when + "\n" + errors);
  }
  void step(uint64_t seed) {
    check(machine_.workload.step(machine_.store.get(), seed), machine_.workload.last());
  }
  static ReclaimOptions small_steps() {
    ReclaimOptions options;
    options.nodes_max = 4;
    options.copy_bytes_max = 16 << 10;
    return options;
  }

  void reclaim(uint16_t seed, bool until_idle) {
    ReclaimOptions options = small_steps();
    options.until_idle = until_idle;
    std::vector<ReclaimAction> said;
    const bool say = until_idle && seed % 2 == 0;
    if (say) {
      options.dry_run = true;
      const auto dry = machine_.store->reclaim(options);
      RC_ASSERT(dry.ok());
      said = dry->actions;
      options.dry_run = false;
    }
    const auto done = machine_.store->reclaim(options);
    if (!done.ok()) RC_FAIL("reclaim: " + done.error().to_string());
    if (say) RC_ASSERT(done->actions == said);
    check("recount", machine_.recount_errors());
  }

  void look(uint16_t seed) {
    if (views_.size() >= 4 || machine_.workload.model().empty()) return;
    auto container = machine_.workload.model().begin();
    std::advance(container, seed % machine_.workload.model().size());
    auto view = *machine_.store->view(machine_.store->container(container->first)->id);
    std::string is = contents(*view);
    views_.emplace_back(std::move(view), std::move(is));
  }
  void check_a_view(uint16_t seed) {
    if (views_.empty()) return;
    const auto at = views_.begin() + seed % static_cast<int>(views_.size());
    if (contents(*at->first) != at->second) RC_FAIL("a view changed");
    views_.erase(at);
  }

  void put(uint16_t seed) {
    if (transaction_ == nullptr) {
      transaction_ = std::move(*machine_.store->begin(machine_.store->container(kAside)->id));
      written_ = aside_;
    }
    // Few contents, so that they come again, some just when their last holder went.
    const std::string name = "f" + std::to_string(seed % 30);
    const std::string bytes(seed % 7 * 700, static_cast<char>('a' + seed % 5));
    auto writer = transaction_->write_content();
    check((*writer)->append(bytes), "append");
    const auto put = transaction_->put_object(kRootFolder, name, Attributes{}, std::move(*writer));
    if (!put.ok()) RC_FAIL("put: " + put.error().to_string());
    written_[name] = bytes;
  }
  void end(uint16_t seed) {
    if (transaction_ == nullptr) return;
    if (seed % 4 != 0) {
      const auto committed = transaction_->commit();
      if (!committed.ok()) RC_FAIL("commit: " + committed.error().to_string());
      aside_ = written_;
    }
    transaction_.reset();
  }

  // The power fails within the next operations of the disk, whatever they are done for.
  void cut(uint16_t seed) {
    machine_.env->cut_power_at(machine_.env->operations() + 1 + seed % 100,
                               io::CutPolicy::kRandom);
    for (int i = 0; i < 12 && machine_.env->powered(); ++i) {
      if (i % 3 == 2) {
        ignore_error(machine_.store->reclaim(small_steps()), "the power may fail in it");
      } else if (!machine_.step().ok()) {
        break;
      }
    }
    views_.clear();
    transaction_.reset();
    machine_.cut();
    if (machine_.failed && !machine_.difference().empty()) {  // it may have got there as a whole
      machine_.workload = *machine_.failed;
    }
    machine_.failed.reset();
    check("after a power cut", machine_.difference());
    check("after a power cut: recount", machine_.recount_errors());
  }

  void expect_aside() {
    std::string should;
    std::map<std::string, std::string> is;
    const auto view = *machine_.store->view(machine_.store->container(kAside)->id);
    const Status visited = view->objects([&](const ObjectInfo& info) {
      std::string bytes(info.size, '\0');
      RC_ASSERT(view->read(info.id, 0, bytes).ok());
      is[info.name] = bytes;
      return true;
    });
    RC_ASSERT(visited.ok());
    RC_ASSERT(is == aside_);
  }

  Machine machine_;
  std::vector<std::pair<std::shared_ptr<const View>, std::string>> views_;
  std::map<std::string, std::string> aside_, written_;
  std::unique_ptr<Transaction> transaction_;
};

TEST(SpaceProperty, WhateverIsDoneTheCountsAreRightAndNothingIsLostOrLeft) {
  rc::detail::TestMetadata metadata;
  metadata.id = "SpaceProperty";
  rc::detail::TestParams params = rc::detail::configuration().testParams;
  params.maxSuccess = static_cast<int>(from_environment("RAMET_SPACE_RUNS", 1000));
  const auto property = [](const std::vector<uint16_t>& commands, uint16_t seed) {
    Player player(seed);
    for (const uint16_t command : commands) player.play(command);
    player.finish();
  };
  const auto result = rc::detail::checkTestable(property, metadata, params);
  if (!result.template is<rc::detail::SuccessResult>()) {
    std::ostringstream message;
    rc::detail::printResultMessage(result, message);
    FAIL() << message.str();
  }
}

}  // namespace
}  // namespace ramet::sim
