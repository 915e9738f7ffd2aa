#include "tests/sim/machine.h"

#include <gtest/gtest.h>

#include "engine/store_impl.h"

namespace ramet::sim {

Machine::Machine(uint64_t seed, uint64_t ballast)
    : env(std::make_shared<io::SimEnv>(seed)),
      options(tiny_options(env)),
      workload(seed),
      random(seed) {
  if (ballast > 0) options.ballast_bytes = ballast;
  EXPECT_TRUE(Store::create("/store", options).ok());
  open();
}

void Machine::open() {
  store.reset();
  auto opened = Store::open("/store", options);
  ASSERT_TRUE(opened.ok()) << opened.error().to_string();
  store = std::move(opened).value();
}

Status Machine::step() {
  Workload before = workload;
  Status status = workload.step(store.get());
  last = workload.last();
  if (status.ok()) return status;
  failed = workload;
  workload = std::move(before);
  workload.reseed(random());
  return status;
}

void Machine::expect_step() {
  const Status status = step();
  ASSERT_TRUE(status.ok()) << last << ": " << status.error().to_string();
}

void Machine::cut() {
  env->power_cut(io::CutPolicy::kRandom);
  store.reset();
  env->restart();
  open();
}

std::string Machine::difference() {
  const std::string is = describe(*store, aside);
  const std::string should = describe(workload.model());
  return is == should ? "" : first_difference(is, should);
}

void Machine::expect_equal(const std::string& when) {
  const std::string differs = difference();
  ASSERT_TRUE(differs.empty()) << when << " (" << last << ")\n" << differs;
}

void Machine::expect_one_of_both(const std::string& when) {
  if (failed && describe(*store, aside) == describe(failed->model())) workload = *failed;
  failed.reset();
  expect_equal(when);
}

std::string Machine::recount_errors(engine::Recount* recount) {
  const auto found = static_cast<engine::StoreImpl&>(*store).recount_references();
  if (!found.ok()) return found.error().to_string();
  if (recount != nullptr) *recount = *found;
  std::string out;
  for (const std::string& line : found->wrong) out += line + "\n";
  return out;
}

engine::Recount Machine::recounted() {
  engine::Recount recount;
  const std::string errors = recount_errors(&recount);
  EXPECT_TRUE(errors.empty()) << errors;
  return recount;
}

std::string Machine::reclaim_errors() {
  ReclaimOptions all;
  all.until_idle = true;
  const auto done = store->reclaim(all);
  if (!done.ok()) return "reclaim: " + done.error().to_string();
  if (!done->idle) return "reclaim until idle, and it is not idle";
  if (done->nodes_damaged > 0) return "damaged nodes";
  actions += done->actions.size();
  engine::Recount recount;
  std::string errors = recount_errors(&recount);
  if (recount.pending > 0) errors += std::to_string(recount.pending) + " dead nodes wait\n";
  for (const std::string& name : recount.unknown_files) errors += "left over: " + name + "\n";
  return errors;
}

void Machine::expect_reclaimed() {
  const std::string errors = reclaim_errors();
  ASSERT_TRUE(errors.empty()) << errors;
}

uint64_t Machine::used() {
  const auto space = env->space("/");
  return space->total_bytes - space->available_bytes;
}

}  // namespace ramet::sim
