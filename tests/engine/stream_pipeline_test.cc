// Goal: whatever pieces a stream comes in and however many threads take part, the blocks are those
// that cutting the data ranges one after the other gives, each once and in order; an error of
// either side ends it, and nothing hangs.
// Method: rapidcheck: data ranges with holes between them, pieces of any length, against next_cut()
// and blake3() on each range as a whole.
#include "engine/content/stream_pipeline.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "engine/content/content_id.h"

namespace ramet::engine {
namespace {

using Outcome = io::SourceTree::Outcome;

constexpr ChunkerParams kParams{1024};

struct Range {
  uint64_t offset = 0;
  Bytes bytes;
};

Bytes random_bytes(size_t length, uint32_t seed) {
  Bytes out;
  while (out.size() < length) append(out, seed = seed * 1664525 + 1013904223);
  out.resize(length);
  return out;
}

// Hands the ranges out in pieces of at most `piece` bytes, as SourceTree::stream() does.
Result<Outcome> hand_out(const std::vector<Range>& ranges, size_t piece, io::StreamSink& sink) {
  for (const Range& range : ranges) {
    for (size_t at = 0; at < range.bytes.size();) {
      const std::span<char> memory = sink.memory();
      const size_t length = std::min({piece, memory.size(), range.bytes.size() - at});
      std::copy_n(range.bytes.data() + at, length, memory.data());
      RAMET_TRY(sink.take(range.offset + at, length));
      at += length;
    }
  }
  return Outcome::kWhole;
}

struct Seen {
  uint64_t offset = 0;
  Bytes raw;
  ContentHash name;
  bool operator==(const Seen&) const = default;
};

std::vector<Seen> expected(const std::vector<Range>& ranges) {
  std::vector<Seen> out;
  for (const Range& range : ranges) {
    for (size_t at = 0; at < range.bytes.size();) {
      const ByteView rest = ByteView(range.bytes).substr(at);
      const ByteView block = rest.substr(0, next_cut(rest, true, kParams));
      out.push_back({range.offset + at, Bytes(block), blake3(block)});
      at += block.size();
    }
  }
  return out;
}

RC_GTEST_PROP(StreamPipelineProperty, BlocksAreThoseOfEachRangeInOrder, ()) {
  std::vector<Range> ranges;
  uint64_t offset = *rc::gen::inRange<uint64_t>(0, 3) * 5000;
  const auto count = *rc::gen::inRange<size_t>(0, 6);
  for (size_t i = 0; i < count; ++i) {
    const auto length = *rc::gen::element<size_t>(1, 63, 200, 4096, 9000, 70'000, 3'000'000);
    ranges.push_back({offset, random_bytes(length, *rc::gen::arbitrary<uint32_t>())});
    offset += length + 1 + *rc::gen::inRange<uint64_t>(0, 10'000);
  }
  const auto piece = *rc::gen::element<size_t>(100, 4096, 5000, 1u << 20, 1u << 30);
  const auto threads = *rc::gen::inRange<unsigned>(0, 5);
  StreamPipeline pipeline(kParams, nullptr, threads);
  std::vector<Seen> seen;
  ContentIdBuilder by_blocks(kParams);
  const auto done = pipeline.run(
      [&](io::StreamSink& sink) { return hand_out(ranges, piece, sink); },
      [&](const PreparedBlock& block, ByteView raw) {
        seen.push_back({block.offset, Bytes(raw), block.name});
        by_blocks.add(block.name, block.offset, block.length);
        return ok();
      });
  RC_ASSERT(done.ok());
  RC_ASSERT(*done == Outcome::kWhole);
  RC_ASSERT(seen == expected(ranges));
  ContentIdBuilder by_bytes(kParams);
  for (const Range& range : ranges) by_bytes.write(range.offset, range.bytes);
  RC_ASSERT(by_blocks.finish(offset) == by_bytes.finish(offset));
}

TEST(StreamPipeline, AnErrorOfUseEndsIt) {
  const std::vector<Range> ranges{{0, random_bytes(20u << 20, 1)}};
  for (const unsigned threads : {1u, 4u}) {
    for (const size_t good : {size_t{0}, size_t{1}, size_t{5000}}) {
      StreamPipeline pipeline(kParams, nullptr, threads);
      size_t used = 0;
      const auto done = pipeline.run(
          [&](io::StreamSink& sink) { return hand_out(ranges, 1u << 20, sink); },
          [&](const PreparedBlock&, ByteView) -> Status {
            if (used++ < good) return ok();
            return Error(ErrorCode::kOutOfSpace, "full");
          });
      ASSERT_FALSE(done.ok());
      EXPECT_EQ(done.error().code(), ErrorCode::kOutOfSpace);
      EXPECT_EQ(used, good + 1);
    }
  }
}

TEST(StreamPipeline, WhatTheReaderSaysIsHandedOn) {
  const std::vector<Range> ranges{{0, random_bytes(3u << 20, 2)}};
  for (const Outcome outcome : {Outcome::kChanged, Outcome::kProblem}) {
    StreamPipeline pipeline(kParams, nullptr, 2);
    const auto done = pipeline.run(
        [&](io::StreamSink& sink) -> Result<Outcome> {
          RAMET_TRY(hand_out(ranges, 1u << 20, sink));
          return outcome;
        },
        [](const PreparedBlock&, ByteView) { return ok(); });
    ASSERT_TRUE(done.ok());
    EXPECT_EQ(*done, outcome);
  }
  StreamPipeline pipeline(kParams, nullptr, 2);
  const auto failed = pipeline.run(
      [](io::StreamSink&) -> Result<Outcome> { return Error(ErrorCode::kIoError, "read"); },
      [](const PreparedBlock&, ByteView) { return ok(); });
  ASSERT_FALSE(failed.ok());
  EXPECT_EQ(failed.error().code(), ErrorCode::kIoError);
}

}  // namespace
}  // namespace ramet::engine
