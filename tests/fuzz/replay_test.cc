// All fuzz targets without libFuzzer: every file of tests/fuzz/corpus and tests/fuzz/regressions,
// and deterministic mutations of them (RAMET_FUZZ_RUNS for each target, RAMET_FUZZ_SEED). A broken
// promise aborts; the input is then written to fuzz_failure_<target> in the working directory, to
// be kept under tests/fuzz/regressions/<target>. More than 20 s for one input is a hang.
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/mutate.h"

// Of the sanitizers' runtime, where there is one.
extern "C" void __sanitizer_set_death_callback(void (*)()) __attribute__((weak));

namespace ramet::fuzz {
namespace {

namespace fs = std::filesystem;

constexpr unsigned kSecondsMax = 20;
constexpr size_t kInputBytesMax = 64u << 10;
constexpr uint64_t kRunsDefault = 6000;

// What is being tried, for the handlers below.
const Target* current_target = nullptr;
const Bytes* current_input = nullptr;

void keep_input() {
  if (current_input == nullptr) return;
  const Bytes& input = *std::exchange(current_input, nullptr);
  const std::string name = std::string("fuzz_failure_") + current_target->name;
  std::ofstream(name, std::ios::binary) << input;
  // As gtest says it: a program that aborts names no test.
  std::fprintf(stderr, "[  FAILED  ] fuzz.%s\n", current_target->name);
  std::fprintf(stderr, "the input of %zu bytes that did it: %s\n", input.size(), name.c_str());
}

void on_signal(int number) {
  if (number == SIGALRM) std::fprintf(stderr, "one input takes more than %u s\n", kSecondsMax);
  keep_input();
  std::signal(number, SIG_DFL);
  std::raise(number);
}

uint64_t from_environment(const char* name, uint64_t otherwise) {
  const char* text = std::getenv(name);
  return text == nullptr ? otherwise : std::strtoull(text, nullptr, 10);
}

void run(const Target& target, const Bytes& input) {
  // In a block of its own length, so that reading behind it is found.
  const std::vector<char> copy(input.begin(), input.end());
  current_target = &target;
  current_input = &input;
  alarm(kSecondsMax);
  target.run({copy.data(), copy.size()});
  alarm(0);
  current_input = nullptr;
}

// In order of names.
std::vector<Bytes> inputs_of(const Target& target) {
  std::vector<fs::path> paths;
  for (const char* folder : {"corpus", "regressions"}) {
    const fs::path path = fs::path(RAMET_FUZZ_DIR) / folder / target.name;
    if (!fs::exists(path)) continue;
    for (const auto& entry : fs::directory_iterator(path)) paths.push_back(entry.path());
  }
  std::sort(paths.begin(), paths.end());
  std::vector<Bytes> inputs;
  for (const fs::path& path : paths) {
    std::ifstream file(path, std::ios::binary);
    inputs.emplace_back(std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>());
  }
  return inputs;
}

class FuzzReplay : public ::testing::TestWithParam<Target> {
 protected:
  void SetUp() override {
    for (const int number : {SIGABRT, SIGSEGV, SIGBUS, SIGFPE, SIGALRM}) {
      // A sanitizer tells more about a bad access than the handler here.
      if (__sanitizer_set_death_callback != nullptr && number != SIGALRM) continue;
      std::signal(number, on_signal);
    }
    if (__sanitizer_set_death_callback != nullptr) {
      __sanitizer_set_death_callback(keep_input);
      return;
    }
    // Memory without bound is a finding. (The sanitizers reserve far more than they use.)
    const rlimit limit{rlim_t{4} << 30, RLIM_INFINITY};
    setrlimit(RLIMIT_AS, &limit);
  }
};

TEST_P(FuzzReplay, CorpusAndRegressionsKeepTheirPromises) {
  const std::vector<Bytes> inputs = inputs_of(GetParam());
  EXPECT_FALSE(inputs.empty()) << "no corpus under tests/fuzz/corpus";
  run(GetParam(), Bytes());
  for (const Bytes& input : inputs) {
    EXPECT_LE(input.size(), kInputBytesMax);
    run(GetParam(), input);
  }
}

TEST_P(FuzzReplay, MutationsKeepTheirPromises) {
  const std::vector<Bytes> inputs = inputs_of(GetParam());
  ASSERT_FALSE(inputs.empty());
  const uint64_t runs = from_environment("RAMET_FUZZ_RUNS", kRunsDefault);
  Generator random(from_environment("RAMET_FUZZ_SEED", 1));
  for (uint64_t i = 0; i < runs; ++i) {
    run(GetParam(), mutated(inputs[i % inputs.size()], random, inputs, kInputBytesMax));
  }
}

std::vector<Target> sorted_targets() {
  std::vector<Target> all = targets();
  std::sort(all.begin(), all.end(), [](const Target& a, const Target& b) {
    return std::string_view(a.name) < b.name;
  });
  return all;
}

INSTANTIATE_TEST_SUITE_P(Targets, FuzzReplay, ::testing::ValuesIn(sorted_targets()),
                         [](const auto& of) { return std::string(of.param.name); });

}  // namespace
}  // namespace ramet::fuzz
